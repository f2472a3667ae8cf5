//! Problems in two levels: solutions and hyper-gradients against closed forms and differences, the expectation against quadrature.

use burn::tensor::Tensor;
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Schema};
use unbiased_models::bilevel::{Bilevel, Cleaning, Derivative, Response, Ridge, Solver, Unsolved};

use crate::support::{device, largest_difference, numbers, tensor};

/// As far as double precision goes.
fn solver() -> Solver {
    Solver {
        newton: 30,
        conjugate: 50,
        tolerance: 1e-9,
    }
}

/// `m^-1 b` by elimination.
fn eliminate(mut m: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let (done, rest) = m.split_at_mut(i + 1);
        let pivot = &done[i];
        for (j, row) in rest.iter_mut().enumerate() {
            let factor = row[i] / pivot[i];
            for (to, from) in row.iter_mut().zip(pivot) {
                *to -= factor * from;
            }
            b[i + 1 + j] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            b[i] -= m[i][k] * b[k];
        }
        b[i] /= m[i][i];
    }
    b
}

/// `w*`, `F(x, w*)` and `dF/dx`.
fn closed_form(ridge: &Ridge, x: &[f64]) -> (Vec<f64>, f64, Vec<f64>) {
    let d = x.len();
    let [a, b, a_choose, b_choose] = [
        &ridge.fit[0],
        &ridge.fit[1],
        &ridge.choose[0],
        &ridge.choose[1],
    ]
    .map(|t| numbers(t.clone()));
    let n = b.len() as f64;
    let product = |rows: &[f64], v: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..d)
            .map(|j| {
                rows.chunks(d)
                    .enumerate()
                    .map(|(i, row)| row[j] * v(i))
                    .sum::<f64>()
                    / n
            })
            .collect()
    };
    let matrix: Vec<Vec<f64>> = (0..d)
        .map(|j| {
            let mut row = product(&a, &|i| a[i * d + j]);
            row[j] += x[j].exp();
            row
        })
        .collect();
    let w = eliminate(matrix.clone(), product(&a, &|i| b[i]));
    let error = |i: usize| (0..d).map(|j| a_choose[i * d + j] * w[j]).sum::<f64>() - b_choose[i];
    let outer = (0..b.len()).map(|i| error(i).powi(2)).sum::<f64>() / (2.0 * n);
    let u = eliminate(matrix, product(&a_choose, &error));
    let slope = (0..d).map(|j| -x[j].exp() * w[j] * u[j]).collect();
    (w, outer, slope)
}

fn ridge(features: usize) -> Ridge {
    Ridge::random(12, features, 3, &device())
}

#[test]
fn ridge_has_its_closed_form() {
    let ridge = ridge(4);
    let at = [-1.0, 0.3, -2.0, 1.0];
    let x = tensor(&at, [4]);
    let y = solver().solve(&ridge, &x, &tensor(&[0.0; 4], [4])).unwrap();
    let (w, outer, slope) = closed_form(&ridge, &at);
    assert!(largest_difference(&numbers(y.clone()), &w) < 1e-8);
    assert!((numbers(ridge.outer(x.clone(), y.clone()))[0] - outer).abs() < 1e-10);
    let implicit = numbers(solver().implicit(&ridge, &x, &y).unwrap());
    assert!(
        largest_difference(&implicit, &slope) < 1e-8,
        "{implicit:?} {slope:?}"
    );
    let differences = numbers(solver().differences(&ridge, &x, &y, 1e-4).unwrap());
    assert!(
        largest_difference(&differences, &slope) < 1e-7,
        "{differences:?}"
    );
    // The outer objective does not see x by itself: all of the gradient is the response of y.
    assert!(slope.iter().all(|s| s.abs() > 1e-4));
    // One step of conjugate gradients is not the solution, and shows.
    let short = Solver {
        conjugate: 1,
        ..solver()
    };
    let short = numbers(short.implicit(&ridge, &x, &y).unwrap());
    assert!(largest_difference(&short, &slope) > 1e-4);
}

fn cleaning() -> Cleaning {
    let features = |n: usize, phase: f64| {
        let values: Vec<f64> = (0..n * 3).map(|i| (phase + 1.7 * i as f64).sin()).collect();
        tensor::<2>(&values, [n, 3])
    };
    let labels = |n: usize| {
        let values: Vec<f64> = (0..n * 3)
            .map(|i| f64::from(u8::from(i / 3 * 5 % 7 % 3 == i % 3)))
            .collect();
        tensor::<2>(&values, [n, 3])
    };
    Cleaning {
        fit: [features(6, 0.3), labels(6)],
        choose: [features(5, 1.1), labels(5)],
        penalty: 0.05,
    }
}

#[test]
fn weights_of_examples_follow_differences() {
    let cleaning = cleaning();
    let x = tensor(&[0.5, -1.0, 2.0, 0.0, 0.3, -0.4], [6]);
    let start = Tensor::zeros([cleaning.parameters()], &device());
    let y = solver().solve(&cleaning, &x, &start).unwrap();
    let implicit = numbers(solver().implicit(&cleaning, &x, &y).unwrap());
    let differences = numbers(solver().differences(&cleaning, &x, &y, 1e-4).unwrap());
    assert!(
        largest_difference(&implicit, &differences) < 1e-7,
        "{implicit:?} {differences:?}"
    );
    assert!(implicit.iter().any(|g| *g > 1e-4) && implicit.iter().any(|g| *g < -1e-4));
}

/// A saddle.
struct Saddle;

impl Bilevel for Saddle {
    fn outer(&self, _: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        y.sum()
    }

    fn inner(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        (x * (y.clone() + 1.0).square()).sum()
    }
}

#[test]
fn what_has_no_minimum_is_named() {
    let (x, y) = (tensor(&[1.0, -0.5], [2]), tensor(&[0.0, 0.0], [2]));
    let error = solver().solve(&Saddle, &x, &y).unwrap_err();
    assert!(matches!(error, Unsolved::NotConvex(_)), "{error}");
    assert!(error.to_string().contains("add a penalty"));
    let nan = tensor(&[f64::NAN, 1.0], [2]);
    let error = solver().solve(&Saddle, &nan, &y).unwrap_err();
    assert_eq!(error, Unsolved::NotFinite);
}

/// The gradient of `E[F(x, w*(x))]` by the mean of x, and its standard error, from `draws` estimates.
fn expectation(estimator: &str, ridge: &Ridge, mean: f64, sd: f64, draws: u64) -> (f64, f64) {
    let device = device().autodiff();
    let mean = Tensor::<1>::from_inner(tensor(&[mean], [1])).require_grad();
    let start = tensor(&[0.0], [1]);
    let derivative = match estimator {
        "pathwise" => Derivative::Implicit,
        _ => Derivative::None,
    };
    let response = Response::new(ridge, (solver(), derivative), mean.clone(), sd, start);
    // Continuous choices are pathwise unless named.
    let mut config = EstimatorConfig::default();
    config.sites.insert("x".into(), estimator.into());
    let mut estimator = config
        .build(&Schema::of(&response), Objective::default(), &device)
        .unwrap();
    let slopes: Vec<f64> = (0..draws)
        .map(|step| {
            let estimate = estimator.estimate(&response, &Noise::new(7, step));
            let mut gradients = estimate.surrogate.backward();
            numbers(mean.grad_remove(&mut gradients).unwrap())[0]
        })
        .collect();
    let n = slopes.len() as f64;
    let average = slopes.iter().sum::<f64>() / n;
    let squares = slopes.iter().map(|s| (s - average).powi(2)).sum::<f64>();
    (average, (squares / (n * (n - 1.0))).sqrt())
}

#[test]
fn the_expectation_has_the_gradient_of_the_smoothed_objective() {
    let ridge = ridge(1);
    let (mean, sd) = (-0.5, 0.8);
    // The mean hyper-gradient under the normal law, by the trapezoid rule.
    let exact: f64 = (-600..=600)
        .map(|i| {
            let z = f64::from(i) / 100.0;
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            0.01 * density * closed_form(&ridge, &[mean + sd * z]).2[0]
        })
        .sum();
    for (name, draws) in [("pathwise", 200), ("rloo", 1500)] {
        let (got, error) = expectation(name, &ridge, mean, sd, draws);
        // False alarms: 1 in 16,000. Power: a gradient twice as large or of the other sign is 8 errors away.
        assert!(
            (got - exact).abs() < 4.0 * error,
            "{name}: {got} {error} {exact}"
        );
        assert!(exact.abs() > 8.0 * error, "{name}: {error} {exact}");
    }
}

#[test]
fn without_spread_the_path_is_the_hyper_gradient() {
    let ridge = ridge(1);
    for derivative in [Derivative::Implicit, Derivative::Differences(1e-4)] {
        let mean = Tensor::<1>::from_inner(tensor(&[0.3], [1])).require_grad();
        let start = tensor(&[0.0], [1]);
        let response = Response::new(&ridge, (solver(), derivative), mean.clone(), 0.0, start);
        let mut estimator = EstimatorConfig::named("pathwise")
            .build(
                &Schema::of(&response),
                Objective::default(),
                &device().autodiff(),
            )
            .unwrap();
        let estimate = estimator.estimate(&response, &Noise::new(7, 0));
        let (w, outer, slope) = closed_form(&ridge, &[0.3]);
        let mut gradients = estimate.surrogate.backward();
        let got = numbers(mean.grad_remove(&mut gradients).unwrap());
        assert!(largest_difference(&got, &slope) < 1e-7, "{got:?} {slope:?}");
        assert!((numbers(estimate.cost)[0] - outer).abs() < 1e-10);
        assert!(largest_difference(&numbers(response.solution().unwrap()), &w) < 1e-8);
    }
}
