//! What is not defined is refused, with a way out.

use unbiased_estimators::{
    Abilities, EstimatorConfig, EstimatorError, Objective, rules::rebar::Tuning,
};

use crate::{
    estimate::{EXPECTED, device, schema},
    programs::{
        Air, BeliefNet, Decision, Machine, Model, Permutation, Returns, SequenceGan, Vae, Window,
        all,
    },
    small::{Affine, Chain, Gated, OneNormal},
};

fn refusal(config: &EstimatorConfig, model: &dyn Model, objective: Objective) -> EstimatorError {
    match config.build(&schema(model), objective, &device()) {
        Ok(_) => panic!("{config:?} was built for {}", model.name()),
        Err(error) => error,
    }
}

const BOUND: Objective = Objective::LogMeanWeight { k: 2 };

#[test]
fn estimators_are_refused_where_they_are_not_defined_and_the_reason_names_a_way_out() {
    let window = Window { bonus: 0.0 };
    let decision = Decision::new(Abilities::BLACK_BOX);
    let table = Decision::new(Abilities::TABLE);
    let gan = SequenceGan::new(Returns::Cost);
    let rollouts = SequenceGan::new(Returns::Rollout);
    let vae = Vae::default();
    let one = Objective::LogMeanWeight { k: 1 };
    let discounted = Objective::Expected { discount: 0.9 };
    let cases: [(&str, &dyn Model, Objective, &str); 59] = [
        ("exact", &decision, EXPECTED, "black box"),
        ("exact", &table, discounted, "discount"),
        ("exact", &rollouts, EXPECTED, "returns"),
        ("exact", &Air, BOUND, "continuous"),
        ("exact", &vae, Objective::LogMeanWeight { k: 9 }, "tuples"),
        ("rloo", &decision, EXPECTED, "black box"),
        ("rloo", &vae, BOUND, "bound"),
        ("disarm", &decision, EXPECTED, "black box"),
        ("disarm", &vae, EXPECTED, "opposite"),
        ("disarm", &vae, BOUND, "opposite"),
        ("disarm", &Permutation, EXPECTED, "opposite"),
        ("arm", &decision, EXPECTED, "black box"),
        ("arm", &vae, EXPECTED, "use `disarm-tree`"),
        ("arm", &BeliefNet, BOUND, "bound"),
        ("arms", &Permutation, EXPECTED, "not one of bits"),
        ("arms", &BeliefNet, BOUND, "bound"),
        ("disarm-tree", &BeliefNet, EXPECTED, "use `disarm`"),
        ("disarm-tree", &Permutation, EXPECTED, "use `rloo`"),
        ("disarm-tree", &decision, EXPECTED, "black box"),
        ("disarm-tree", &vae, BOUND, "bound"),
        ("muprop", &gan, EXPECTED, "not defined at the mean"),
        ("muprop", &rollouts, EXPECTED, "not defined at the mean"),
        ("simple-muprop", &decision, EXPECTED, "black box"),
        ("muprop", &vae, BOUND, "bound"),
        ("double-cv", &table, EXPECTED, "not differentiable"),
        ("double-cv", &vae, BOUND, "bound"),
        ("vimco-arithmetic", &vae, one, "at least 2"),
        ("unordered-set", &vae, EXPECTED, "use `measure-valued`"),
        ("sum-and-sample", &decision, EXPECTED, "black box"),
        ("measure-valued", &decision, EXPECTED, "black box"),
        (
            "measure-valued",
            &Permutation,
            EXPECTED,
            "difference of laws",
        ),
        ("straight-through", &gan, EXPECTED, "not differentiable"),
        ("straight-through", &vae, BOUND, "bound"),
        ("st-gumbel", &gan, EXPECTED, "not differentiable"),
        ("gumbel-rao", &decision, EXPECTED, "not differentiable"),
        ("gumbel-rao", &vae, BOUND, "bound"),
        ("reinmax", &gan, EXPECTED, "not differentiable"),
        ("reinmax", &Permutation, EXPECTED, "no logits"),
        ("concrete", &gan, EXPECTED, "not differentiable"),
        ("concrete", &decision, EXPECTED, "not differentiable"),
        ("vimco", &vae, EXPECTED, "expected cost"),
        ("vimco", &vae, one, "at least 2"),
        ("vimco", &window, BOUND, "no part of a log-weight"),
        ("vimco", &rollouts, BOUND, "no part of a log-weight"),
        ("reinforce", &Machine, BOUND, "no part of a log-weight"),
        ("rebar", &decision, EXPECTED, "black box"),
        ("rebar", &gan, EXPECTED, "not differentiable"),
        ("rebar", &vae, BOUND, "bound"),
        ("rebar-two-branch", &vae, BOUND, "bound"),
        ("rebar-two-branch", &gan, EXPECTED, "not differentiable"),
        ("pathwise", &vae, EXPECTED, "no smooth function"),
        ("stl", &vae, BOUND, "no smooth function"),
        ("dreg", &Gated, BOUND, "no smooth function"),
        ("stl", &OneNormal, EXPECTED, "sampled log-weights"),
        ("dreg", &OneNormal, EXPECTED, "sampled log-weights"),
        ("pathwise", &Permutation, EXPECTED, "no smooth function"),
        (
            "straight-through",
            &decision,
            EXPECTED,
            "not differentiable",
        ),
        ("concrete", &rollouts, EXPECTED, "not differentiable"),
        ("rebar", &rollouts, EXPECTED, "not differentiable"),
    ];
    for (name, model, objective, part) in cases {
        let error = refusal(&EstimatorConfig::named(name), model, objective);
        let EstimatorError::Undefined {
            estimator, reason, ..
        } = &error
        else {
            panic!("{name} on {}: {error}", model.name());
        };
        assert_eq!(estimator, name);
        let message = error.to_string();
        assert!(message.contains(part), "{message}");
        let way_out = ["use `", "use the objective `", "set `"]
            .iter()
            .any(|way| reason.contains(way));
        assert!(way_out, "no way out: {message}");
    }
}

#[test]
fn a_site_can_be_refused_by_itself() {
    let with = |name: &str, site: &str, of_site: &str| EstimatorConfig {
        sites: [(site.to_owned(), of_site.to_owned())].into(),
        ..EstimatorConfig::named(name)
    };
    let cases = [
        (with("rloo", "what", "disarm"), "site `what`"),
        (with("rloo", "what", "rebar"), "site `what`"),
        (with("rloo", "present", "pathwise"), "site `present`"),
        (with("rloo", "what", "exact"), "use `pathwise`"),
        (with("rloo", "what", "disarm-tree"), "use `measure-valued`"),
        (with("exact", "what", "disarm"), "site `what`"),
    ];
    let later = refusal(&with("vimco", "what", "dreg"), &Air, BOUND).to_string();
    assert!(
        later.contains("site `present` is a bernoulli choice"),
        "{later}"
    );
    for (config, part) in cases {
        let error = refusal(&config, &Air, EXPECTED);
        assert!(matches!(error, EstimatorError::Undefined { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_set_of_many_classes_is_refused() {
    let config = EstimatorConfig {
        samples: 9,
        ..EstimatorConfig::named("unordered-set")
    };
    let message = refusal(&config, &Machine, EXPECTED).to_string();
    assert!(message.contains("use `sum-and-sample`"), "{message}");
}

#[test]
fn tuning_in_parameter_space_needs_features() {
    let config = EstimatorConfig {
        tuning: Tuning::Parameters,
        ..EstimatorConfig::named("rebar")
    };
    let message = refusal(&config, &Chain, EXPECTED).to_string();
    assert!(message.contains("set `tuning = \"logits\"`"), "{message}");
    assert!(config.build(&schema(&Affine), EXPECTED, &device()).is_ok());
}

#[test]
fn a_baseline_network_needs_a_context() {
    struct Bare;
    impl Model for Bare {
        fn name(&self) -> &'static str {
            "bare"
        }
        fn parameters(&self) -> Vec<f64> {
            vec![0.1]
        }
        fn run(&self, theta: &mut crate::programs::Theta, run: &mut unbiased_estimators::Run<'_>) {
            let x = run
                .bernoulli("bit", unbiased_estimators::Site::new(theta.take(1)))
                .hard;
            run.cost("cost", x.squeeze_dim::<1>(1), run.mark());
        }
    }
    let error = refusal(&EstimatorConfig::named("nvil"), &Bare, EXPECTED).to_string();
    assert!(
        error.contains("context") && error.contains("use `moving-average`"),
        "{error}"
    );
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let error = refusal(&EstimatorConfig::named("reinforced"), &BeliefNet, EXPECTED);
    assert!(matches!(error, EstimatorError::UnknownName { .. }));
    assert!(
        error.to_string().contains("reinforce, moving-average"),
        "{error}"
    );

    let config = EstimatorConfig {
        sites: [("h3".to_owned(), "nvil".to_owned())].into(),
        ..EstimatorConfig::default()
    };
    let error = refusal(&config, &BeliefNet, EXPECTED);
    assert!(matches!(error, EstimatorError::UnknownSite { .. }));
    assert!(error.to_string().contains("h1, h2"), "{error}");

    let config = EstimatorConfig {
        sites: [("h1".to_owned(), "nil".to_owned())].into(),
        ..EstimatorConfig::default()
    };
    let error = refusal(&config, &BeliefNet, EXPECTED);
    assert!(
        matches!(error, EstimatorError::UnknownName { .. }),
        "{error}"
    );
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let default = EstimatorConfig::default;
    let settings = [
        (
            "samples",
            EstimatorConfig {
                samples: 1,
                ..default()
            },
        ),
        (
            "decay",
            EstimatorConfig {
                decay: 1.0,
                ..default()
            },
        ),
        (
            "decay",
            EstimatorConfig {
                decay: -0.1,
                ..default()
            },
        ),
        (
            "decay",
            EstimatorConfig {
                decay: f64::NAN,
                ..default()
            },
        ),
        (
            "hidden",
            EstimatorConfig {
                hidden: 0,
                ..default()
            },
        ),
        (
            "temperature",
            EstimatorConfig {
                temperature: Some(0.0),
                ..default()
            },
        ),
        (
            "temperature",
            EstimatorConfig {
                temperature: Some(f64::INFINITY),
                ..default()
            },
        ),
        (
            "prior_temperature",
            EstimatorConfig {
                prior_temperature: -1.0,
                ..default()
            },
        ),
        (
            "eta",
            EstimatorConfig {
                eta: 0.0,
                ..default()
            },
        ),
        (
            "eta",
            EstimatorConfig {
                eta: 2.0,
                ..default()
            },
        ),
        (
            "eta",
            EstimatorConfig {
                eta: f64::NAN,
                ..default()
            },
        ),
    ];
    for (key, config) in settings {
        let error = refusal(&config, &BeliefNet, EXPECTED);
        let EstimatorError::Setting { setting, .. } = error else {
            panic!("{key}: {error}");
        };
        assert_eq!(setting, key);
    }
    for (key, objective) in [
        ("discount", Objective::Expected { discount: 0.0 }),
        ("discount", Objective::Expected { discount: 1.1 }),
        ("k", Objective::LogMeanWeight { k: 0 }),
    ] {
        let error = refusal(&EstimatorConfig::named("reinforce"), &BeliefNet, objective);
        let EstimatorError::Setting { setting, .. } = error else {
            panic!("{key}: {error}");
        };
        assert_eq!(setting, key);
    }
}

#[test]
fn only_the_biased_ones_say_that_they_are() {
    for model in all() {
        for (name, _) in unbiased_estimators::ESTIMATORS {
            let config = EstimatorConfig::named(name);
            let Ok(estimator) = config.build(&schema(&*model), EXPECTED, &device()) else {
                continue;
            };
            let biased = [
                "straight-through",
                "st-gumbel",
                "gumbel-rao",
                "reinmax",
                "concrete",
            ]
            .contains(name);
            assert_eq!(estimator.is_biased(), biased, "{name}");
        }
    }
}
