//! The systems that can be trained: one file each, and one line in [`SYSTEMS`].

mod air;
mod bilevel;
mod birkhoff_matching;
mod digits_from_digits;
mod gvae;
mod jigsaw;
mod matching;
mod neuron_identification;
mod ntm;
mod policy;
mod sbn;
mod sorting;
mod toy;

use crate::system::SystemEntry;

/// Every system, in the order they are listed.
pub static SYSTEMS: [SystemEntry; 12] = [
    SystemEntry::new::<air::AirSettings>(
        "air",
        "attend, infer, repeat: how many objects are in a scene, where and what",
        &[
            (
                "scenes",
                include_str!("../../../../configs/air/scenes.toml"),
            ),
            (
                "residual",
                include_str!("../../../../configs/air/residual.toml"),
            ),
            (
                "multi_mnist",
                include_str!("../../../../configs/air/multi_mnist.toml"),
            ),
        ],
    ),
    SystemEntry::new::<sbn::SbnSettings>(
        "sbn",
        "belief networks and discrete autoencoders on images",
        &[
            (
                "glyphs",
                include_str!("../../../../configs/sbn/glyphs.toml"),
            ),
            (
                "mnist_linear1",
                include_str!("../../../../configs/sbn/mnist_linear1.toml"),
            ),
            (
                "mnist_linear2",
                include_str!("../../../../configs/sbn/mnist_linear2.toml"),
            ),
            (
                "mnist_nonlinear",
                include_str!("../../../../configs/sbn/mnist_nonlinear.toml"),
            ),
            (
                "mnist_categorical",
                include_str!("../../../../configs/sbn/mnist_categorical.toml"),
            ),
            (
                "mnist_gaussian",
                include_str!("../../../../configs/sbn/mnist_gaussian.toml"),
            ),
            (
                "mnist_lower_half",
                include_str!("../../../../configs/sbn/mnist_lower_half.toml"),
            ),
            (
                "rebar_anchor",
                include_str!("../../../../configs/sbn/rebar_anchor.toml"),
            ),
            (
                "mnist_vimco",
                include_str!("../../../../configs/sbn/mnist_vimco.toml"),
            ),
            (
                "vimco_k2",
                include_str!("../../../../configs/sbn/vimco_k2.toml"),
            ),
            (
                "vimco_k10",
                include_str!("../../../../configs/sbn/vimco_k10.toml"),
            ),
            (
                "vimco_k50",
                include_str!("../../../../configs/sbn/vimco_k50.toml"),
            ),
            (
                "concrete_vimco",
                include_str!("../../../../configs/sbn/concrete_vimco.toml"),
            ),
            (
                "disarm_linear",
                include_str!("../../../../configs/sbn/disarm_linear.toml"),
            ),
            (
                "fashion_linear1",
                include_str!("../../../../configs/sbn/fashion_linear1.toml"),
            ),
            (
                "omniglot_linear1",
                include_str!("../../../../configs/sbn/omniglot_linear1.toml"),
            ),
            (
                "gumbel_sbn_bernoulli",
                include_str!("../../../../configs/sbn/gumbel_sbn_bernoulli.toml"),
            ),
            (
                "gumbel_sbn_categorical",
                include_str!("../../../../configs/sbn/gumbel_sbn_categorical.toml"),
            ),
            (
                "gumbel_vae_bernoulli",
                include_str!("../../../../configs/sbn/gumbel_vae_bernoulli.toml"),
            ),
            (
                "gumbel_vae_categorical",
                include_str!("../../../../configs/sbn/gumbel_vae_categorical.toml"),
            ),
        ],
    ),
    SystemEntry::new::<ntm::NtmSettings>(
        "ntm",
        "neural Turing machines with soft or hard addresses, on generated sequences",
        &[
            ("copy", include_str!("../../../../configs/ntm/copy.toml")),
            (
                "repeat_copy",
                include_str!("../../../../configs/ntm/repeat_copy.toml"),
            ),
            (
                "associative_recall",
                include_str!("../../../../configs/ntm/associative_recall.toml"),
            ),
            (
                "ngrams",
                include_str!("../../../../configs/ntm/ngrams.toml"),
            ),
            (
                "ngrams_small",
                include_str!("../../../../configs/ntm/ngrams_small.toml"),
            ),
            (
                "priority_sort",
                include_str!("../../../../configs/ntm/priority_sort.toml"),
            ),
            (
                "copy_hard_shift",
                include_str!("../../../../configs/ntm/copy_hard_shift.toml"),
            ),
            (
                "copy_paper",
                include_str!("../../../../configs/ntm/copy_paper.toml"),
            ),
        ],
    ),
    SystemEntry::new::<policy::PolicySettings>(
        "policy",
        "policies in CartPole, Acrobot and a pendulum, by policy gradients",
        &[
            (
                "cartpole",
                include_str!("../../../../configs/policy/cartpole.toml"),
            ),
            (
                "cartpole_ppo",
                include_str!("../../../../configs/policy/cartpole_ppo.toml"),
            ),
            (
                "acrobot",
                include_str!("../../../../configs/policy/acrobot.toml"),
            ),
            (
                "pendulum",
                include_str!("../../../../configs/policy/pendulum.toml"),
            ),
        ],
    ),
    SystemEntry::new::<gvae::GvaeSettings>(
        "gvae",
        "variational autoencoders of texts that have a grammar",
        &[
            (
                "equations",
                include_str!("../../../../configs/gvae/equations.toml"),
            ),
            (
                "programs",
                include_str!("../../../../configs/gvae/programs.toml"),
            ),
            (
                "equations_original",
                include_str!("../../../../configs/gvae/equations_original.toml"),
            ),
            (
                "equations_search",
                include_str!("../../../../configs/gvae/equations_search.toml"),
            ),
            (
                "equations_characters",
                include_str!("../../../../configs/gvae/equations_characters.toml"),
            ),
            (
                "molecules",
                include_str!("../../../../configs/gvae/molecules.toml"),
            ),
            ("zinc", include_str!("../../../../configs/gvae/zinc.toml")),
        ],
    ),
    SystemEntry::new::<bilevel::BilevelSettings>(
        "bilevel",
        "hyper-parameters and weights of examples, through the solution of an inner problem",
        &[
            (
                "ridge",
                include_str!("../../../../configs/bilevel/ridge.toml"),
            ),
            (
                "cleaning",
                include_str!("../../../../configs/bilevel/cleaning.toml"),
            ),
        ],
    ),
    SystemEntry::new::<sorting::SortingSettings>(
        "sorting",
        "lists put in order by a latent permutation",
        &[
            (
                "paper",
                include_str!("../../../../configs/sorting/paper.toml"),
            ),
            (
                "exact",
                include_str!("../../../../configs/sorting/exact.toml"),
            ),
            (
                "plackett_luce",
                include_str!("../../../../configs/sorting/plackett_luce.toml"),
            ),
        ],
    ),
    SystemEntry::new::<jigsaw::JigsawSettings>(
        "jigsaw",
        "pictures put together from shuffled pieces by a latent permutation",
        &[
            (
                "glyphs",
                include_str!("../../../../configs/jigsaw/glyphs.toml"),
            ),
            (
                "mnist",
                include_str!("../../../../configs/jigsaw/mnist.toml"),
            ),
            (
                "mnist_comparing",
                include_str!("../../../../configs/jigsaw/mnist_comparing.toml"),
            ),
            (
                "folder",
                include_str!("../../../../configs/jigsaw/folder.toml"),
            ),
        ],
    ),
    SystemEntry::new::<digits_from_digits::DigitsSettings>(
        "digits_from_digits",
        "digits of one class put together from the pieces of a digit of another",
        &[
            (
                "glyphs",
                include_str!("../../../../configs/digits_from_digits/glyphs.toml"),
            ),
            (
                "mnist",
                include_str!("../../../../configs/digits_from_digits/mnist.toml"),
            ),
        ],
    ),
    SystemEntry::new::<neuron_identification::NeuronSettings>(
        "neuron_identification",
        "names of the recorded neurons of worms, by latent permutations",
        &[
            (
                "surrogate",
                include_str!("../../../../configs/neuron_identification/surrogate.toml"),
            ),
            (
                "candidates",
                include_str!("../../../../configs/neuron_identification/candidates.toml"),
            ),
            (
                "known",
                include_str!("../../../../configs/neuron_identification/known.toml"),
            ),
        ],
    ),
    SystemEntry::new::<birkhoff_matching::BirkhoffMatchingSettings>(
        "birkhoff_matching",
        "points matched to their centres: relaxed posteriors of permutations beside the exact ones",
        &[
            (
                "stick_breaking",
                include_str!("../../../../configs/birkhoff_matching/stick_breaking.toml"),
            ),
            (
                "rounding",
                include_str!("../../../../configs/birkhoff_matching/rounding.toml"),
            ),
            (
                "gumbel_sinkhorn",
                include_str!("../../../../configs/birkhoff_matching/gumbel_sinkhorn.toml"),
            ),
        ],
    ),
    SystemEntry::new::<toy::ToySettings>(
        "toy",
        "one bit, one parameter: the smallest problem with a discrete choice",
        &[(
            "relax_t0.499",
            include_str!("../../../../configs/toy/relax_t0.499.toml"),
        )],
    ),
];

/// The system of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static SystemEntry> {
    SYSTEMS.iter().find(|entry| entry.name == name)
}
