//! LAX: the score function of a continuous choice with a learned control variate.
//!
//! Source: Grathwohl, Choi, Wu, Roeder & Duvenaud, "Backpropagation through the Void", 2018, eq. 7.
//!
//! `g = (f(b) - V(x) - c(b, x)) d ln p(b; a)/da + dc(b, x)/da`, `b = T(noise, a)`
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
    law::row_sum,
    owned::{ControlParameters, OwnedRule},
    trace::{Schema, SiteSchema, column},
    watch::Watch,
};

/// LAX.
#[derive(Debug, Clone)]
pub struct Lax {
    tuned: bool,
    net: Box<dyn Control>,
    baseline: Baseline,
    watch: Watch,
}

impl Lax {
    /// With the control variate `net`, any module.
    #[must_use]
    pub fn with(net: impl ControlVariate + 'static, watch: Watch) -> Self {
        Self {
            tuned: true,
            net: Box::new(net),
            baseline: Baseline::None,
            watch,
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
        if site.law.reparameterization().is_none() {
            return Err(format!(
                "a {} choice is no smooth function of its noise; use `relax`",
                site.law.name()
            ));
        }
        check_net(Some(&*self.net))?;
        self.baseline.check(site, schema, objective)
    }

    fn samples(&self) -> usize {
        self.baseline.samples()
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let moves = law
            .reparameterization()
            .expect("checked: the law is continuous");
        let (params, noise, score) = (at.params(), at.choice_noise(), at.score());
        let latent = Latent {
            z: at.hard(),
            context: at.context(),
            relaxation: None,
        };
        let (signal, of_baseline) = self.baseline.signal(at, at.cost_to_go());
        let (c, slope) = control::differentiate(&*self.net, &latent, vec![latent.z.clone()]);
        let plain = column(signal) * score.clone();
        let pulled = moves.pull(params.clone(), noise.clone(), slope);
        let logits = plain.clone() + at.mask(pulled - column(c) * score.clone());
        let tuning = self.tuned.then(|| {
            self.watch.take_in(&plain, &logits);
            let weight = row_sum(logits.clone() * score).neg();
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
