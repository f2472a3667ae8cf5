//! Estimators by name, as a configuration or a flag asks for them.

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    error::EstimatorError,
    estimator::{Estimator, Objective},
    exact::Exact,
    owned::RunningMean,
    rules::{
        Rule,
        a2c::ActorCritic,
        concrete::Concrete,
        disarm::Disarm,
        moving_average::MovingAverage,
        nvil::Nvil,
        pathwise::Pathwise,
        rebar::{Rebar, RebarParameters},
        reinforce::Reinforce,
        rloo::Rloo,
        straight_through::StraightThrough,
        vimco::Vimco,
    },
    sited::Sited,
    trace::{Schema, SiteSchema},
};

/// Every estimator: its name and what it is, in the order of the documentation.
pub const ESTIMATORS: &[(&str, &str)] = &[
    ("exact", "enumeration of all states; for programs with few"),
    ("reinforce", "score function, no baseline (Williams 1992)"),
    ("moving-average", "score function, moving-average baseline"),
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
    ("disarm", "antithetic pairs, for bits (Dong et al. 2020)"),
    (
        "straight-through",
        "exact forwards, mean backwards; biased (Bengio et al. 2013)",
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
        "rebar",
        "relaxed control variate, one evaluation by coupled noise (Tucker et al. 2017)",
    ),
    (
        "rebar-two-branch",
        "relaxed control variate, independent conditional noise (Tucker et al. 2017)",
    ),
    (
        "pathwise",
        "reparameterization, for continuous choices (Kingma & Welling 2014)",
    ),
];

/// Which estimator, with its settings. Settings that an estimator does not know are ignored by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EstimatorConfig {
    /// The estimator of all discrete sites; continuous ones are pathwise unless named in `sites`.
    pub name: String,
    /// Other estimators for some sites, by name of the site.
    pub sites: BTreeMap<String, String>,
    /// Samples per example: `rloo`.
    pub samples: usize,
    /// Decay of running means: `moving-average`, `nvil`, `a2c`.
    pub decay: f64,
    /// Hidden units of a baseline network: `nvil`, `a2c`.
    pub hidden: usize,
    /// How far returns are trusted rather than the critic, in [0, 1]; 1 is unbiased: `a2c`.
    pub lambda: f64,
    /// Temperature of the relaxation: `concrete` (of the posterior), `rebar` (at the start).
    pub temperature: Option<f64>,
    /// Temperature of the relaxed prior: `concrete`.
    pub prior_temperature: f64,
    /// Scale of the control variate at the start, in (0, 2): `rebar`.
    pub eta: f64,
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self {
            name: "rloo".into(),
            sites: BTreeMap::new(),
            samples: 2,
            decay: 0.9,
            hidden: 100,
            lambda: 1.0,
            temperature: None,
            prior_temperature: 0.5,
            eta: 1.0,
        }
    }
}

impl EstimatorConfig {
    /// The default settings of the estimator `name`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Checks names and ranges, without a program.
    ///
    /// # Errors
    /// The first setting that cannot be.
    pub fn validate(&self) -> Result<(), EstimatorError> {
        for name in std::iter::once(&self.name).chain(self.sites.values()) {
            if !ESTIMATORS.iter().any(|(known, _)| known == name) {
                let known: Vec<_> = ESTIMATORS.iter().map(|(name, _)| *name).collect();
                return Err(EstimatorError::UnknownName {
                    name: name.clone(),
                    known: known.join(", "),
                });
            }
        }
        let range = |setting, value: f64, ok: bool, allowed| {
            if ok {
                Ok(())
            } else {
                Err(EstimatorError::Setting {
                    setting,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        let above_zero = |x: f64| x > 0.0 && x.is_finite();
        range(
            "samples",
            self.samples as f64,
            self.samples >= 2,
            "at least 2",
        )?;
        range(
            "decay",
            self.decay,
            (0.0..1.0).contains(&self.decay),
            "in [0, 1)",
        )?;
        range("hidden", self.hidden as f64, self.hidden >= 1, "at least 1")?;
        range(
            "lambda",
            self.lambda,
            (0.0..=1.0).contains(&self.lambda),
            "in [0, 1]",
        )?;
        if let Some(temperature) = self.temperature {
            range(
                "temperature",
                temperature,
                above_zero(temperature),
                "above 0",
            )?;
        }
        let prior = self.prior_temperature;
        range("prior_temperature", prior, above_zero(prior), "above 0")?;
        range(
            "eta",
            self.eta,
            self.eta > 0.0 && self.eta < 2.0,
            "in (0, 2)",
        )
    }

    /// Builds the estimator for programs of this schema. `device` is where the estimator's own parameters live, with
    /// autodiff on.
    ///
    /// # Errors
    /// A setting out of range, an unknown name, or the reason why the estimator is not defined here.
    pub fn build(
        &self,
        schema: &Schema,
        objective: Objective,
        device: &Device,
    ) -> Result<Box<dyn Estimator>, EstimatorError> {
        self.validate()?;
        check_objective(schema, objective, &self.name)?;
        let names = schema.names();
        if let Some(unknown) = self
            .sites
            .keys()
            .find(|name| !names.contains(&name.as_str()))
        {
            return Err(EstimatorError::UnknownSite {
                name: unknown.clone(),
                known: names.join(", "),
            });
        }
        if self.name == "exact" {
            if !self.sites.is_empty() {
                return Err(EstimatorError::Undefined {
                    estimator: self.name.clone(),
                    what: "a program with estimators of its own for some `sites`".into(),
                    reason: "it enumerates all sites together; use `rloo`".into(),
                });
            }
            return Ok(Box::new(Exact::new(schema, objective)?));
        }
        let mut rules: Vec<(Arc<str>, Box<dyn Rule>)> = Vec::new();
        for name in names {
            let sites: Vec<_> = schema
                .sites
                .iter()
                .filter(|site| &*site.key.name == name)
                .collect();
            let estimator = self.estimator_of(sites[0]);
            let undefined = |reason| EstimatorError::Undefined {
                estimator: estimator.into(),
                what: format!("site `{name}`"),
                reason,
            };
            let rule = self
                .rule(estimator, sites[0], device)
                .ok_or_else(|| undefined("it enumerates all sites together; use `rloo`".into()))?;
            for site in &sites {
                rule.check(site, schema, &objective).map_err(undefined)?;
            }
            rules.push((sites[0].key.name.clone(), rule));
        }
        Ok(Box::new(Sited::new(rules, schema, objective)))
    }

    /// The estimator named for a site: the one given for it, else `pathwise` where it is continuous, else the general one.
    fn estimator_of(&self, site: &SiteSchema) -> &str {
        if let Some(name) = self.sites.get(&*site.key.name) {
            return name;
        }
        if site.law.is_pathwise() {
            return "pathwise";
        }
        &self.name
    }

    fn rule(&self, name: &str, site: &SiteSchema, device: &Device) -> Option<Box<dyn Rule>> {
        let rebar = |coupled| {
            let temperature = self.temperature.unwrap_or(0.5);
            Box::new(Rebar {
                coupled,
                tuned: true,
                parameters: RebarParameters::new(self.eta, temperature, device),
            })
        };
        let baseline = || Nvil::new(site.context.unwrap_or(1), self.hidden, self.decay, device);
        Some(match name {
            "reinforce" => Box::new(Reinforce),
            "moving-average" => Box::new(MovingAverage {
                average: RunningMean::new(self.decay, device),
            }),
            "nvil" => Box::new(baseline()),
            "a2c" => Box::new(ActorCritic::new(baseline(), self.lambda)),
            "rloo" => Box::new(Rloo { k: self.samples }),
            "disarm" => Box::new(Disarm),
            "straight-through" => Box::new(StraightThrough),
            "concrete" => Box::new(Concrete::new(
                self.temperature.unwrap_or(2.0 / 3.0),
                self.prior_temperature,
                device,
            )),
            "vimco" => Box::new(Vimco),
            "rebar" => rebar(true),
            "rebar-two-branch" => rebar(false),
            "pathwise" => Box::new(Pathwise),
            _ => return None,
        })
    }
}

/// What every estimator needs of objective and program.
fn check_objective(
    schema: &Schema,
    objective: Objective,
    estimator: &str,
) -> Result<(), EstimatorError> {
    let undefined = |reason: &str| {
        Err(EstimatorError::Undefined {
            estimator: estimator.into(),
            what: "this objective".into(),
            reason: reason.into(),
        })
    };
    match objective {
        Objective::Expected { discount } if !(discount > 0.0 && discount <= 1.0) => {
            Err(EstimatorError::Setting {
                setting: "discount",
                value: discount.to_string(),
                allowed: "in (0, 1]",
            })
        }
        Objective::LogMeanWeight { k: 0 } => Err(EstimatorError::Setting {
            setting: "k",
            value: "0".into(),
            allowed: "at least 1",
        }),
        Objective::LogMeanWeight { .. } if schema.has_costs => undefined(
            "the program reports costs that are no part of a log-weight; use the objective `expected`",
        ),
        Objective::LogMeanWeight { .. } if schema.has_signals => {
            undefined("the program reports returns directly; use the objective `expected`")
        }
        Objective::LogMeanWeight { k } if k > 1 && !schema.abilities.replay => undefined(
            "the program cannot be run several times on the same examples (a black box); use the objective `expected`",
        ),
        _ => Ok(()),
    }
}
