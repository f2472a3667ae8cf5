//! Every problem of `problems/` with every estimator that is defined for it, against the exact gradient.
//!
//! The exact gradient comes from the crate's enumeration in f64 and is itself compared with a second enumeration, in `oracle`,
//! that shares no code with the crate.
//!
//! False alarms: at most `M = 4096` coordinates of unbiased estimators are tested, the suite's rate is 1e-6, so each two-sided
//! test has 2.44e-10 and the critical |z| is 6.34. A bias of (6.34 + 3.09) standard errors is missed with probability 1e-3:
//! at 200,000 draws 0.0211 standard deviations of a single estimate. Seeds are fixed: a test does not flicker.
//! The negative control is the same check on estimates scaled by 1.05: it must fail for one estimator at least.
//!
//! Biased estimators are tested in the same way against their own expectation where it is known, by enumeration
//! (straight-through, one layer) or quadrature (Concrete, bits that do not interact).

mod oracle;

use std::{collections::BTreeSet, fs, path::PathBuf};

use burn::tensor::{DType, Device};
use unbiased_estimators::{
    Comparison, ComparisonSettings, ESTIMATORS, EstimatorConfig, EstimatorError, Measurement,
    Noise, Reference, Schema, compare, problem::Problem,
};

use oracle::Oracle;

const CRITICAL_Z: f64 = 6.34;
const MOST_COORDINATES: usize = 4096;
const BIASED: &[&str] = &[
    "straight-through",
    "st-gumbel",
    "gumbel-rao",
    "reinmax",
    "concrete",
    "rws",
];
/// Refused everywhere: no problem has a continuous choice.
const CONTINUOUS: &[&str] = &["stl", "dreg"];
const SETTINGS: ComparisonSettings = ComparisonSettings {
    draws: 200_000,
    tune_steps: 50,
    seed: 20,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/problems")
}

fn read(name: &str) -> (Problem, toml::Table) {
    let text = fs::read_to_string(folder().join(format!("{name}.toml"))).expect("a problem file");
    let problem = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    (problem, text.parse().expect("TOML"))
}

/// How far the mean is from `truth`, in standard errors, at the worst coordinate, if all estimates were `scale` times
/// what they are.
fn worst_z(measured: &Measurement, truth: &[f64], scale: f64) -> f64 {
    let scaled = |x: &[f64]| x.iter().map(|x| scale * x).collect();
    let measured = Measurement {
        mean: scaled(&measured.mean),
        std_error: scaled(&measured.std_error),
        ..measured.clone()
    };
    let truth = Reference {
        value: 0.0,
        gradient: truth.to_vec(),
    };
    measured
        .bias_in_errors(&truth)
        .into_iter()
        .map(f64::abs)
        .fold(0.0, f64::max)
}

/// Compares all estimators on a problem and tests what must hold everywhere.
fn check(name: &str, refused: &[&str]) {
    let (problem, table) = read(name);
    let comparison =
        compare(&problem, &[], SETTINGS, &Device::flex(), |_| {}).expect("a comparison");
    let oracle = Oracle::read(&table);
    assert_close(
        name,
        &[comparison.exact.value],
        &[oracle.value(&oracle.logits())],
    );
    let exact = &comparison.exact.gradient;
    assert_close(name, exact, &oracle.gradient());

    let found: BTreeSet<_> = comparison
        .refused
        .iter()
        .map(|refusal| refusal.name.as_str())
        .collect();
    assert_eq!(
        found,
        refused.iter().chain(CONTINUOUS).copied().collect(),
        "{name}: {:?}",
        comparison.refused
    );
    assert!(
        comparison
            .refused
            .iter()
            .all(|refusal| refusal.reason.len() > 20)
    );
    assert_eq!(
        found.len() + comparison.estimators.len() + 1,
        ESTIMATORS.len()
    );

    let mut caught = Vec::new();
    for measured in &comparison.estimators {
        let z = worst_z(measured, exact, 1.0);
        println!(
            "{name:16} {:17} z {z:8.2}  variance {:9.3e}  evaluations {:4}  {:.2} s + {:.2} s",
            measured.name,
            measured.variance.iter().sum::<f64>(),
            measured.evaluations,
            measured.tune_seconds,
            measured.seconds,
        );
        let biased = BIASED.contains(&measured.name.as_str());
        assert_eq!(measured.biased, biased, "{name}: {}", measured.name);
        if biased {
            continue;
        }
        assert!(
            z < CRITICAL_Z,
            "{name}: {} is {z} standard errors off\n{measured:?}\n{exact:?}",
            measured.name
        );
        if worst_z(measured, exact, 1.05) > CRITICAL_Z {
            caught.push(&measured.name);
        }
    }
    println!("{name:16} control caught by {caught:?}");
    assert!(
        !caught.is_empty(),
        "{name}: the check is blind to a factor of 1.05"
    );
    let theory = [
        ("straight-through", oracle.straight_through()),
        ("concrete", oracle.concrete()),
    ];
    for (estimator, expectation) in theory {
        let Some(expectation) = expectation else {
            continue;
        };
        check_bias(name, &comparison, estimator, &expectation);
    }
}

/// A biased estimator has the expectation that theory gives it, which is not the gradient unless theory says so.
fn check_bias(name: &str, comparison: &Comparison, estimator: &str, expectation: &[f64]) {
    let measured = comparison
        .estimators
        .iter()
        .find(|m| m.name == estimator)
        .expect("measured");
    let exact = &comparison.exact.gradient;
    let z = worst_z(measured, expectation, 1.0);
    assert!(
        z < CRITICAL_Z,
        "{name}: {estimator} is {z} standard errors off its own expectation"
    );
    let bias = Measurement {
        mean: expectation.to_vec(),
        ..measured.clone()
    };
    let (bias, seen) = (worst_z(&bias, exact, 1.0), worst_z(measured, exact, 1.0));
    println!(
        "{name:16} {estimator:17} z {z:8.2} of its own expectation, bias {bias:.2} seen as {seen:.2}"
    );
    if bias > 2.0 * CRITICAL_Z {
        assert!(
            seen > CRITICAL_Z,
            "{name}: {estimator} should be {bias} standard errors off"
        );
    } else {
        assert!(
            seen < bias + CRITICAL_Z,
            "{name}: {estimator} should be {bias} standard errors off"
        );
    }
}

fn assert_close(name: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= 1e-7 * (1.0 + expected.abs()),
            "{name}: {got} but {expected}"
        );
    }
}

/// What is refused, by what it needs that a problem does not have.
const A_BOUND: &[&str] = &["vimco", "vimco-arithmetic", "rws"];
const NORMALS: &[&str] = &["pathwise", "lax"];
const BITS: &[&str] = &["disarm", "arm", "arms"];
const CLASSES: &[&str] = &["disarm-tree", "unordered-set", "sum-and-sample"];
const SLOPES: &[&str] = &[
    "straight-through",
    "st-gumbel",
    "gumbel-rao",
    "reinmax",
    "concrete",
    "muprop",
    "simple-muprop",
    "double-cv",
    "rebar",
    "rebar-two-branch",
    "rebar-relax",
    "rebar-relax-two-branch",
];
const AN_EXPECTED_COST: &[&str] = &[
    "a2c",
    "rloo",
    "double-cv",
    "muprop",
    "simple-muprop",
    "measure-valued",
    "straight-through",
    "st-gumbel",
    "gumbel-rao",
    "reinmax",
    "rebar",
    "rebar-two-branch",
    "rebar-relax",
    "rebar-relax-two-branch",
];

macro_rules! problems {
    ($($name:ident: $($needs:ident)*;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { check(stringify!($name), &[$($needs),*].concat()); })*
    };
}

problems! {
    relax_toy: A_BOUND NORMALS CLASSES;
    bits2_separable: A_BOUND NORMALS CLASSES;
    bits3_quadratic: A_BOUND NORMALS CLASSES;
    bits3_cubic: A_BOUND NORMALS CLASSES;
    bits3_table: A_BOUND NORMALS CLASSES SLOPES;
    bits2_saturated: A_BOUND NORMALS CLASSES;
    bits2_offset: A_BOUND NORMALS CLASSES;
    bits6: A_BOUND NORMALS CLASSES;
    categorical3: A_BOUND NORMALS BITS;
    categorical_pair: A_BOUND NORMALS BITS;
    mixed: A_BOUND NORMALS BITS CLASSES;
    mixed_table: A_BOUND NORMALS BITS CLASSES SLOPES;
    layers: A_BOUND NORMALS CLASSES;
    layers_mixed: A_BOUND NORMALS BITS CLASSES;
    layers_table: A_BOUND NORMALS CLASSES SLOPES;
    latent_elbo: A_BOUND NORMALS CLASSES;
    latent_bound: NORMALS BITS CLASSES AN_EXPECTED_COST;
}

#[test]
fn every_problem_is_listed_and_the_false_alarm_budget_holds() {
    let files = fs::read_dir(folder()).expect("the folder of problems");
    let files: BTreeSet<_> = files
        .map(|file| {
            file.expect("an entry")
                .path()
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(files, NAMES.iter().map(|&name| name.to_owned()).collect());
    assert!(files.len() >= 12);
    let coordinates: usize = NAMES
        .iter()
        .map(|name| read(name).0.coordinates().len())
        .sum();
    // All but `exact`, those for continuous choices, and the biased ones, of which two are compared with an expectation of
    // their own.
    let compared = ESTIMATORS.len() - 1 - CONTINUOUS.len() - BIASED.len() + 2;
    assert!(coordinates * compared <= MOST_COORDINATES, "{coordinates}");
}

#[test]
fn the_relax_toy_has_the_value_and_gradient_of_its_paper() {
    // p = 1/2, t = 0.499: (t^2 + (1 - t)^2) / 2 = (0.249001 + 0.251001) / 2; p (1 - p) (1 - 2 t) = 0.25 * 0.002.
    let exact = Reference::of(&read("relax_toy").0, &Device::flex()).expect("two states");
    assert!(
        (exact.value - 0.250_001).abs() < 1e-12 && (exact.gradient[0] - 0.0005).abs() < 1e-12,
        "{exact:?}"
    );
}

const QUICK: ComparisonSettings = ComparisonSettings {
    draws: 2,
    tune_steps: 0,
    seed: 0,
};

fn quick(problem: &str, estimator: &str) -> Result<Comparison, EstimatorError> {
    compare(
        &read(problem).0,
        &[estimator.to_owned()],
        QUICK,
        &Device::flex(),
        |_| {},
    )
}

#[test]
fn a_refusal_says_why_and_what_would_work() {
    for (problem, estimator, words) in [
        (
            "bits3_table",
            "rebar",
            "not differentiable in relaxed choices; use `relax`, `rloo` or `disarm`",
        ),
        (
            "bits3_table",
            "concrete",
            "not differentiable in relaxed choices; use `relax`, `rloo` or `disarm`",
        ),
        ("categorical3", "disarm", "no opposite sample; use `rloo`"),
        (
            "bits6",
            "vimco",
            "an expected cost, not a bound of several samples; use `rloo`",
        ),
        (
            "bits6",
            "pathwise",
            "a bernoulli choice is no smooth function of its noise",
        ),
        ("latent_bound", "rloo", "for an expected cost; use `vimco`"),
        ("latent_bound", "disarm", "no opposite sample; use `vimco`"),
        ("latent_bound", "arm", "for an expected cost; use `vimco`"),
        ("categorical3", "arm", "not one of bits; use `disarm-tree`"),
        ("bits6", "disarm-tree", "use `disarm`"),
        ("bits3_table", "muprop", "not defined at the mean"),
        ("bits3_table", "double-cv", "not differentiable"),
        ("bits6", "exact", "what the others are compared with"),
    ] {
        let comparison = quick(problem, estimator).expect("a refusal is no error");
        assert!(comparison.estimators.is_empty());
        let reason = &comparison.refused[0].reason;
        assert!(reason.contains(words), "{problem}, {estimator}: {reason}");
    }
    let unknown = quick("bits6", "rebarr").expect_err("no such estimator");
    assert!(
        matches!(unknown, EstimatorError::UnknownName { .. }),
        "{unknown}"
    );
}

#[test]
fn a_measurement_depends_on_its_seed_alone() {
    let measure = |seed| {
        let settings = ComparisonSettings {
            draws: 10_000,
            tune_steps: 3,
            seed,
        };
        let names = [
            "nvil".to_owned(),
            "rebar".to_owned(),
            "moving-average".to_owned(),
        ];
        let comparison = compare(&read("layers").0, &names, settings, &Device::flex(), |_| {});
        let estimators = comparison.expect("a comparison").estimators;
        estimators
            .into_iter()
            .map(|m| (m.mean, m.variance))
            .collect::<Vec<_>>()
    };
    assert_eq!(measure(1), measure(1));
    assert_ne!(measure(1), measure(2));
}

/// What an estimator reports about itself, after some estimates, before and after another one.
fn around_an_estimate(name: &str, freeze: bool) -> (Vec<f32>, Vec<f32>, bool) {
    let device = Device::flex().autodiff();
    let (problem, _) = read("layers");
    let batch = problem.batch(16, &device, DType::F32);
    let schema = Schema::of(&batch);
    let config = EstimatorConfig::named(name);
    let mut estimator = config
        .build(&schema, problem.objective(), &device)
        .expect("defined for layers of bits");
    let mut report = |step| {
        let estimate = estimator.estimate(&batch, &Noise::new(0, step));
        if freeze {
            estimator.freeze();
        }
        let scalars = estimate.report.scalars.into_iter();
        let numbers = scalars.map(|(_, x)| x.into_scalar::<f32>()).collect();
        (numbers, estimate.tuning.is_some())
    };
    report(0);
    let (before, _) = report(1);
    let (after, tunes) = report(2);
    (before, after, tunes)
}

#[test]
fn a_frozen_estimator_stands_still_and_computes_nothing_for_tuning() {
    for name in [
        "moving-average",
        "optimal-baseline",
        "double-cv",
        "nvil",
        "a2c",
        "rebar",
        "rebar-two-branch",
        "relax",
        "rebar-relax",
    ] {
        let (before, after, tunes) = around_an_estimate(name, true);
        assert_eq!((before, tunes), (after, false), "{name}");
    }
    // The control: without freezing, averages move and tuning is there.
    let (before, after, _) = around_an_estimate("moving-average", false);
    assert_ne!(before, after);
    let (before, after, tunes) = around_an_estimate("nvil", false);
    assert!(before != after && tunes);
    assert!(around_an_estimate("rebar", false).2);
}
