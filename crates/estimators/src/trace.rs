//! What an execution leaves behind, and how each choice of it is drawn.

use std::{collections::BTreeMap, rc::Rc};

use burn::tensor::{FloatDType, Tensor};

use crate::{
    backward::{Backward, Chosen},
    coupling::{Coupling, with_partners},
    law::{Law, Relaxing},
    noise::{Noise, NoiseLaw, Role},
    program::{Abilities, Key, Mark, Program, Run},
};

/// How a choice is made.
#[derive(Debug, Clone)]
pub enum Draw {
    /// Exactly, from the noise; no gradient.
    Hard,
    /// Exactly, with partners of the choice in further blocks of copies (DisARM).
    Coupled {
        /// Copies in a block.
        copies: usize,
        /// The block of the first partner.
        block: usize,
        /// How they are drawn.
        coupling: Rc<dyn Coupling>,
    },
    /// The mean of the law.
    Mean,
    /// This exact value, `[rows, width]`.
    Given(Tensor<2>),
    /// This value `[rows, width]`, which need not be exact, on its tape.
    Leaf(Tensor<2>),
    /// Exactly, differentiable through the law's own pathwise derivative.
    Pathwise,
    /// Exactly in value; the gradient passes through this instead.
    StraightThrough(Rc<dyn Backward>),
    /// A Concrete variable; prior and posterior terms become Concrete densities.
    Concrete {
        /// Temperature of the posterior, `[1]`.
        temperature: Tensor<1>,
        /// Temperature of the prior, `[1]`.
        prior: Tensor<1>,
    },
    /// Relaxed; log-probabilities extend linearly.
    Extended(Relaxing),
    /// The relaxed value of this latent `[rows, width]`.
    Latent(Tensor<2>, Relaxing),
}

/// A choice before masking.
pub(crate) struct Drawn {
    pub(crate) value: Tensor<2>,
    pub(crate) hard: Tensor<2>,
    pub(crate) noise: Option<Tensor<2>>,
    pub(crate) relaxed: Option<Relaxed>,
    pub(crate) exact: bool,
}

/// What the density of a Concrete choice needs.
#[derive(Debug, Clone)]
pub(crate) struct Relaxed {
    pub(crate) coordinates: Tensor<2>,
    pub(crate) temperature: Tensor<1>,
    pub(crate) prior_temperature: Tensor<1>,
}

impl Draw {
    pub(crate) fn apply(
        self,
        law: &dyn Law,
        params: &Tensor<2>,
        copies: usize,
        fresh: &dyn Fn(Role, usize) -> Tensor<2>,
        further: impl FnOnce(NoiseLaw, usize) -> Tensor<2>,
    ) -> Drawn {
        let noise = || fresh(Role::Choice, 1);
        let exact = |value: Tensor<2>, noise: Option<Tensor<2>>| Drawn {
            hard: value.clone().inner(),
            value,
            noise,
            relaxed: None,
            exact: true,
        };
        // Known by its value alone.
        let inexact = |value: Tensor<2>| Drawn {
            hard: value.clone().inner(),
            value,
            noise: None,
            relaxed: None,
            exact: false,
        };
        let fixed = || params.clone().inner();
        let relaxation = || {
            law.relaxation()
                .unwrap_or_else(|| panic!("a {} choice cannot be relaxed", law.name()))
        };
        match self {
            Self::Hard => {
                let noise = noise();
                exact(law.sample(fixed(), noise.clone()), Some(noise))
            }
            Self::Coupled {
                copies: in_block,
                block,
                coupling,
            } => {
                let noise = noise();
                let rows = noise.dims()[0] / copies * in_block;
                let value =
                    with_partners(&*coupling, law, &fixed(), &noise, [rows, block], further);
                exact(value, Some(noise))
            }
            Self::Mean => inexact(law.mean(params.clone())),
            // The value is exact in every precision; the parameters say which one this run is in.
            Self::Given(value) => exact(value.cast(FloatDType::from(params.dtype())), None),
            Self::Leaf(value) => inexact(value),
            Self::Pathwise => {
                let noise = noise();
                exact(law.sample(params.clone(), noise.clone()), Some(noise))
            }
            Self::StraightThrough(backward) => {
                let noise = noise();
                let chosen = Chosen {
                    law,
                    params,
                    hard: law.sample(fixed(), noise.clone()),
                    noise: noise.clone(),
                    fresh,
                };
                Drawn {
                    value: chosen.through(backward.path(&chosen)),
                    hard: chosen.hard,
                    noise: Some(noise),
                    relaxed: None,
                    exact: false,
                }
            }
            Self::Concrete { temperature, prior } => {
                let noise = noise();
                let latent = relaxation().latent(params.clone(), noise.clone());
                Drawn {
                    hard: relaxation().harden(latent.clone().inner()),
                    value: relaxation().relax(latent.clone(), temperature.clone()),
                    noise: Some(noise),
                    relaxed: Some(Relaxed {
                        coordinates: relaxation().coordinates(latent, temperature.clone()),
                        temperature,
                        prior_temperature: prior,
                    }),
                    exact: false,
                }
            }
            Self::Extended(relaxing) => {
                let noise = noise();
                let latent = relaxation().latent(params.clone(), noise.clone());
                Drawn {
                    hard: relaxation().harden(latent.clone().inner()),
                    value: relaxing.relax(relaxation(), params, latent),
                    noise: Some(noise),
                    relaxed: None,
                    exact: false,
                }
            }
            Self::Latent(latent, relaxing) => Drawn {
                hard: relaxation().harden(latent.clone().inner()),
                value: relaxing.relax(relaxation(), params, latent),
                noise: None,
                relaxed: None,
                exact: false,
            },
        }
    }
}

/// Whether prior and posterior terms are taken in closed form or as the sampled log-ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighing {
    /// In closed form where there is one: an expected cost.
    Analytic,
    /// Sampled: a log-weight.
    Sampled,
}

/// A choice as it was made.
#[derive(Debug, Clone)]
pub struct SiteRecord {
    /// Site and occurrence.
    pub key: Key,
    /// Law of the choice.
    pub law: Rc<dyn Law>,
    /// Parameters on the tape, `[rows, width]`.
    pub params: Tensor<2>,
    /// What the program computed with, `[rows, width]`.
    pub value: Tensor<2>,
    /// The exact choice, `[rows, width]`.
    pub hard: Tensor<2>,
    /// The noise of the choice, if it consumed any.
    pub noise: Option<Tensor<2>>,
    pub(crate) relaxed: Option<Relaxed>,
    /// 1 where the choice was active, `[rows, 1]`.
    pub active: Option<Tensor<2>>,
    /// What a baseline may see, `[rows, features]`.
    pub context: Option<Tensor<2>>,
    /// What the parameters are an affine map of, `[rows, features]`.
    pub features: Option<Tensor<2>>,
}

/// What a reported number is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Minus a part of the log-weight.
    Weight,
    /// A cost that is no log-weight.
    Cost,
    /// Differentiated directly only.
    Outside,
}

/// A reported cost.
#[derive(Debug, Clone)]
pub struct Term {
    /// Name of the term.
    pub key: Key,
    /// Cost in nats, `[rows]`, on the tape.
    pub value: Tensor<1>,
    /// The cost counts for the choices before this point.
    pub after: Mark,
    /// What the term is part of.
    pub part: Part,
}

/// What an execution leaves behind.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Copies of the batch.
    pub copies: usize,
    /// Examples.
    pub batch: usize,
    /// Choices in the order in which they were made.
    pub sites: Vec<SiteRecord>,
    /// Reported costs.
    pub terms: Vec<Term>,
    /// Returns known directly, by index of the site.
    pub signals: BTreeMap<usize, Tensor<1>>,
}

impl Trace {
    pub(crate) fn new(copies: usize, batch: usize) -> Self {
        Self {
            copies,
            batch,
            sites: Vec::new(),
            terms: Vec::new(),
            signals: BTreeMap::new(),
        }
    }

    /// Sum of the terms that `keep` selects, `[rows]`; `None` if there are none.
    fn sum(&self, keep: impl Fn(&Term) -> bool) -> Option<Tensor<1>> {
        self.terms
            .iter()
            .filter(|term| keep(term))
            .map(|term| term.value.clone())
            .reduce(|a, b| a + b)
    }

    /// The objective of every row: all costs but the outside ones, `[rows]`.
    ///
    /// # Panics
    /// If the program reported no cost.
    #[must_use]
    pub fn cost(&self) -> Tensor<1> {
        self.sum(|term| term.part != Part::Outside)
            .expect("a program must report a cost or a log-likelihood")
    }

    /// Sum of the outside terms, `[rows]`.
    #[must_use]
    pub fn outside(&self) -> Option<Tensor<1>> {
        self.sum(|term| term.part == Part::Outside)
    }

    /// The costs that choice `site` can have influenced, `[rows]`, each discounted by the choices in between.
    #[must_use]
    pub fn cost_to_go(&self, site: usize, discount: f64) -> Option<Tensor<1>> {
        if let Some(signal) = self.signals.get(&site) {
            return Some(signal.clone());
        }
        self.terms
            .iter()
            .filter(|term| term.part != Part::Outside && term.after.0 > site)
            .map(|term| {
                let delay = i32::try_from(term.after.0 - 1 - site).unwrap_or(i32::MAX);
                if discount == 1.0 || delay == 0 {
                    term.value.clone()
                } else {
                    term.value.clone() * discount.powi(delay)
                }
            })
            .reduce(|a, b| a + b)
    }

    /// The [`cost_to_go`](Trace::cost_to_go) of every choice, without gradient, in one pass from the end:
    /// `R_i = c_(i+1) + discount R_(i+1)`, where `c_m` is what is reported after `m` choices.
    #[must_use]
    pub fn costs_to_go(&self, discount: f64) -> Vec<Tensor<1>> {
        let mut after: Vec<Option<Tensor<1>>> = vec![None; self.sites.len() + 1];
        for term in self.terms.iter().filter(|term| term.part != Part::Outside) {
            let value = term.value.clone().inner();
            let slot = &mut after[term.after.0];
            *slot = Some(match slot.take() {
                Some(sum) => sum + value,
                None => value,
            });
        }
        let mut to_go: Option<Tensor<1>> = None;
        let mut all = Vec::with_capacity(self.sites.len());
        for (site, now) in after.into_iter().skip(1).enumerate().rev() {
            let later = to_go.map(|later| {
                if discount == 1.0 {
                    later
                } else {
                    later * discount
                }
            });
            to_go = match (now, later) {
                (Some(now), Some(later)) => Some(now + later),
                (now, later) => now.or(later),
            };
            let known = self.signals.get(&site).cloned();
            all.push(
                known
                    .or_else(|| to_go.clone())
                    .unwrap_or_else(|| self.zeros()),
            );
        }
        all.reverse();
        all
    }

    /// Zeros, `[rows]`, like the costs of this trace.
    pub(crate) fn zeros(&self) -> Tensor<1> {
        self.cost().inner().zeros_like()
    }
}

/// Runs `program` on `copies` copies of its batch. Copy `c` sees the noise of copy `c % independent`.
pub fn execute(
    program: &dyn Program,
    copies: usize,
    independent: usize,
    weighing: Weighing,
    draw: &dyn Fn(usize, &Key) -> Draw,
    noise: &Noise,
) -> Trace {
    let mut run = Run::new(
        [copies, independent, program.batch()],
        weighing,
        draw,
        noise,
    );
    program.run(&mut run);
    run.finish()
}

/// One site as a dry run saw it.
#[derive(Debug, Clone)]
pub struct SiteSchema {
    /// Site and occurrence.
    pub key: Key,
    /// Law of the choice.
    pub law: Rc<dyn Law>,
    /// Columns of the parameters.
    pub params: usize,
    /// Features of the context, if there is one.
    pub context: Option<usize>,
    /// Whether it says what its parameters are an affine map of.
    pub has_features: bool,
}

/// The sites of a program, from a dry run.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Sites in order.
    pub sites: Vec<SiteSchema>,
    /// What the program allows.
    pub abilities: Abilities,
    /// Whether it reports costs that are no part of a log-weight.
    pub has_costs: bool,
    /// Whether it reports returns directly.
    pub has_signals: bool,
}

impl Schema {
    /// Runs `program` once to see its sites. An environment is reset by its caller afterwards.
    #[must_use]
    pub fn of(program: &dyn Program) -> Self {
        let frozen = program.frozen();
        let noise = Noise::new(0, 0);
        let trace = execute(
            &*frozen,
            1,
            1,
            Weighing::Analytic,
            &|_, _| Draw::Hard,
            &noise,
        );
        Self {
            abilities: program.abilities(),
            has_costs: trace.terms.iter().any(|term| term.part == Part::Cost),
            has_signals: !trace.signals.is_empty(),
            sites: trace
                .sites
                .into_iter()
                .map(|site| SiteSchema {
                    params: site.params.dims()[1],
                    context: site.context.map(|context| context.dims()[1]),
                    has_features: site.features.is_some(),
                    key: site.key,
                    law: site.law,
                })
                .collect(),
        }
    }

    /// The names of the sites, each once, in order of first use.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for site in &self.sites {
            if !names.contains(&&*site.key.name) {
                names.push(&site.key.name);
            }
        }
        names
    }
}

/// Multiplies the inactive rows of `x` away.
pub(crate) fn mask_rows(x: Tensor<2>, active: Option<&Tensor<2>>) -> Tensor<2> {
    match active {
        Some(active) => x * active.clone().inner(),
        None => x,
    }
}

/// `[rows]` as a column to broadcast over `[rows, width]`.
pub(crate) fn column(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim::<2>(1)
}
