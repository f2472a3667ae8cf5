//! LAX: the score function of a choice with a learned control variate of the variable behind it.
//!
//! Source: Grathwohl, Choi, Wu, Roeder & Duvenaud, "Backpropagation through the Void", 2018, eq. 7.
//!
//! `g = (f(b) - V(x) - c(b, x)) d ln p(b; a)/da + dc(b, x)/da`, `b = T(noise, a)`
//!
//! and for a discrete choice `b = H(z)` (D-LAX, the same paper's section 3.2 before it conditions z on b)
//!
//! `g = (f(b) - V(x)) d ln p(b; a)/da - c(z, x) d ln p(z; a)/da + dc(z, x)/da`, `z = l(a) + noise`
//!
//! whose terms hang together less than those of RELAX, which is to be preferred: `d ln p(z; a)/da` is that of the noise, `-d ln p(e)/de`, at `l`.
//!
//! For costs that are not differentiable, or come from a black box: where `f` has a derivative, `c = f` would be the
//! pathwise estimator, and that needs no training.
//!
//! | unbiased | f differentiable | calls of f | extra parameters |
//! |----------|------------------|------------|------------------|
//! | yes      | not needed       | 1          | `c`, `V`         |
//!
//! `c` minimises `E ||g||^2`: with `g` held constant, `d E||g||^2 = d E[S]`, `S = 2 (-(g . s) c(b) + D_w c(b))`, `w = (db/da) g`. Shapes:
//! parameters `[rows, width]`, control variate over values `[rows, width']` and context. `V` is an optional
//! [`Baseline`].

use burn::tensor::Tensor;

use super::{At, Gradient, Rule, baseline::Baseline, relax::check_net};
use crate::{
    control::{self, Control, ControlVariate, Latent},
    estimator::Objective,
    law::{Law, Relaxation, Reparameterization, row_sum},
    noise::NoiseLaw,
    owned::{ControlParameters, OwnedRule},
    trace::{Schema, SiteSchema, column},
    watch::Watch,
};

/// LAX, and D-LAX.
#[derive(Debug, Clone)]
pub struct Lax {
    discrete: bool,
    tuned: bool,
    net: Box<dyn Control>,
    baseline: Baseline,
    watch: Watch,
}

impl Lax {
    /// With the control variate `net`, any module, of a continuous choice.
    #[must_use]
    pub fn with(net: impl ControlVariate + 'static, watch: Watch) -> Self {
        Self {
            discrete: false,
            tuned: true,
            net: Box::new(net),
            baseline: Baseline::None,
            watch,
        }
    }

    /// D-LAX: the choice is discrete, and the control variate one of its latent.
    #[must_use]
    pub fn of_latent(self) -> Self {
        Self {
            discrete: true,
            ..self
        }
    }

    /// Subtracts a baseline.
    #[must_use]
    pub fn and_baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = baseline;
        self
    }
}

impl Rule for Lax {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        let name = site.law.name();
        if self.discrete {
            if site.law.relaxation().is_none() {
                return Err(format!(
                    "a {name} choice has no relaxation; use `{}`",
                    if site.law.is_pathwise() {
                        "lax"
                    } else {
                        "rloo"
                    }
                ));
            }
            if score(site.law.noise()).is_none() {
                return Err(format!(
                    "the latent of a {name} choice is no sum of logits and Gumbel or logistic noise; use `relax`"
                ));
            }
        } else if site.law.reparameterization().is_none() {
            return Err(if site.law.is_pathwise() {
                format!(
                    "how a {name} choice moves with its parameters is known to the tape alone; use `pathwise`"
                )
            } else {
                format!("a {name} choice is no smooth function of its noise; use `relax`")
            });
        }
        check_net(Some(&*self.net))?;
        self.baseline.check(site, schema, objective)
    }

    fn samples(&self) -> usize {
        self.baseline.samples()
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let moves = Moves::new(&*law, self.discrete);
        let (params, noise) = (at.params(), at.choice_noise());
        let (score, score_of_z) = (at.score(), moves.score(at));
        let latent = Latent {
            z: moves.variable(at),
            context: at.context(),
            relaxation: moves.relaxation(),
        };
        let (signal, of_baseline) = self.baseline.signal(at, at.cost_to_go());
        let (c, slope) = control::differentiate(&*self.net, &latent, vec![latent.z.clone()]);
        let plain = column(signal) * score;
        let pulled = moves.pull(params.clone(), noise.clone(), slope);
        let logits = plain.clone() + at.mask(pulled - column(c) * score_of_z.clone());
        let tuning = self.tuned.then(|| {
            self.watch.take_in(&plain, &logits);
            let weight = row_sum(logits.clone() * score_of_z).neg();
            let direction = moves.push(params, noise, logits.clone());
            let slopes = [(latent.z.clone(), direction, 1.0)];
            let s =
                control::contract(&*self.net, &latent, weight, &slopes) * (2.0 / at.rows() as f64);
            let tuning = row_sum(logits.clone().square()).mean() + (s.clone() - s.inner());
            match of_baseline {
                Some(of_baseline) => tuning + (of_baseline.clone() - of_baseline.inner()),
                None => tuning,
            }
        });
        Some(Gradient {
            logits,
            tuning,
            evaluations: 0.0,
        })
    }

    fn stacks(&self) -> bool {
        true
    }

    fn observe(&mut self, at: &At<'_>) {
        self.baseline.observe(at.cost_to_go());
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Control(ControlParameters {
            objective: None,
            net: Some(self.net.parameters()),
            baseline: self.baseline.owned(),
            watch: self.watch.clone(),
        }))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Control(parameters) = owned else {
            panic!("a control variate got {owned:?}");
        };
        if let Some(net) = parameters.net {
            self.net.set_parameters(net);
        }
        self.baseline.set_owned(parameters.baseline);
        self.watch = parameters.watch;
    }

    fn freeze(&mut self) {
        self.tuned = false;
        self.baseline.freeze();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        let mut scalars = self.net.numbers();
        scalars.push(("control_ln_gain", self.watch.ln_gain()));
        scalars
    }

    fn warnings(&self) -> Vec<String> {
        self.watch.warnings()
    }
}

/// How the variable that the control variate sees moves with the parameters.
enum Moves<'a> {
    /// The value of a continuous choice.
    Value(&'a dyn Reparameterization),
    /// The latent of a discrete one.
    Latent(&'a dyn Relaxation),
}

impl<'a> Moves<'a> {
    fn new(law: &'a dyn Law, discrete: bool) -> Self {
        const CHECKED: &str = "checked: the law has it";
        if discrete {
            Self::Latent(law.relaxation().expect(CHECKED))
        } else {
            Self::Value(law.reparameterization().expect(CHECKED))
        }
    }

    fn relaxation(&self) -> Option<&'a dyn Relaxation> {
        match self {
            Self::Value(_) => None,
            Self::Latent(relaxation) => Some(*relaxation),
        }
    }

    fn variable(&self, at: &At<'_>) -> Tensor<2> {
        match self {
            Self::Value(_) => at.hard(),
            Self::Latent(relaxation) => relaxation.latent(at.params(), at.choice_noise()),
        }
    }

    fn score(&self, at: &At<'_>) -> Tensor<2> {
        match self {
            Self::Value(_) => at.score(),
            Self::Latent(relaxation) => {
                let of_noise = score(at.site().law.noise()).expect("checked");
                at.mask(relaxation.pull(at.params(), of_noise(at.choice_noise())))
            }
        }
    }

    fn pull(&self, params: Tensor<2>, noise: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Value(value) => value.pull(params, noise, h),
            Self::Latent(relaxation) => relaxation.pull(params, h),
        }
    }

    fn push(&self, params: Tensor<2>, noise: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Value(value) => value.push(params, noise, g),
            Self::Latent(relaxation) => relaxation.push(params, g),
        }
    }
}

/// `-d ln p(e)/de` of the noise e behind a latent.
fn score(noise: NoiseLaw) -> Option<fn(Tensor<2>) -> Tensor<2>> {
    match noise {
        NoiseLaw::Logistic => Some(|e| (e * 0.5).tanh()),
        NoiseLaw::Gumbel => Some(|e| e.neg().exp().neg() + 1.0),
        _ => None,
    }
}
