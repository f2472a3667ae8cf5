//! Estimators by name, as a configuration or a flag asks for them.

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{
    control::ControlNet,
    error::EstimatorError,
    estimator::{Estimator, Objective},
    exact::Exact,
    law::RelaxationKind,
    names::{CONTINUOUS, ESTIMATORS},
    owned::RunningMean,
    rules::{
        Rule,
        a2c::ActorCritic,
        arm::Arm,
        arms::Arms,
        baseline::{Baseline, BaselineName},
        concrete::Concrete,
        disarm::Disarm,
        disarm_tree::DisarmTree,
        double_cv::DoubleCv,
        dreg::Dreg,
        enumerated::Enumerated,
        gumbel_rao::GumbelRao,
        lax::Lax,
        measure_valued::MeasureValued,
        moving_average::MovingAverage,
        muprop::{MuProp, SimpleMuProp},
        nvil::Nvil,
        optimal_baseline::OptimalBaseline,
        pathwise::Pathwise,
        rebar::{EtaRule, RebarParameters, Tuning},
        reinforce::Reinforce,
        reinmax::ReinMax,
        relax::Relax,
        rloo::Rloo,
        rws::ReweightedWakeSleep,
        st_gumbel::StGumbel,
        stl::{StickingTheLanding, samples_of},
        straight_through::StraightThrough,
        sum_and_sample::SumAndSample,
        unordered_set::UnorderedSet,
        vimco::Vimco,
    },
    sited::Sited,
    trace::{Schema, SiteSchema},
    watch::Watch,
};

/// Which estimator, with its settings. Settings that an estimator does not know are ignored by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EstimatorConfig {
    /// The estimator of all discrete sites; continuous ones are pathwise unless named in `sites`.
    pub name: String,
    /// Other estimators for some sites, by name of the site; with any, `exact` enumerates each of its choices by itself.
    pub sites: BTreeMap<String, String>,
    /// Samples per example: `rloo`, `double-cv`, and whatever has the baseline `leave_one_out`; samples of each choice: `arms`; classes
    /// evaluated of each choice: `unordered-set`, `sum-and-sample`; latents per choice: `gumbel-rao`.
    pub samples: usize,
    /// Decay of running means: `moving-average`, `nvil`, `a2c`.
    pub decay: f64,
    /// Hidden units of a baseline or control variate network: `nvil`, `a2c`, `relax`, `lax`.
    pub hidden: usize,
    /// Hidden layers of a control variate network: `relax`, `lax`.
    pub layers: usize,
    /// What is subtracted beside the control variate: `relax`, `lax`, `rebar`.
    pub baseline: BaselineName,
    /// How far returns are trusted rather than the critic, in [0, 1]; 1 is unbiased: `a2c`.
    pub lambda: f64,
    /// Temperature of the relaxation: `concrete` (of the posterior), `rebar` and `relax` (at the start), `st-gumbel`,
    /// `gumbel-rao`, `reinmax`.
    pub temperature: Option<f64>,
    /// Temperature of the relaxed prior: `concrete`.
    pub prior_temperature: f64,
    /// Scale of the control variate at the start, in (0, 2): `rebar`.
    pub eta: f64,
    /// How that scale is found: `rebar`.
    pub eta_rule: EtaRule,
    /// Where the squared gradient is taken that control variates minimise: `rebar`, `relax`.
    pub tuning: Tuning,
    /// Steps from one update of scale, temperature and network of a control variate to the next: `rebar`, `relax`.
    pub tune_every: u64,
    /// Which relaxed values the objective is taken at: `rebar`.
    pub relaxation: RelaxationKind,
    /// Whether divergences are sampled log-ratios, also where a closed form exists.
    pub sampled_divergence: bool,
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self {
            name: "rloo".into(),
            sites: BTreeMap::new(),
            samples: 2,
            decay: 0.9,
            hidden: 100,
            layers: 1,
            baseline: BaselineName::None,
            lambda: 1.0,
            temperature: None,
            prior_temperature: 0.5,
            eta: 1.0,
            eta_rule: EtaRule::Gradient,
            tuning: Tuning::Logits,
            tune_every: 1,
            relaxation: RelaxationKind::Concrete,
            sampled_divergence: false,
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
        let every = self.tune_every;
        range("tune_every", every as f64, every >= 1, "at least 1")?;
        range("layers", self.layers as f64, self.layers >= 1, "at least 1")?;
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
        if self.name == "exact" && self.sites.is_empty() {
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
            if let Some(site) = sites.iter().find(|site| !site.law.has_density())
                && estimator != "pathwise"
            {
                let law = site.law.name();
                return Err(undefined(format!(
                    "a {law} choice has no density; use `pathwise`"
                )));
            }
            let rule = self.rule(estimator, sites[0], objective, device);
            for site in &sites {
                rule.check(site, schema, &objective).map_err(undefined)?;
            }
            rules.push((sites[0].key.name.clone(), rule));
        }
        let unused = |site: &SiteSchema| self.estimator_of(site) != self.name;
        if self.sites.is_empty() && !schema.sites.is_empty() && schema.sites.iter().all(unused) {
            return Err(EstimatorError::Undefined {
                estimator: self.name.clone(),
                what: "this program".into(),
                reason: "all its choices are continuous, and pathwise unless a site is given another estimator; use `pathwise`, or name it for a site"
                    .into(),
            });
        }
        let sited = Sited::new(rules, schema, objective);
        Ok(Box::new(if self.sampled_divergence {
            sited.with_sampled_divergence()
        } else {
            sited
        }))
    }

    /// The estimator named for a site: the one given for it, else `pathwise` where it is continuous and the general one is not
    /// for such sites alone, else the general one.
    fn estimator_of(&self, site: &SiteSchema) -> &str {
        if let Some(name) = self.sites.get(&*site.key.name) {
            return name;
        }
        if site.law.is_pathwise() && !CONTINUOUS.contains(&self.name.as_str()) {
            return "pathwise";
        }
        &self.name
    }

    fn rule(
        &self,
        name: &str,
        site: &SiteSchema,
        objective: Objective,
        device: &Device,
    ) -> Box<dyn Rule> {
        let temperature = self.temperature.unwrap_or(0.5);
        let watch = || Watch::new(device);
        let relaxed_cost = || {
            RebarParameters::new(self.eta, temperature, self.eta_rule, device)
                .relaxed_as(self.relaxation)
        };
        let nvil = || Nvil::new(site.context.unwrap_or(1), self.hidden, self.decay, device);
        let net = || {
            let inputs = [site.law.width(site.params), site.context.unwrap_or(0)];
            ControlNet::new(inputs, [self.layers, self.hidden], temperature, device)
        };
        let baseline = || match self.baseline {
            BaselineName::None => Baseline::None,
            BaselineName::Learned => Baseline::Learned(Box::new(nvil())),
            BaselineName::LeaveOneOut => Baseline::LeaveOneOut(self.samples),
        };
        let relax = |rule: Relax| {
            let rule = rule.and_baseline(baseline());
            Box::new(rule.tuned_in(self.tuning, self.tune_every))
        };
        match name {
            "reinforce" => Box::new(Reinforce),
            "moving-average" => Box::new(MovingAverage {
                average: RunningMean::new(self.decay, device),
            }),
            "nvil" => Box::new(nvil()),
            "a2c" => Box::new(ActorCritic::new(nvil(), self.lambda)),
            "rloo" => Box::new(Rloo { k: self.samples }),
            "optimal-baseline" => Box::new(OptimalBaseline::new(site.params, self.decay, device)),
            "double-cv" => Box::new(DoubleCv::new(self.samples, device)),
            "muprop" => Box::new(MuProp),
            "simple-muprop" => Box::new(SimpleMuProp),
            "unordered-set" => Box::new(UnorderedSet { k: self.samples }),
            "sum-and-sample" => Box::new(SumAndSample { k: self.samples }),
            "exact" => Box::new(Enumerated),
            "disarm" => Box::new(Disarm),
            "arm" => Box::new(Arm),
            "arms" => Box::new(Arms { n: self.samples }),
            "disarm-tree" => Box::new(DisarmTree),
            "straight-through" => Box::new(StraightThrough),
            "st-gumbel" => Box::new(StGumbel { temperature }),
            "gumbel-rao" => Box::new(GumbelRao {
                k: self.samples,
                temperature,
            }),
            "reinmax" => Box::new(ReinMax {
                temperature: self.temperature.unwrap_or(1.0),
            }),
            "concrete" => Box::new(Concrete::new(
                self.temperature.unwrap_or(2.0 / 3.0),
                self.prior_temperature,
                device,
            )),
            "measure-valued" => Box::new(MeasureValued),
            "vimco" => Box::new(Vimco::Geometric),
            "vimco-arithmetic" => Box::new(Vimco::Arithmetic),
            "rws" => Box::new(ReweightedWakeSleep),
            "rebar" | "rebar-two-branch" => {
                relax(Relax::rebar(relaxed_cost(), name == "rebar", watch()))
            }
            "relax" | "relax-two-branch" => relax(Relax::with(net(), name == "relax", watch())),
            "rebar-relax" | "rebar-relax-two-branch" => relax(
                Relax::with(net(), name == "rebar-relax", watch()).and_objective(relaxed_cost()),
            ),
            "lax" => Box::new(Lax::with(net(), watch()).and_baseline(baseline())),
            "d-lax" => Box::new(
                Lax::with(net(), watch())
                    .of_latent()
                    .and_baseline(baseline()),
            ),
            "pathwise" => Box::new(Pathwise),
            "stl" => Box::new(StickingTheLanding {
                k: samples_of(objective),
            }),
            "dreg" => Box::new(Dreg),
            other => unreachable!("`{other}` passed the check of names"),
        }
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
