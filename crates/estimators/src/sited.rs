//! The estimator of most models: one main run, then one rule per site.
//!
//! Copies of the batch are laid out in blocks of `samples` copies. Block 0 holds independent samples; every choice whose
//! rule is coupled has a further block for each partner, equal in noise but for that choice. The surrogate is
//!
//! `mean over rows of (direct costs) + mean over the rows of block 0 of sum(params * stop(g))`
//!
//! and under a bound of `k` samples `mean over examples of -L + k * mean over rows of sum(params * stop(g))`, since
//! `g` is then a sum over samples, and the bound of every block counts alike.

use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

use burn::tensor::Tensor;

use crate::{
    estimator::{Diagnostics, Estimate, Estimator, Objective},
    law::row_sum,
    noise::Noise,
    owned::Owned,
    program::Program,
    rules::{At, Gradient, Rule, vimco::log_mean_exp},
    stacked::Stack,
    trace::{Draw, Schema, Trace, Weighing, execute},
};

/// See [`Sited::direct`].
type Direct = (Tensor<1>, Tensor<1>, Option<(Tensor<1>, Tensor<2>)>, f64);

/// Rules by site name over one main run.
pub struct Sited {
    rules: Vec<Box<dyn Rule>>,
    by_name: BTreeMap<Arc<str>, usize>,
    objective: Objective,
    weighing: Weighing,
    samples: usize,
    /// The block of the first partner of every coupled choice, by index of the choice.
    partners: BTreeMap<usize, usize>,
    blocks: usize,
}

impl Sited {
    /// `rules` by name of their site, one for every site, each [checked](Rule::check) by the caller.
    ///
    /// # Panics
    /// If a site of `schema` has no rule.
    #[must_use]
    pub fn new(
        rules: Vec<(Arc<str>, Box<dyn Rule>)>,
        schema: &Schema,
        objective: Objective,
    ) -> Self {
        let by_name: BTreeMap<_, _> = rules
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (name.clone(), index))
            .collect();
        let rules: Vec<_> = rules.into_iter().map(|(_, rule)| rule).collect();
        let samples = match objective {
            Objective::LogMeanWeight { k } => k,
            Objective::Expected { .. } => {
                rules.iter().map(|rule| rule.samples()).max().unwrap_or(1)
            }
        };
        let (mut partners, mut blocks) = (BTreeMap::new(), 1);
        for (index, site) in schema.sites.iter().enumerate() {
            let name = &site.key.name;
            let rule = by_name
                .get(name)
                .unwrap_or_else(|| panic!("site `{name}` has no rule"));
            if let Some(coupling) = rules[*rule].coupling() {
                partners.insert(index, blocks);
                blocks += coupling.count();
            }
        }
        Self {
            rules,
            by_name,
            objective,
            weighing: match objective {
                Objective::Expected { .. } => Weighing::Analytic,
                Objective::LogMeanWeight { .. } => Weighing::Sampled,
            },
            samples,
            partners,
            blocks,
        }
    }

    /// Takes divergences of an expected cost as sampled log-ratios, also where a closed form exists.
    #[must_use]
    pub fn with_sampled_divergence(mut self) -> Self {
        self.weighing = Weighing::Sampled;
        self
    }

    fn main_run(&self, program: &dyn Program, noise: &Noise) -> Trace {
        let draw = |index: usize, key: &crate::program::Key| {
            let rule = self.by_name.get(&key.name).unwrap_or_else(|| {
                panic!("site {key} was not there when the estimator was built for this program")
            });
            let rule = &self.rules[*rule];
            match (self.partners.get(&index), rule.coupling()) {
                (Some(&block), Some(coupling)) => Draw::Coupled {
                    copies: self.samples,
                    block,
                    coupling,
                },
                _ => rule.draw(),
            }
        };
        let copies = self.samples * self.blocks;
        execute(program, copies, self.samples, self.weighing, &draw, noise)
    }

    /// The costs that are differentiable directly, `[1]`; the objective of every example, `[batch]`; under a bound that and
    /// the log-weights `[k, batch]` once more; and the weight of logit gradients.
    fn direct(&self, trace: &Trace) -> Direct {
        let costs = trace.cost();
        match self.objective {
            Objective::Expected { .. } => (
                costs.clone().mean(),
                costs
                    .inner()
                    .reshape([trace.copies, trace.batch])
                    .mean_dim(0)
                    .squeeze_dim::<1>(0),
                None,
                1.0,
            ),
            Objective::LogMeanWeight { k } => {
                let (blocks, batch) = (self.blocks, trace.batch);
                let by_block = costs.neg().reshape([blocks, k, batch]);
                let by_sample = by_block
                    .clone()
                    .swap_dims(0, 1)
                    .reshape([k, blocks * batch]);
                let bounds = log_mean_exp(by_sample).neg().reshape([blocks, batch]);
                let of_every_block = bounds.clone().inner();
                let first = of_every_block.clone().narrow(0, 0, 1).squeeze_dim::<1>(0);
                let log_weights = by_block.inner().narrow(0, 0, 1).squeeze_dim::<2>(0);
                (
                    bounds.mean(),
                    of_every_block.mean_dim(0).squeeze_dim::<1>(0),
                    Some((first, log_weights)),
                    k as f64,
                )
            }
        }
    }

    /// The sites in a loop whose rule can be asked about all their choices at once.
    fn stacks(&self, trace: &Trace, costs_to_go: impl Fn() -> Vec<Tensor<1>>) -> Vec<Stack> {
        let bound = matches!(self.objective, Objective::LogMeanWeight { .. });
        if bound || self.blocks > 1 {
            return Vec::new();
        }
        let mut loops: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, site) in trace.sites.iter().enumerate() {
            if self.rules[self.by_name[&site.key.name]].stacks() {
                loops.entry(&site.key.name).or_default().push(index);
            }
        }
        let several = loops.into_values().filter(|indices| indices.len() > 1);
        several
            .filter_map(|indices| Stack::new(trace, indices, &costs_to_go()))
            .collect()
    }
}

impl Estimator for Sited {
    fn estimate(&mut self, program: &dyn Program, noise: &Noise) -> Estimate {
        let trace = self.main_run(program, noise);
        let (mut surrogate, cost, bound, weight) = self.direct(&trace);
        if let Some(outside) = trace.outside() {
            surrogate = surrogate + outside.mean();
        }

        let cell = OnceCell::new();
        let frozen = || -> &dyn Program { &**cell.get_or_init(|| program.frozen()) };
        let mut tuning: Option<Tensor<1>> = None;
        let mut logit_gradients = Vec::new();
        let mut report = Diagnostics {
            evaluations: trace.copies as f64,
            scalars: Vec::new(),
        };
        let costs_to_go = OnceCell::new();
        let partners = self.partners.clone();
        let (objective, weighing, samples) = (self.objective, self.weighing, self.samples);
        let at = |index: usize| At {
            frozen: &frozen,
            noise,
            objective,
            weighing,
            trace: &trace,
            costs_to_go: &costs_to_go,
            samples,
            index,
            partners: partners.get(&index).copied(),
            bound: bound.clone(),
        };
        let stacks = self.stacks(&trace, || at(0).every_cost_to_go().to_vec());
        // The choice, or the stack that starts with it; none if it is asked about with an earlier one.
        let asked = |index: usize| match stacks.iter().find(|stack| stack.holds(index)) {
            None => Some((at(index), None)),
            Some(stack) if stack.indices[0] == index => {
                let at = At {
                    trace: &stack.trace,
                    costs_to_go: &stack.costs_to_go,
                    ..at(0)
                };
                Some((at, Some(stack)))
            }
            Some(_) => None,
        };
        for (index, site) in trace.sites.iter().enumerate() {
            let Some((at, stack)) = asked(index) else {
                continue;
            };
            let rule = &mut self.rules[self.by_name[&site.key.name]];
            let Some(gradient) = rule.gradient(&at) else {
                continue;
            };
            let Gradient {
                logits,
                tuning: mut site_tuning,
                evaluations,
            } = gradient;
            let logits = logits * weight;
            let mut on_tape = logit_surrogate(&at.site().params, logits.clone());
            match stack {
                None => logit_gradients.push((index, logits)),
                Some(stack) => {
                    // A mean over the rows of a stack is one over its choices, too.
                    let choices = stack.indices.len() as f64;
                    on_tape = on_tape * choices;
                    site_tuning = site_tuning.map(|tuning| tuning * choices);
                    logit_gradients.extend(stack.indices.iter().copied().zip(stack.split(logits)));
                }
            }
            surrogate = surrogate + on_tape;
            report.evaluations += evaluations;
            tuning = match (tuning, site_tuning) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        }
        for (index, site) in trace.sites.iter().enumerate() {
            if let Some((at, _)) = asked(index) {
                self.rules[self.by_name[&site.key.name]].observe(&at);
            }
        }
        logit_gradients.sort_by_key(|&(index, _)| index);
        let key = |index: usize| trace.sites[index].key.clone();
        let logit_gradients = logit_gradients
            .into_iter()
            .map(|(index, logits)| (key(index), logits))
            .collect();
        for (name, &rule) in &self.by_name {
            for (what, value) in self.rules[rule].scalars() {
                report.scalars.push((format!("{name}_{what}"), value));
            }
        }
        Estimate {
            surrogate,
            cost,
            tuning,
            log_weights: bound.map(|(_, log_weights)| log_weights),
            logit_gradients,
            report,
        }
    }

    fn is_biased(&self) -> bool {
        self.rules.iter().any(|rule| rule.is_biased())
    }

    fn owned(&self) -> Owned {
        Owned {
            rules: self.rules.iter().filter_map(|rule| rule.owned()).collect(),
        }
    }

    fn set_owned(&mut self, owned: Owned) {
        let mut owned = owned.rules.into_iter();
        for rule in &mut self.rules {
            if rule.owned().is_some() {
                rule.set_owned(
                    owned
                        .next()
                        .expect("one entry per rule that owns something"),
                );
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.by_name
            .iter()
            .flat_map(|(name, &rule)| {
                let warnings = self.rules[rule].warnings().into_iter();
                warnings.map(move |warning| format!("site `{name}`: {warning}"))
            })
            .collect()
    }

    fn freeze(&mut self) {
        for rule in &mut self.rules {
            rule.freeze();
        }
    }
}

/// The mean over rows of `sum(params * g)`, where `g` covers the first rows of `params`.
fn logit_surrogate(params: &Tensor<2>, g: Tensor<2>) -> Tensor<1> {
    let [rows, width] = params.dims();
    let covered = g.dims()[0];
    let padded = if covered == rows {
        g
    } else {
        // Padding `g` is cheaper than narrowing the parameters on the tape.
        let rest = Tensor::zeros([rows - covered, width], (&g.device(), g.dtype()));
        Tensor::cat(vec![g, rest], 0)
    };
    let scale = 1.0 / covered as f64;
    row_sum(params.clone() * padded).sum() * scale
}
