//! The stochastic program: a model asks for choices and reports what they cost; the estimator decides how.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use burn::tensor::{Device, Int, Tensor};

use crate::{
    law::{Bernoulli, Categorical, Gaussian, Law},
    noise::{Noise, Role},
    trace::{Draw, Part, SiteRecord, Term, Trace, Weighing},
};

/// Which choice of which site: a site that is visited in a loop counts its occurrences.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Name of the site.
    pub name: Arc<str>,
    /// How often the site was visited before in this run.
    pub occurrence: usize,
}

impl Key {
    /// The `occurrence`-th visit of site `name`.
    #[must_use]
    pub fn new(name: &str, occurrence: usize) -> Self {
        Self {
            name: name.into(),
            occurrence,
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.name, self.occurrence)
    }
}

/// A point in a run: the number of choices made before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(crate) usize);

impl Mark {
    /// How many choices were made before.
    #[must_use]
    pub fn choices(self) -> usize {
        self.0
    }
}

/// What a program allows an estimator to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// It can be run again on the same examples with other choices.
    pub replay: bool,
    /// Its costs are defined, and continuous, for relaxed values of its choices.
    pub relaxed: bool,
    /// Its costs are differentiable in its choices on the tape.
    pub differentiable: bool,
}

impl Abilities {
    /// A model written in tensors throughout.
    pub const TENSORS: Self = Self {
        replay: true,
        relaxed: true,
        differentiable: true,
    };
    /// Costs from a table or a program that wants exact choices, but any number of them.
    pub const TABLE: Self = Self {
        replay: true,
        relaxed: false,
        differentiable: false,
    };
    /// An environment that runs once.
    pub const BLACK_BOX: Self = Self {
        replay: false,
        relaxed: false,
        differentiable: false,
    };
}

/// A model with random or discrete choices on one batch. It holds `(&model, &batch)`.
///
/// Rows are independent (no statistics over the batch) and copy-major, `[copies * batch, ..]`: [`Run::rows`] repeats a
/// `[batch, ..]` tensor for every copy. Costs are reported in nats, `[copies * batch]`.
///
/// In a relaxed run ([`Draw::Extended`], [`Draw::Latent`]) values lie between the exact ones. For REBAR and RELAX to be
/// unbiased, the reported costs must be *continuous* in them: compute and mask with [`Choice::value`], and branch on
/// [`Choice::hard`] only in programs whose [`Abilities::relaxed`] is false.
pub trait Program {
    /// Examples in the batch.
    fn batch(&self) -> usize;
    /// Where its tensors live.
    fn device(&self) -> Device;
    /// Makes the choices and reports the costs.
    fn run(&self, run: &mut Run<'_>);
    /// The same program with parameters that record no gradient: control variates need `dc/dz` as numbers.
    fn frozen(&self) -> Box<dyn Program + '_>;
    /// What an estimator may do with the program.
    fn abilities(&self) -> Abilities {
        Abilities::TENSORS
    }
}

/// A request for a choice.
#[derive(Debug, Clone)]
pub struct Site {
    params: Tensor<2>,
    prior: Option<Tensor<2>>,
    context: Option<Tensor<2>>,
    features: Option<Tensor<2>>,
    mask: Option<Mask>,
}

#[derive(Debug, Clone)]
struct Mask {
    active: Tensor<2>,
    forced: Option<Tensor<2>>,
}

impl Site {
    /// A site with the parameters `[rows, width]` of its law.
    #[must_use]
    pub fn new(params: Tensor<2>) -> Self {
        Self {
            params,
            prior: None,
            context: None,
            features: None,
            mask: None,
        }
    }

    /// Makes the choice a latent variable with this prior (parameters of the same law, `[rows or 1, width]`). A prior
    /// that depends on later choices is reported by [`Run::log_prior`] instead.
    #[must_use]
    pub fn prior(mut self, prior: Tensor<2>) -> Self {
        self.prior = Some(prior);
        self
    }

    /// What a learned baseline or control variate of this site may see, `[rows, features]`; it is detached. It must not
    /// depend on this choice.
    #[must_use]
    pub fn context(mut self, context: Tensor<2>) -> Self {
        self.context = Some(context.inner());
        self
    }

    /// What the parameters of this site are an affine map of (with a bias), `[rows, features]`; it is detached. Tells an
    /// estimator how long a gradient at the parameters of the site is as one of the parameters of that map.
    #[must_use]
    pub fn features(mut self, features: Tensor<2>) -> Self {
        self.features = Some(features.inner());
        self
    }

    /// Rows where the choice is made: 1 in `[rows, 1]` where it is, 0 where it is inactive (value 0, or what
    /// [`forced`](Site::forced) gives). Inactive rows have no score, no control term and no prior or posterior term. In
    /// a relaxed run the mask may lie between 0 and 1: build it from [`Choice::value`].
    #[must_use]
    pub fn mask(mut self, active: Tensor<2>) -> Self {
        let forced = self.mask.and_then(|mask| mask.forced);
        self.mask = Some(Mask { active, forced });
        self
    }

    /// The value of inactive rows, `[rows, width]`.
    ///
    /// # Panics
    /// Without a [`mask`](Site::mask).
    #[must_use]
    pub fn forced(mut self, value: Tensor<2>) -> Self {
        let mask = self
            .mask
            .as_mut()
            .expect("a forced value needs a mask first");
        mask.forced = Some(value);
        self
    }
}

/// A choice that was made.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What to compute with, `[rows, width]`: exact, relaxed or straight-through, as the estimator wants.
    pub value: Tensor<2>,
    /// The exact choice of the same noise, without gradient. Branch and count with it.
    pub hard: Tensor<2>,
    exact: bool,
    masked: bool,
    site: usize,
}

impl Choice {
    /// The entry of `memory` `[rows, n, d]` that a one-hot choice among `n` points to, `[rows, d]`: gathered where the
    /// choice is exact, weighted where it is relaxed; zero where the choice is inactive.
    ///
    /// # Panics
    /// If `memory` does not have one entry per class of a single choice.
    #[must_use]
    pub fn select(&self, memory: Tensor<3>) -> Tensor<2> {
        let [rows, n, d] = memory.dims();
        assert_eq!(
            self.value.dims(),
            [rows, n],
            "one entry of memory per class"
        );
        if self.exact && !self.masked {
            let index: Tensor<2, Int> = self.hard.clone().argmax(1);
            let index = index.unsqueeze_dim::<3>(2).expand([rows, 1, d]);
            return memory.gather(1, index).reshape([rows, d]);
        }
        self.value
            .clone()
            .reshape([rows, 1, n])
            .matmul(memory)
            .reshape([rows, d])
    }
}

/// One execution of a program, as the program sees it.
pub struct Run<'a> {
    copies: usize,
    independent: usize,
    batch: usize,
    weighing: Weighing,
    draw: &'a dyn Fn(usize, &Key) -> Draw,
    noise: &'a Noise,
    occurrences: HashMap<Arc<str>, usize>,
    trace: Trace,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        [copies, independent, batch]: [usize; 3],
        weighing: Weighing,
        draw: &'a dyn Fn(usize, &Key) -> Draw,
        noise: &'a Noise,
    ) -> Self {
        Self {
            copies,
            independent,
            batch,
            weighing,
            draw,
            noise,
            occurrences: HashMap::new(),
            trace: Trace::new(copies, batch),
        }
    }

    pub(crate) fn finish(self) -> Trace {
        self.trace
    }

    /// Copies of the batch in this run.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// One row per copy: `[batch, ..] -> [copies * batch, ..]`.
    #[must_use]
    pub fn rows<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.copies == 1 {
            return x;
        }
        x.repeat_dim(0, self.copies)
    }

    /// The point reached.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.trace.sites.len())
    }

    /// Independent bits; parameters are logits.
    pub fn bernoulli(&mut self, name: &str, site: Site) -> Choice {
        self.law(name, Bernoulli, site)
    }

    /// One or more one-hot choices among `classes`, side by side; parameters are logits `[rows, n * classes]`.
    pub fn categorical(&mut self, name: &str, classes: usize, site: Site) -> Choice {
        self.law(name, Categorical { classes }, site)
    }

    /// Independent normals; parameters are `[mean, ln standard deviation]`, `[rows, 2 n]`.
    pub fn gaussian(&mut self, name: &str, site: Site) -> Choice {
        self.law(name, Gaussian, site)
    }

    /// A choice from any law.
    ///
    /// # Panics
    /// If the parameters do not have `copies * batch` rows.
    pub fn law(&mut self, name: &str, law: impl Law + 'static, site: Site) -> Choice {
        let index = self.trace.sites.len();
        let key = self.next_key(name);
        let Site {
            params,
            prior,
            context,
            features,
            mask,
        } = site;
        let rows = self.copies * self.batch;
        assert_eq!(
            params.dims()[0],
            rows,
            "site {key}: parameters need one row per copy and example (Run::rows repeats a [batch, ..] tensor)"
        );
        let width = law.width(params.dims()[1]);
        let draw = (self.draw)(index, &key);
        let noise = |noise_law, role, copies, width| {
            self.noise.draw(
                noise_law,
                &key,
                role,
                copies,
                self.independent,
                self.batch,
                width,
                &params.device(),
            )
        };
        let drawn = draw.apply(
            &law,
            &params,
            self.copies,
            &|role, draws| noise(law.noise(), role, self.copies, draws * width),
            |law, width| noise(law, Role::Partner, self.independent, width),
        );
        let (value, hard) = match &mask {
            None => (drawn.value, drawn.hard),
            Some(mask) => (
                mask.apply(drawn.value),
                mask.clone().detach().apply(drawn.hard),
            ),
        };
        let masked = mask.is_some();
        let active = mask.map(|mask| mask.active);
        self.trace.sites.push(SiteRecord {
            key,
            law: Rc::new(law),
            params,
            value: value.clone(),
            hard: hard.clone(),
            noise: drawn.noise,
            relaxed: drawn.relaxed,
            active,
            context,
            features,
        });
        if let Some(prior) = prior {
            self.weigh(index, prior, true);
        }
        Choice {
            value,
            hard,
            exact: drawn.exact,
            masked,
            site: index,
        }
    }

    fn next_key(&mut self, name: &str) -> Key {
        if let Some((known, count)) = self.occurrences.get_key_value(name) {
            let key = Key {
                name: known.clone(),
                occurrence: *count,
            };
            self.occurrences
                .insert(key.name.clone(), key.occurrence + 1);
            return key;
        }
        let key = Key::new(name, 0);
        self.occurrences.insert(key.name.clone(), 1);
        key
    }

    /// Posterior and prior terms of a latent choice. `immediate`: the prior depends on earlier choices only, so that a
    /// closed-form divergence exists.
    fn weigh(&mut self, index: usize, prior: Tensor<2>, immediate: bool) {
        let now = self.mark();
        let site = &self.trace.sites[index];
        let (law, params, value) = (site.law.clone(), site.params.clone(), site.value.clone());
        let active = site.active.clone().map(|mask| mask.squeeze_dim::<1>(1));
        let masked = |x: Tensor<1>| match &active {
            Some(active) => x * active.clone(),
            None => x,
        };
        let shape = params.dims();
        let every_row = |prior: Tensor<2>| prior.expand(shape);
        let mut terms = Vec::with_capacity(2);
        if let Some(relaxed) = &site.relaxed {
            let relaxation = law.relaxation().expect("drawn as a Concrete variable");
            let y = relaxed.coordinates.clone();
            let log_q = relaxation.log_density(params, relaxed.temperature.clone(), y.clone());
            let log_p =
                relaxation.log_density(every_row(prior), relaxed.prior_temperature.clone(), y);
            terms.push((log_q - log_p, now));
        } else if self.weighing == Weighing::Sampled {
            terms.push((
                law.log_prob(params, value.clone()) - law.log_prob(every_row(prior), value),
                now,
            ));
        } else if let Some(kl) = immediate
            .then(|| law.kl(params.clone(), prior.clone()))
            .flatten()
        {
            terms.push((kl, Mark(index)));
        } else {
            // The score of q has mean zero and only adds noise, so its parameters are held constant where sampled.
            match law.negative_entropy(params.clone()) {
                Some(entropy) => terms.push((entropy, Mark(index))),
                None => terms.push((law.log_prob(params.inner(), value.clone()), now)),
            }
            terms.push((law.log_prob(every_row(prior), value).neg(), now));
        }
        let key = site.key.clone();
        for (value, after) in terms {
            self.trace.terms.push(Term {
                key: key.clone(),
                value: masked(value),
                after,
                part: Part::Weight,
            });
        }
    }

    /// The prior of a latent choice where it depends on later choices (a top-down model): parameters of the same law.
    pub fn log_prior(&mut self, choice: &Choice, prior: Tensor<2>) {
        self.weigh(choice.site, prior, false);
    }

    /// A log-likelihood in nats, `[rows]`: part of the log-weight.
    pub fn log_lik(&mut self, key: &str, log_lik: Tensor<1>) {
        self.report(key, log_lik.neg(), self.mark(), Part::Weight);
    }

    /// Any other cost, `[rows]`. It counts for the choices before `after`.
    pub fn cost(&mut self, key: &str, cost: Tensor<1>, after: Mark) {
        self.report(key, cost, after, Part::Cost);
    }

    /// A regulariser, `[rows]`: differentiated directly, never part of a return or an exponent.
    pub fn outside(&mut self, key: &str, cost: Tensor<1>) {
        self.report(key, cost, Mark(0), Part::Outside);
    }

    /// The return (a cost, `[rows]`) of the last choice before `at`, known directly: rollouts, rewards from outside. It
    /// replaces the sum of reported costs in the gradient of that choice.
    pub fn signal(&mut self, at: Mark, cost_to_go: Tensor<1>) {
        assert!(at.0 > 0, "a signal belongs to a choice before its mark");
        self.trace.signals.insert(at.0 - 1, cost_to_go.inner());
    }

    fn report(&mut self, key: &str, value: Tensor<1>, after: Mark, part: Part) {
        assert_eq!(
            value.dims()[0],
            self.copies * self.batch,
            "term {key}: one number per copy and example"
        );
        self.trace.terms.push(Term {
            key: Key::new(key, 0),
            value,
            after,
            part,
        });
    }
}

impl Mask {
    fn apply(&self, value: Tensor<2>) -> Tensor<2> {
        let chosen = self.active.clone() * value;
        match &self.forced {
            None => chosen,
            Some(forced) => chosen + (self.active.clone().neg() + 1.0) * forced.clone(),
        }
    }

    fn detach(self) -> Self {
        Self {
            active: self.active.inner(),
            forced: self.forced.map(Tensor::inner),
        }
    }
}
