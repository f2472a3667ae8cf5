//! Asked about all choices of a loop at once, a rule says what it says of each by itself.

use burn::tensor::Tensor;
use unbiased_estimators::{
    ControlNet, Noise, Objective, OwnedRule, Schema, SiteSchema, Sited, Watch,
    rules::{
        At, Gradient, Rule,
        baseline::{Baseline, BaselineName},
        lax::Lax,
        nvil::Nvil,
        relax::Relax,
    },
};

use crate::{
    estimate::{EXPECTED, check, compare, device, estimate, example, must_fail, numbers, schema},
    expectations::stir,
    programs::{Air, Alignment, Model, Window},
};

/// A rule that is asked about every choice by itself, with the logit gradient of one of them off by a little if wanted.
struct OneByOne {
    rule: Box<dyn Rule>,
    off: bool,
}

impl Rule for OneByOne {
    fn check(
        &self,
        site: &SiteSchema,
        schema: &Schema,
        objective: &Objective,
    ) -> Result<(), String> {
        self.rule.check(site, schema, objective)
    }

    fn gradient(&mut self, at: &At<'_>) -> Option<Gradient> {
        let gradient = self.rule.gradient(at)?;
        let factor = if self.off && at.site().key.occurrence == 1 {
            1.000_001
        } else {
            1.0
        };
        Some(Gradient {
            logits: gradient.logits * factor,
            ..gradient
        })
    }

    fn samples(&self) -> usize {
        self.rule.samples()
    }

    fn owned(&self) -> Option<OwnedRule> {
        self.rule.owned()
    }

    fn set_owned(&mut self, owned: OwnedRule) {
        self.rule.set_owned(owned);
    }
}

fn rule(site: &SiteSchema, baseline: BaselineName) -> Box<dyn Rule> {
    let device = device();
    let context = site.context.unwrap_or(0);
    let inputs = [site.law.width(site.params), context];
    let net = ControlNet::new(inputs, [2, 3], 0.6, &device);
    let watch = Watch::new(&device);
    let baseline = match baseline {
        BaselineName::Learned if context > 0 => {
            Baseline::Learned(Box::new(Nvil::new(context, 3, 0.9, &device)))
        }
        BaselineName::LeaveOneOut => Baseline::LeaveOneOut(3),
        BaselineName::None | BaselineName::Learned => Baseline::None,
    };
    if site.law.is_pathwise() {
        return Box::new(Lax::with(net, watch).and_baseline(baseline));
    }
    Box::new(Relax::with(net, true, watch).and_baseline(baseline))
}

/// Gradients of every row and of the tuning in what is owned, and all logit gradients.
fn outcome(model: &dyn Model, baseline: BaselineName, wrap: Option<bool>) -> [Vec<f64>; 3] {
    let schema = schema(model);
    let sites = schema.names().into_iter().map(|name| {
        let site = schema.sites.iter().find(|site| &*site.key.name == name);
        let site = site.expect("named by the schema");
        let rule = rule(site, baseline);
        rule.check(site, &schema, &EXPECTED).expect("defined");
        let rule = match wrap {
            None => rule,
            Some(off) => Box::new(OneByOne { rule, off }),
        };
        (name.into(), rule)
    });
    let mut estimator = Sited::new(sites.collect(), &schema, EXPECTED);
    stir(&mut estimator);
    let theta = model.parameters();
    let rows = estimate(
        &mut estimator,
        &example(model, &theta, 5),
        &Noise::new(4, 1),
    );
    let of_owned = {
        use unbiased_estimators::Estimator;
        let owned = estimator.owned();
        let tuning = rows.estimate.tuning.clone().expect("a net learns");
        crate::tuning::owned_gradients(&owned, &tuning.backward())
    };
    let logits = rows.estimate.logit_gradients.into_iter();
    let logits = logits
        .flat_map(|(_, g): (_, Tensor<2>)| numbers(g))
        .collect();
    [rows.gradients, of_owned, logits]
}

#[test]
fn a_stack_of_choices_gives_what_they_give_one_by_one() {
    let window = Window { bonus: 0.1 };
    for model in [&window as &dyn Model, &Alignment, &Air] {
        for baseline in [
            BaselineName::None,
            BaselineName::Learned,
            BaselineName::LeaveOneOut,
        ] {
            let stacked = outcome(model, baseline, None);
            let single = outcome(model, baseline, Some(false));
            let off = outcome(model, baseline, Some(true));
            for (what, i) in [("rows", 0), ("owned", 1), ("logits", 2)] {
                let what = format!("{what} of {}", model.name());
                check(compare(&what, &stacked[i], &single[i], 1e-11));
                assert!(single[i].iter().any(|g| g.abs() > 1e-3), "{what}");
            }
            must_fail(
                "a choice of the loop that is off",
                compare(model.name(), &stacked[2], &off[2], 1e-11),
            );
        }
    }
}
