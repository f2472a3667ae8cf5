//! Enumeration: the exact objective of a program with few states, differentiated directly.
//!
//! `L = sum_b p(b) f(b)` over all joint states `b`, or the sum over all `k`-tuples of states for a bound of `k` samples.
//! Continuous choices are sampled and differentiated pathwise, so that with them the estimate is exact in the discrete
//! part only. The reference of every other estimator.
//!
//! An inactive choice has one value whatever state is tried for it, so each of its `n` states counts `1/n`.

use burn::tensor::{Int, Tensor, TensorData};

use crate::{
    error::EstimatorError,
    estimator::{Diagnostics, Estimate, Estimator, Objective},
    noise::{Noise, upload},
    program::{Key, Program},
    rules::vimco::log_mean_exp,
    trace::{Draw, Schema, Trace, Weighing, execute},
};

/// Most joint states, and most tuples of states, that are enumerated.
pub const MOST_STATES: usize = 1 << 16;

/// Enumeration of all states.
pub struct Exact {
    /// Per site, in order: its states, or nothing if it is continuous.
    supports: Vec<Option<Vec<Vec<f64>>>>,
    states: usize,
    objective: Objective,
}

impl Exact {
    /// For a program of this schema.
    ///
    /// # Errors
    /// [`EstimatorError::Undefined`] where the program cannot be replayed, has too many states, or is discounted.
    pub fn new(schema: &Schema, objective: Objective) -> Result<Self, EstimatorError> {
        let undefined = |what: String, reason: String| EstimatorError::Undefined {
            estimator: "exact".into(),
            what,
            reason,
        };
        if !schema.abilities.replay {
            return Err(undefined(
                "this program".into(),
                "it cannot be run again on the same examples (a black box); use `reinforce`".into(),
            ));
        }
        if matches!(objective, Objective::Expected { discount } if discount < 1.0) {
            return Err(undefined(
                "a discounted cost".into(),
                "the discounted policy gradient is the gradient of no objective; set `discount = 1`"
                    .into(),
            ));
        }
        if schema.has_signals {
            return Err(undefined(
                "this program".into(),
                "it reports returns directly, which need not be its expected costs; use `rloo`"
                    .into(),
            ));
        }
        let mut supports = Vec::with_capacity(schema.sites.len());
        let mut states: usize = 1;
        for site in &schema.sites {
            if site.law.is_pathwise() && schema.abilities.differentiable {
                supports.push(None);
                continue;
            }
            if site.law.is_pathwise() {
                return Err(undefined(
                    format!("site `{}`", site.key.name),
                    "it is continuous and the costs are not differentiable; use `reinforce`".into(),
                ));
            }
            let support = site.law.support(site.params, MOST_STATES);
            let total = support
                .as_ref()
                .and_then(|support| states.checked_mul(support.len()))
                .filter(|&total| total <= MOST_STATES);
            let Some(total) = total else {
                return Err(undefined(
                    format!("site `{}`", site.key.name),
                    format!("more than {MOST_STATES} joint states; use `rloo`"),
                ));
            };
            states = total;
            supports.push(support);
        }
        if matches!(objective, Objective::LogMeanWeight { k } if k > 1)
            && supports.iter().any(Option::is_none)
        {
            return Err(undefined(
                "a bound of several samples".into(),
                "the samples of continuous choices would share their noise; use `vimco`".into(),
            ));
        }
        if let Objective::LogMeanWeight { k } = objective
            && states
                .checked_pow(u32::try_from(k).unwrap_or(u32::MAX))
                .is_none_or(|tuples| tuples > MOST_STATES)
        {
            return Err(undefined(
                format!("a bound of {k} samples"),
                format!("more than {MOST_STATES} tuples of states; use `vimco`"),
            ));
        }
        Ok(Self {
            supports,
            states,
            objective,
        })
    }

    /// The state of `site` in joint state `state`: mixed radix, first site most significant.
    fn value(&self, site: usize, state: usize) -> &[f64] {
        let weight: usize = self.supports[site + 1..]
            .iter()
            .flatten()
            .map(Vec::len)
            .product();
        let support = self.supports[site].as_ref().expect("a discrete site");
        &support[state / weight % support.len()]
    }

    fn run(&self, program: &dyn Program, noise: &Noise) -> Trace {
        let batch = program.batch();
        let device = std::cell::OnceCell::new();
        let draw = |index: usize, _: &Key| {
            assert!(
                index < self.supports.len(),
                "the program has more choices than when the estimator was built for it"
            );
            if self.supports[index].is_none() {
                return Draw::Pathwise;
            }
            let width = self.value(index, 0).len();
            let rows = (0..self.states)
                .flat_map(|state| std::iter::repeat_n(self.value(index, state), batch))
                .flatten()
                .copied()
                .collect();
            let device = device.get_or_init(|| program.device());
            Draw::Given(upload(rows, [self.states * batch, width], device))
        };
        let weighing = match self.objective {
            Objective::Expected { .. } => Weighing::Analytic,
            Objective::LogMeanWeight { .. } => Weighing::Sampled,
        };
        execute(program, self.states, 1, weighing, &draw, noise)
    }

    /// `ln p(state)`, `[states, batch]`, on the tape.
    fn log_probs(&self, trace: &Trace) -> Tensor<2> {
        let mut total: Option<Tensor<1>> = None;
        for (site, support) in trace.sites.iter().zip(&self.supports) {
            let Some(support) = support else { continue };
            let spread = -(support.len() as f64).ln();
            let log_prob = site.law.log_prob(site.params.clone(), site.hard.clone());
            let log_prob = match &site.active {
                Some(active) => {
                    let active = active.clone().squeeze_dim::<1>(1);
                    active.clone() * log_prob + (active.neg() + 1.0) * spread
                }
                None => log_prob,
            };
            total = Some(match total {
                Some(sum) => sum + log_prob,
                None => log_prob,
            });
        }
        let total = total.unwrap_or_else(|| trace.zeros());
        total.reshape([self.states, trace.batch])
    }
}

impl Estimator for Exact {
    fn estimate(&mut self, program: &dyn Program, noise: &Noise) -> Estimate {
        let trace = self.run(program, noise);
        let log_probs = self.log_probs(&trace);
        let costs = trace.cost().reshape([self.states, trace.batch]);
        let (expected, log_weights) = match self.objective {
            Objective::Expected { .. } => ((log_probs.clone().exp() * costs).sum_dim(0), None),
            Objective::LogMeanWeight { k } => {
                let log_weights = costs.neg();
                let tuples = self.states.pow(k as u32);
                // [k, tuples, batch] of every state of every tuple.
                let pick = |table: &Tensor<2>, sample: usize| {
                    let states = self.states;
                    let indices: Vec<i64> = (0..tuples)
                        .map(|tuple| (tuple / states.pow(sample as u32) % states) as i64)
                        .collect();
                    let indices = Tensor::<1, Int>::from_data(
                        TensorData::new(indices, [tuples]),
                        &table.device(),
                    );
                    table.clone().select(0, indices)
                };
                let stack = |table: &Tensor<2>| {
                    Tensor::stack::<3>((0..k).map(|sample| pick(table, sample)).collect(), 0)
                };
                let joint = stack(&log_probs).sum_dim(0).squeeze_dim::<2>(0).exp();
                let bound = log_mean_exp(stack(&log_weights).reshape([k, tuples * trace.batch]))
                    .reshape([tuples, trace.batch]);
                ((joint * bound.neg()).sum_dim(0), Some(log_weights.inner()))
            }
        };
        let expected = expected.squeeze_dim::<1>(0);
        let mut surrogate = expected.clone().mean();
        if let Some(outside) = trace.outside() {
            let outside = outside.reshape([self.states, trace.batch]);
            surrogate = surrogate + (log_probs.inner().exp() * outside).sum_dim(0).mean();
        }
        Estimate {
            surrogate,
            cost: expected.inner(),
            tuning: None,
            log_weights,
            logit_gradients: Vec::new(),
            report: Diagnostics {
                evaluations: self.states as f64,
                scalars: Vec::new(),
            },
        }
    }

    fn is_biased(&self) -> bool {
        false
    }
}
