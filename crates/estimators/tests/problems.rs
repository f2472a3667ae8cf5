//! Every problem of `problems/` with every estimator that is defined for it, against the exact gradient.
//!
//! The exact gradient comes from the crate's enumeration in f64 and is itself compared with a second enumeration, below,
//! that shares no code with the crate: values summed over states, gradients by central differences.
//!
//! False alarms: at most `M = 1600` coordinates of unbiased estimators are tested, the suite's rate is 1e-6, so each two-sided
//! test has 6.25e-10 and the critical |z| is 6.19. A bias of (6.19 + 3.09) standard errors is missed with probability 1e-3:
//! at 200,000 draws 0.0208 standard deviations of a single estimate. Seeds are fixed: a test does not flicker.
//! The negative control is the same check on estimates scaled by 1.05: it must fail for one estimator at least.
//!
//! Biased estimators are tested in the same way against their own expectation where it is known, by enumeration
//! (straight-through, one layer) or quadrature (Concrete, bits that do not interact).

use std::{collections::BTreeSet, fs, path::PathBuf};

use burn::tensor::{DType, Device};
use unbiased_estimators::{
    Comparison, ComparisonSettings, ESTIMATORS, EstimatorConfig, EstimatorError, Measurement,
    Noise, Reference, Schema, compare, problem::Problem,
};

const CRITICAL_Z: f64 = 6.19;
const MOST_COORDINATES: usize = 1600;
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
        refused.iter().copied().collect(),
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
        let biased = ["straight-through", "concrete", "rws"].contains(&measured.name.as_str());
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

macro_rules! problems {
    ($($name:ident: $($refused:literal),*;)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { check(stringify!($name), &[$($refused),*]); })*
    };
}

problems! {
    relax_toy: "vimco", "rws", "pathwise", "lax";
    bits2_separable: "vimco", "rws", "pathwise", "lax";
    bits3_quadratic: "vimco", "rws", "pathwise", "lax";
    bits3_cubic: "vimco", "rws", "pathwise", "lax";
    bits3_table: "vimco", "rws", "pathwise", "lax", "straight-through", "concrete", "rebar", "rebar-two-branch", "rebar-relax", "rebar-relax-two-branch";
    bits2_saturated: "vimco", "rws", "pathwise", "lax";
    bits2_offset: "vimco", "rws", "pathwise", "lax";
    bits6: "vimco", "rws", "pathwise", "lax";
    categorical3: "vimco", "rws", "pathwise", "lax", "disarm", "measure-valued";
    categorical_pair: "vimco", "rws", "pathwise", "lax", "disarm", "measure-valued";
    mixed: "vimco", "rws", "pathwise", "lax", "disarm", "measure-valued";
    mixed_table: "vimco", "rws", "pathwise", "lax", "disarm", "measure-valued", "straight-through", "concrete", "rebar", "rebar-two-branch", "rebar-relax", "rebar-relax-two-branch";
    layers: "vimco", "rws", "pathwise", "lax";
    layers_mixed: "vimco", "rws", "pathwise", "lax", "disarm", "measure-valued";
    layers_table: "vimco", "rws", "pathwise", "lax", "straight-through", "concrete", "rebar", "rebar-two-branch", "rebar-relax", "rebar-relax-two-branch";
    latent_elbo: "vimco", "rws", "pathwise", "lax";
    latent_bound: "a2c", "pathwise", "rloo", "disarm", "measure-valued", "straight-through", "rebar", "rebar-two-branch", "rebar-relax", "rebar-relax-two-branch", "lax";
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
    assert!(
        coordinates * (ESTIMATORS.len() - 1) <= MOST_COORDINATES,
        "{coordinates}"
    );
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
        (
            "latent_bound",
            "disarm",
            "for an expected cost; use `vimco`",
        ),
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

/// A second reading of the problem format, in plain f64.
struct Oracle {
    sites: Vec<OracleSite>,
    terms: Vec<(f64, Vec<i32>)>,
    table: Option<Vec<f64>>,
    /// Samples of the bound; none for an expected cost.
    k: Option<u32>,
}

struct OracleSite {
    /// Coordinates of each choice, and whether it is one-hot.
    choices: Vec<usize>,
    one_hot: bool,
    logits: Vec<f64>,
    prior: Option<Vec<f64>>,
    parents: Vec<usize>,
    weights: Vec<Vec<f64>>,
}

fn number(value: &toml::Value) -> f64 {
    value
        .as_float()
        .unwrap_or_else(|| value.as_integer().expect("a number") as f64)
}

fn numbers(value: &toml::Value) -> Vec<f64> {
    match value {
        toml::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![number(other)],
    }
}

impl Oracle {
    fn read(table: &toml::Table) -> Self {
        let rows = |value: &toml::Value| value.as_array().expect("a list").clone();
        let site = |site: &toml::Value| OracleSite {
            choices: rows(&site["logits"])
                .iter()
                .map(|entry| numbers(entry).len())
                .collect(),
            one_hot: site["kind"].as_str() == Some("categorical"),
            logits: numbers(&site["logits"]),
            prior: site.get("prior").map(numbers),
            parents: site
                .get("parents")
                .map_or(vec![], |p| numbers(p).iter().map(|&p| p as usize).collect()),
            weights: site
                .get("weights")
                .map_or(vec![], |w| rows(w).iter().map(numbers).collect()),
        };
        let term = |term: &toml::Value| {
            let powers = numbers(&term["powers"])
                .iter()
                .map(|&power| power as i32)
                .collect();
            (number(&term["coefficient"]), powers)
        };
        Self {
            sites: rows(&table["site"]).iter().map(site).collect(),
            terms: table
                .get("term")
                .map_or(vec![], |terms| rows(terms).iter().map(term).collect()),
            table: table.get("table").map(|table| numbers(&table["values"])),
            k: table
                .get("objective")
                .and_then(|o| o.get("k"))
                .map(|k| number(k) as u32),
        }
    }

    fn logits(&self) -> Vec<f64> {
        self.sites
            .iter()
            .flat_map(|site| site.logits.clone())
            .collect()
    }

    /// All joint states in the order of a table: one block of coordinates per choice, the first one slowest.
    fn states(&self) -> Vec<Vec<f64>> {
        let mut states = vec![vec![]];
        for site in &self.sites {
            for &size in &site.choices {
                let options: Vec<Vec<f64>> = if site.one_hot {
                    (0..size)
                        .map(|c| (0..size).map(|i| f64::from(u8::from(i == c))).collect())
                        .collect()
                } else {
                    vec![vec![0.0], vec![1.0]]
                };
                states = states
                    .iter()
                    .flat_map(|state| {
                        options
                            .iter()
                            .map(move |option| [state.as_slice(), option].concat())
                    })
                    .collect();
            }
        }
        states
    }

    /// ln of the probability of the values `v` of one site under `logits`.
    fn log_prob(site: &OracleSite, logits: &[f64], v: &[f64]) -> f64 {
        let mut total = 0.0;
        let mut start = 0;
        for &size in &site.choices {
            let (a, v) = (&logits[start..start + size], &v[start..start + size]);
            total += if site.one_hot {
                let norm = a.iter().map(|a| a.exp()).sum::<f64>().ln();
                a.iter().zip(v).map(|(a, v)| v * (a - norm)).sum::<f64>()
            } else {
                v[0] * a[0] - a[0].exp().ln_1p()
            };
            start += size;
        }
        total
    }

    /// Probability and cost of state `index` at the logits `a`.
    fn state(&self, index: usize, v: &[f64], a: &[f64]) -> (f64, f64) {
        let starts: Vec<usize> = self
            .sites
            .iter()
            .scan(0, |end, site| {
                *end += site.logits.len();
                Some(*end - site.logits.len())
            })
            .collect();
        let part =
            |x: &[f64], i: usize| x[starts[i]..starts[i] + self.sites[i].logits.len()].to_vec();
        let (mut log_q, mut cost) = (0.0, 0.0);
        for (i, site) in self.sites.iter().enumerate() {
            let inputs: Vec<f64> = site
                .parents
                .iter()
                .flat_map(|&parent| part(v, parent))
                .collect();
            let mut logits = part(a, i);
            for (logit, row) in logits.iter_mut().zip(&site.weights) {
                *logit += row.iter().zip(&inputs).map(|(w, x)| w * x).sum::<f64>();
            }
            let log_prob = Self::log_prob(site, &logits, &part(v, i));
            log_q += log_prob;
            if let Some(prior) = &site.prior {
                cost += log_prob - Self::log_prob(site, prior, &part(v, i));
            }
        }
        cost += self
            .terms
            .iter()
            .map(|(c, powers)| c * monomial(v, powers))
            .sum::<f64>();
        cost += self.table.as_ref().map_or(0.0, |table| table[index]);
        (log_q.exp(), cost)
    }

    fn value(&self, a: &[f64]) -> f64 {
        let states = self.states();
        let states: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(i, v)| self.state(i, v, a))
            .collect();
        let k = self.k.unwrap_or(1);
        let tuples = states.len().pow(k);
        let tuple = |mut index: usize| {
            let (mut q, mut weight) = (1.0, 0.0);
            for _ in 0..k {
                let (probability, cost) = states[index % states.len()];
                q *= probability;
                weight += (-cost).exp() / f64::from(k);
                index /= states.len();
            }
            -q * weight.ln()
        };
        match self.k {
            None => states.iter().map(|(q, cost)| q * cost).sum(),
            Some(_) => (0..tuples).map(tuple).sum(),
        }
    }

    fn gradient(&self) -> Vec<f64> {
        let h = 1e-5;
        let shifted = |j: usize, h: f64| {
            let mut a = self.logits();
            a[j] += h;
            self.value(&a)
        };
        (0..self.logits().len())
            .map(|j| (shifted(j, h) - shifted(j, -h)) / (2.0 * h))
            .collect()
    }

    /// The expectation of the straight-through estimator, `E[(dE[b]/da)^T f'(b)]`, for one layer of relaxable choices.
    fn straight_through(&self) -> Option<Vec<f64>> {
        let one_layer = |site: &OracleSite| site.parents.is_empty() && site.prior.is_none();
        if self.table.is_some() || !self.sites.iter().all(one_layer) {
            return None;
        }
        let a = self.logits();
        let mut total = vec![0.0; a.len()];
        for (index, v) in self.states().iter().enumerate() {
            let (q, _) = self.state(index, v, &a);
            let slope: Vec<f64> = (0..v.len()).map(|j| self.slope(v, j)).collect();
            let mut start = 0;
            for (site, &size) in self
                .sites
                .iter()
                .flat_map(|s| s.choices.iter().map(move |c| (s, c)))
            {
                let block = start..start + size;
                if site.one_hot {
                    let norm: f64 = a[block.clone()].iter().map(|a| a.exp()).sum();
                    let p: Vec<f64> = a[block.clone()].iter().map(|a| a.exp() / norm).collect();
                    let mean: f64 = p
                        .iter()
                        .zip(&slope[block.clone()])
                        .map(|(p, s)| p * s)
                        .sum();
                    for (j, p) in block.clone().zip(&p) {
                        total[j] += q * p * (slope[j] - mean);
                    }
                } else {
                    let p = sigmoid(a[start]);
                    total[start] += q * p * (1.0 - p) * slope[start];
                }
                start = block.end;
            }
        }
        Some(total)
    }

    /// The expectation of the Concrete estimator at its default temperature 2/3, for bits that do not interact:
    /// `E_u[f'(x) dx/da]`, `x = sigma((a + logit u) / t)`, by the midpoint rule.
    fn concrete(&self) -> Option<Vec<f64>> {
        const POINTS: u32 = 1 << 18;
        let t = 2.0 / 3.0;
        let alone = self
            .terms
            .iter()
            .all(|(_, powers)| powers.iter().filter(|&&p| p > 0).count() <= 1);
        let plain =
            |site: &OracleSite| !site.one_hot && site.parents.is_empty() && site.prior.is_none();
        if self.table.is_some() || self.k.is_some() || !alone || !self.sites.iter().all(plain) {
            return None;
        }
        let a = self.logits();
        let expectation = |j: usize| {
            let at = |k: u32| {
                let u = (f64::from(k) + 0.5) / f64::from(POINTS);
                let x = sigmoid((a[j] + (u / (1.0 - u)).ln()) / t);
                let mut v = vec![0.0; a.len()];
                v[j] = x;
                self.slope(&v, j) * x * (1.0 - x) / t
            };
            (0..POINTS).map(at).sum::<f64>() / f64::from(POINTS)
        };
        Some((0..a.len()).map(expectation).collect())
    }

    /// The derivative of the cost by coordinate `j` at `v`.
    fn slope(&self, v: &[f64], j: usize) -> f64 {
        let term = |(c, powers): &(f64, Vec<i32>)| {
            let mut lower = powers.clone();
            lower[j] -= 1;
            if powers[j] == 0 {
                0.0
            } else {
                c * f64::from(powers[j]) * monomial(v, &lower)
            }
        };
        self.terms.iter().map(term).sum()
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn monomial(v: &[f64], powers: &[i32]) -> f64 {
    v.iter()
        .zip(powers)
        .map(|(v, &power)| v.powi(power))
        .product()
}
