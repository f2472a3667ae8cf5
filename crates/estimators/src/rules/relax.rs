//! RELAX: REINFORCE with a learned control variate over the latent of the choice.
//!
//! Source: Grathwohl, Choi, Wu, Roeder & Duvenaud, "Backpropagation through the Void: Optimizing Control Variates for
//! Black-Box Gradient Estimation", 2018, eq. 8 and 9 and algorithm 2.
//!
//! `g = (f(b) - V(x) - c(z~)) d ln p(b; a)/da + dc(z)/da - dc(z~)/da`, `z~ ~ p(z | b; a)`, and
//! `c(z) = eta f(relax(z / t)) + r(z, x)`
//!
//! Either part may be missing: `relax` is the network `r` alone, for any `f`; `rebar` the relaxed objective alone;
//! `rebar-relax` both, as in the paper's experiments with autoencoders. `x` is the [context](crate::Site::context) of the site, `V` an
//! optional [`Baseline`]: a network over the context, trained on `(f - V)^2` and beside the relaxed objective on `E ||g||^2`, too, or the mean of `f - eta c` over the other samples, `c` being the relaxed objective. Occurrences of a site share `r` and `V`: in a program with a loop, each
//! choice has its own `z` and context, and `f` is its cost to go. `g` has the right mean given everything
//! before the choice, since context and baseline are known then.
//!
//! | unbiased | f differentiable                       | calls of f                                  | extra parameters |
//! |----------|----------------------------------------|---------------------------------------------|------------------|
//! | yes      | no; the relaxed objective: as in REBAR | 1, and what REBAR takes where it is a part  | `r`, `t`, `V`    |
//!
//! `r` minimises `E ||g||^2`: with `g` held constant, `d E||g||^2 = d E[S]`, `S = 2 (-(g . s) r(z~) + D_w r(z) - D_w~ r(z~))`, `w = (dz/da) g`,
//! `w~ = (dz~/da) g`. The directional derivatives are written in forward mode by [`ControlNet`](crate::ControlNet), so that `dS` is exact;
//! a module of one's own that has no [`tangent`](crate::ControlVariate::tangent) gets central differences.
//!
//! Shapes: as the site. Coupled and two-branch forms as in [`rebar`]. Differences from the paper: `tanh` for `ReLU`, with
//! which the gradient of the variance is biased (see [`ControlVariate`]); the squared norm is that at the logits of each row,
//! or with [`Tuning::Parameters`] of the map that gives them, not that of all parameters.

use burn::tensor::Tensor;

use super::{
    At, Gradient, Rule, baseline::Baseline, branches::Branches, expected_only, needs_relaxation,
    needs_replay, rebar,
};
use crate::{
    control::{self, Control, ControlVariate, Latent},
    estimator::Objective,
    law::{row_sum, scalar},
    owned::{ControlParameters, OwnedRule},
    rules::rebar::{RebarParameters, Tuning},
    trace::{Schema, SiteSchema, column},
    watch::Watch,
};

/// RELAX, and REBAR as its special case.
#[derive(Debug, Clone)]
pub struct Relax {
    coupled: bool,
    tuned: bool,
    tuning: Tuning,
    every: u64,
    objective: Option<RebarParameters>,
    net: Option<Box<dyn Control>>,
    baseline: Baseline,
    watch: Watch,
    /// `g0 . k` and `k . k` of the choices of this batch.
    pending: Vec<(Tensor<1>, Tensor<1>)>,
    /// What the baseline was asked about.
    left: Vec<Tensor<1>>,
}

impl Relax {
    /// The control variate `net`, any module; one evaluation of it instead of two if `coupled`.
    #[must_use]
    pub fn with(net: impl ControlVariate + 'static, coupled: bool, watch: Watch) -> Self {
        Self {
            net: Some(Box::new(net)),
            ..Self::empty(coupled, watch)
        }
    }

    /// REBAR: the relaxed objective as control variate.
    #[must_use]
    pub fn rebar(parameters: RebarParameters, coupled: bool, watch: Watch) -> Self {
        Self {
            objective: Some(parameters),
            ..Self::empty(coupled, watch)
        }
    }

    fn empty(coupled: bool, watch: Watch) -> Self {
        Self {
            coupled,
            tuned: true,
            tuning: Tuning::Logits,
            every: 1,
            objective: None,
            net: None,
            baseline: Baseline::None,
            watch,
            pending: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Adds the relaxed objective to the control variate.
    #[must_use]
    pub fn and_objective(mut self, parameters: RebarParameters) -> Self {
        self.objective = Some(parameters);
        self
    }

    /// Minimises another squared length, in one of so many steps: what is tuned moves slowly, and the relaxed runs for it are most of
    /// the cost of a step.
    #[must_use]
    pub fn tuned_in(mut self, tuning: Tuning, every: u64) -> Self {
        self.tuning = tuning;
        self.every = every;
        self
    }

    /// Subtracts a baseline.
    #[must_use]
    pub fn and_baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = baseline;
        self
    }

    /// What trains the network and the relaxation with `g` held constant; `eta` has its own term.
    fn variance_surrogate(
        &self,
        at: &At<'_>,
        branches: &Branches<'_>,
        latent: &Latent<'_>,
        g: &Tensor<2>,
    ) -> Tensor<1> {
        let (weight, slopes) = branches.variance_slopes(&self.tuning.metric(at, g.clone()));
        let scale = 2.0 / at.rows() as f64;
        let of_objective = self.objective.as_ref().map(|parameters| {
            // The baseline subtracts the relaxed objective of other samples, too, and is its own transpose.
            let weight = self.baseline.unlearned(at, weight.clone());
            let s = rebar::contract(at, weight, &slopes, &parameters.relaxing());
            s * scale * parameters.eta().inner()
        });
        let of_net = self
            .net
            .as_ref()
            .map(|net| control::contract(&**net, latent, weight, &slopes) * scale);
        match (of_objective, of_net) {
            (Some(a), Some(b)) => a + b,
            (a, b) => a.or(b).expect("a control variate has one part at least"),
        }
    }
}

impl Rule for Relax {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        if self.objective.is_some() {
            check_objective(site, schema, objective)?;
        } else if site.law.relaxation().is_none() {
            return Err(format!(
                "a {} choice has no relaxation; use `{}`",
                site.law.name(),
                if site.law.is_pathwise() {
                    "lax"
                } else {
                    "rloo"
                }
            ));
        }
        if self.tuning == Tuning::Parameters && !site.has_features {
            return Err("the site does not say what its parameters are an affine map of; set `tuning = \"logits\"`".into());
        }
        check_net(self.net.as_deref())?;
        self.baseline.check(site, schema, objective)
    }

    fn samples(&self) -> usize {
        self.baseline.samples()
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let law = at.site().law.clone();
        let relaxation = law.relaxation().expect("checked: the law has a relaxation");
        let branches = Branches::new(at, relaxation, self.coupled);
        let latent = Latent {
            z: at.hard(),
            context: at.context(),
            relaxation: Some(relaxation),
        };
        let samples = at.samples() as f64;
        let relaxed = if self.coupled { 1.0 } else { 2.0 } * samples;
        let mut evaluations = 0.0;

        let objective = self.objective.as_ref().map(|parameters| {
            let relaxing = parameters.relaxing().inner();
            let c = rebar::differentiate(at, branches.points(), &relaxing);
            let (c, path) = branches.value_and_path(c);
            evaluations += relaxed;
            (parameters.eta(), c, at.mask(path))
        });
        let (score, f) = (at.score(), at.cost_to_go());
        // A baseline of f alone would be too high by eta times the mean of c.
        let left = match &objective {
            Some((eta, c, _)) => f.clone() - eta.clone().inner() * c.clone(),
            None => f.clone(),
        };
        let (signal, of_baseline) = self.baseline.signal(at, left.clone());
        let mut logits = column(signal) * score.clone();
        let plain = match &objective {
            Some(_) => column(self.baseline.unlearned(at, f)) * score.clone(),
            None => logits.clone(),
        };
        if let Some(net) = &self.net {
            let c = control::differentiate(&**net, &latent, branches.points());
            logits = logits + at.mask(branches.control_term(c));
        }
        // g = g0 + eta k.
        let scaled = objective.map(|(eta, c, path)| {
            let eta = scalar(eta);
            let k = path.clone() - column(self.baseline.unlearned(at, c)) * score;
            logits = logits.clone() + eta.clone().inner() * path;
            let mut g0 = logits.clone() - eta.clone().inner() * k.clone();
            if let Some(v) = self.baseline.network(at) {
                // The best V depends on the path derivatives of c, too: it is found on the tape of ||g||^2.
                g0 = g0 - column(v.clone() - v.inner()) * at.score();
            }
            (eta, g0, k)
        });

        if self.tuned {
            self.watch.take_in(&plain, &logits);
            if let Some((_, g0, k)) = &scaled {
                let metric = self.tuning.metric(at, k.clone());
                self.pending
                    .push(rebar::affine(g0.clone().inner(), k.clone(), metric));
            }
            self.left.push(left);
        }
        let due = self.tuned && at.noise().step().is_multiple_of(self.every);
        let of_control = due.then(|| {
            let s = self.variance_surrogate(at, &branches, &latent, &logits);
            if self.objective.is_some() {
                evaluations += samples + 2.0 * relaxed;
            }
            let g = match scaled {
                Some((eta, g0, k)) => g0 + eta * k,
                None => logits.clone(),
            };
            let square = row_sum(g.clone() * self.tuning.metric(at, g)).mean();
            square + (s.clone() - s.inner())
        });
        // Beside an objective it is on the tape of the square.
        let of_baseline = of_baseline.filter(|_| self.objective.is_none());
        let tuning = match (of_control, of_baseline) {
            (Some(of_control), Some(of_baseline)) => {
                Some(of_control + (of_baseline.clone() - of_baseline.inner()))
            }
            (of_control, of_baseline) => of_control.or(of_baseline),
        };
        Some(Gradient {
            logits,
            tuning,
            evaluations,
        })
    }

    fn stacks(&self) -> bool {
        // A relaxed objective is a run of its own for every occurrence; so is the noise of a second branch.
        self.objective.is_none() && self.coupled
    }

    fn observe(&mut self, _at: &At<'_>) {
        if let Some(parameters) = &mut self.objective {
            for (cross, square) in self.pending.drain(..) {
                parameters.observe(cross, square);
            }
        }
        for left in self.left.drain(..) {
            self.baseline.observe(left);
        }
    }

    fn owned(&self) -> Option<OwnedRule> {
        Some(OwnedRule::Control(ControlParameters {
            objective: self.objective.clone(),
            net: self.net.as_ref().map(|net| net.parameters()),
            baseline: self.baseline.owned(),
            watch: self.watch.clone(),
        }))
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        let OwnedRule::Control(parameters) = owned else {
            panic!("a control variate got {owned:?}");
        };
        self.objective = parameters.objective;
        if let (Some(net), Some(parameters)) = (&mut self.net, parameters.net) {
            net.set_parameters(parameters);
        }
        self.baseline.set_owned(parameters.baseline);
        self.watch = parameters.watch;
    }

    fn freeze(&mut self) {
        self.tuned = false;
        if let Some(parameters) = &mut self.objective {
            parameters.hold();
        }
        self.baseline.freeze();
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        let mut scalars = Vec::new();
        if let Some(parameters) = &self.objective {
            scalars.push(("eta", parameters.eta().inner()));
            scalars.push(("temperature", parameters.temperature().inner()));
        }
        if let Some(net) = &self.net {
            scalars.extend(net.numbers());
        }
        scalars.push(("control_ln_gain", self.watch.ln_gain()));
        scalars
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.watch.warnings();
        warnings.extend(runaways(&self.scalars()));
        warnings
    }
}

/// Temperatures at the ends of their range, `e^-4` to `e^4`.
pub(super) fn runaways(scalars: &[(&'static str, Tensor<1>)]) -> Vec<String> {
    scalars
        .iter()
        .filter(|(name, _)| name.ends_with("temperature"))
        .map(|(name, value)| (name, value.clone().into_scalar::<f64>()))
        .filter(|(_, value)| !(0.019..=53.0).contains(value))
        .map(|(name, value)| {
            format!(
                "{name} has run to the end of its range ({value:.3}); lower `optimizer.estimator_lr`, or use an estimator without relaxation such as `rloo`"
            )
        })
        .collect()
}

fn check_objective(
    site: &SiteSchema,
    schema: &Schema,
    objective: &Objective,
) -> Result<(), String> {
    needs_replay(schema)?;
    expected_only(objective)?;
    needs_relaxation(site, schema)?;
    if schema.has_signals {
        return Err(
            "returns that come from outside are not known for relaxed choices; use `relax` or `rloo`"
                .into(),
        );
    }
    let fixed = schema
        .sites
        .iter()
        .skip_while(|earlier| earlier.key.name != site.key.name)
        .find(|later| later.law.relaxation().is_none() && !later.law.is_pathwise());
    match fixed {
        Some(later) => Err(format!(
            "`{}` is neither relaxable nor a smooth function of its noise; use `rloo`",
            later.key.name
        )),
        None => Ok(()),
    }
}

pub(super) fn check_net(net: Option<&dyn Control>) -> Result<(), String> {
    match net {
        Some(net) if !net.smooth() => Err(
            "the slope of its control variate jumps (`ReLU`?), so the gradient that trains it would be biased; use `tanh`, `softplus` or the built-in network"
                .into(),
        ),
        _ => Ok(()),
    }
}
