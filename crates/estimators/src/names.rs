//! The names of the estimators.

/// Every estimator: its name and what it is, in the order of the documentation.
pub const ESTIMATORS: &[(&str, &str)] = &[
    ("exact", "enumeration of all states; for programs with few"),
    ("reinforce", "score function, no baseline (Williams 1992)"),
    ("moving-average", "score function, moving-average baseline"),
    (
        "optimal-baseline",
        "score function, constant baselines of least variance (Weaver & Tao 2001)",
    ),
    (
        "nvil",
        "score function, learned input-dependent baseline (Mnih & Gregor 2014)",
    ),
    (
        "a2c",
        "actor-critic, generalised advantages; biased for `lambda` below 1 (Schulman et al. 2016)",
    ),
    (
        "rloo",
        "score function, leave-one-out baseline over `samples` (Kool et al. 2019)",
    ),
    (
        "double-cv",
        "leave-one-out with the slopes of the other samples (Titsias & Shi 2022)",
    ),
    (
        "muprop",
        "expansion around the mean-field pass as control variate (Gu et al. 2016)",
    ),
    (
        "simple-muprop",
        "the cost of the mean-field pass as baseline (Gu et al. 2016)",
    ),
    ("disarm", "antithetic pairs, for bits (Dong et al. 2020)"),
    (
        "arm",
        "antithetic pairs weighed by their noise, for bits (Yin & Zhou 2019)",
    ),
    (
        "arms",
        "antithetic sets of `samples`, for bits (Dimitriev & Zhou 2021)",
    ),
    (
        "disarm-tree",
        "antithetic pairs, for categorical choices (Dong et al. 2021)",
    ),
    (
        "measure-valued",
        "differences of costs at other values (Pflug 1996)",
    ),
    (
        "unordered-set",
        "`samples` classes without replacement, for categorical choices (Kool et al. 2020)",
    ),
    (
        "sum-and-sample",
        "most probable classes summed, one sampled, for categorical choices (Liu et al. 2019)",
    ),
    (
        "straight-through",
        "exact forwards, mean backwards; biased (Bengio et al. 2013)",
    ),
    (
        "st-gumbel",
        "exact forwards, Gumbel-Softmax backwards; biased (Jang et al. 2017)",
    ),
    (
        "gumbel-rao",
        "the same, averaged over `samples` conditional latents; biased (Paulus et al. 2021)",
    ),
    (
        "reinmax",
        "straight-through of second order; biased beyond quadratic costs (Liu et al. 2023)",
    ),
    (
        "concrete",
        "Concrete / Gumbel-Softmax relaxation; biased (Maddison, Jang et al. 2017)",
    ),
    (
        "vimco",
        "leave-one-out baselines inside a bound of several samples (Mnih & Rezende 2016)",
    ),
    (
        "vimco-arithmetic",
        "the same with arithmetic means (Mnih & Rezende 2016)",
    ),
    (
        "rws",
        "reweighted wake-sleep under a bound of several samples; biased (Bornschein & Bengio 2015)",
    ),
    (
        "rebar",
        "relaxed control variate, one evaluation by coupled noise (Tucker et al. 2017)",
    ),
    (
        "rebar-two-branch",
        "relaxed control variate, independent conditional noise (Tucker et al. 2017)",
    ),
    (
        "relax",
        "learned control variate over the latent, any cost (Grathwohl et al. 2018)",
    ),
    (
        "relax-two-branch",
        "learned control variate, independent conditional noise (Grathwohl et al. 2018)",
    ),
    (
        "rebar-relax",
        "relaxed objective and learned control variate together (Grathwohl et al. 2018)",
    ),
    (
        "rebar-relax-two-branch",
        "the same with independent conditional noise (Grathwohl et al. 2018)",
    ),
    (
        "lax",
        "learned control variate for continuous choices, any cost (Grathwohl et al. 2018)",
    ),
    (
        "d-lax",
        "the same on the latent of a discrete choice, without conditional noise (Grathwohl et al. 2018)",
    ),
    (
        "pathwise",
        "reparameterization, for continuous choices (Kingma & Welling 2014)",
    ),
    (
        "stl",
        "the same under a bound, without the posterior's score; biased for `k` above 1 (Roeder et al. 2017)",
    ),
    (
        "dreg",
        "doubly reparameterized gradient of a bound, for continuous choices (Tucker et al. 2019)",
    ),
];

/// Those that are for continuous choices only: as the general estimator they take the place of `pathwise`.
pub(crate) const CONTINUOUS: &[&str] = &["lax", "pathwise", "stl", "dreg"];
