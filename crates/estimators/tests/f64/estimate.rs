//! Estimates of every row at once, and what they are compared with.

use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType, IntDType, Tensor, TensorData};
use unbiased_estimators::{Estimate, Estimator, EstimatorConfig, Exact, Noise, Objective, Schema};

use crate::{
    grid::{Grid, continuous_grid},
    programs::{Example, Model},
};

pub const EXPECTED: Objective = Objective::Expected { discount: 1.0 };

/// The device of this test binary: f64, with autodiff.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let configured = DEVICE.get_or_init(|| {
        let mut device = Device::flex();
        device
            .configure((FloatDType::F64, IntDType::I64))
            .expect("no tensor was made before");
        device
    });
    configured.clone().autodiff()
}

/// Rows of `theta` as a leaf, `[rows, p]`.
pub fn leaf(theta: &[f64], rows: usize) -> Tensor<2> {
    let data = TensorData::new(theta.repeat(rows), [rows, theta.len()]);
    Tensor::from_data(data, &device()).require_grad()
}

/// `model` with `theta` in every one of `rows` rows.
pub fn example<'a>(model: &'a dyn Model, theta: &[f64], rows: usize) -> Example<'a> {
    Example {
        model,
        theta: leaf(theta, rows),
    }
}

pub fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data()
        .try_to_vec::<f64>()
        .expect("f64 on this device")
}

pub fn schema(model: &dyn Model) -> Schema {
    Schema::of(&example(model, &model.parameters(), 1))
}

/// The estimator `name` with its default settings for `model`.
pub fn build(name: &str, model: &dyn Model, objective: Objective) -> Box<dyn Estimator> {
    build_as(&EstimatorConfig::named(name), model, objective)
}

pub fn build_as(
    config: &EstimatorConfig,
    model: &dyn Model,
    objective: Objective,
) -> Box<dyn Estimator> {
    config
        .build(&schema(model), objective, &device())
        .unwrap_or_else(|error| panic!("{}: {error}", model.name()))
}

/// One gradient per row, `[rows][p]`, and the estimate that gave them.
pub struct Rows {
    pub gradients: Vec<f64>,
    pub width: usize,
    pub estimate: Estimate,
}

/// The estimate of every row of `program` by itself.
pub fn estimate(estimator: &mut dyn Estimator, program: &Example<'_>, noise: &Noise) -> Rows {
    let estimate = estimator.estimate(program, noise);
    let gradients = estimate.surrogate.clone().backward();
    let gradient = program.theta.grad(&gradients).expect("a gradient in theta");
    let [rows, width] = gradient.dims();
    Rows {
        gradients: numbers(gradient * rows as f64),
        width,
        estimate,
    }
}

/// The expectation of the estimate over a grid of noise.
pub fn expectation(
    estimator: &mut dyn Estimator,
    model: &dyn Model,
    theta: &[f64],
    grid: &Grid,
) -> Vec<f64> {
    expectations(estimator, model, theta, grid).0
}

/// The expectations of the estimate and of the cost that comes with it.
pub fn expectations(
    estimator: &mut dyn Estimator,
    model: &dyn Model,
    theta: &[f64],
    grid: &Grid,
) -> (Vec<f64>, f64) {
    let program = example(model, theta, grid.weights.len());
    let rows = estimate(estimator, &program, &Noise::from_source(grid.clone()));
    let mut mean = vec![0.0; rows.width];
    for (row, weight) in rows.gradients.chunks(rows.width).zip(&grid.weights) {
        for (mean, g) in mean.iter_mut().zip(row) {
            *mean += weight * g;
        }
    }
    let costs = numbers(rows.estimate.cost);
    let cost = costs
        .iter()
        .zip(&grid.weights)
        .map(|(cost, weight)| cost * weight)
        .sum();
    (mean, cost)
}

/// The exact gradient.
pub fn exact(model: &dyn Model, theta: &[f64], objective: Objective) -> Vec<f64> {
    let schema = schema(model);
    let mut exact = Exact::new(&schema, objective).expect("few states");
    expectation(&mut exact, model, theta, &continuous_grid(&schema))
}

/// The exact objective, averaged over continuous noise.
pub fn exact_value(model: &dyn Model, theta: &[f64], objective: Objective) -> f64 {
    let schema = schema(model);
    let mut exact = Exact::new(&schema, objective).expect("few states");
    let grid = continuous_grid(&schema);
    let program = example(model, theta, grid.weights.len());
    let estimate = exact.estimate(&program, &Noise::from_source(grid.clone()));
    let values = numbers(estimate.cost);
    values
        .iter()
        .zip(&grid.weights)
        .map(|(value, weight)| value * weight)
        .sum()
}

/// Central differences of `f` at `x`.
pub fn differences(x: &[f64], step: f64, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    (0..x.len())
        .map(|i| {
            let at = |shift: f64| {
                let mut moved = x.to_vec();
                moved[i] += shift;
                f(&moved)
            };
            (at(step) - at(-step)) / (2.0 * step)
        })
        .collect()
}

/// The largest error relative to `1 + |want|`, or a message where it is above `bound`.
pub fn compare(what: &str, got: &[f64], want: &[f64], bound: f64) -> Result<f64, String> {
    assert_eq!(got.len(), want.len(), "{what}");
    let errors = got
        .iter()
        .zip(want)
        .map(|(g, w)| (g - w).abs() / (1.0 + w.abs()));
    let (worst, error) = errors.enumerate().fold((0, 0.0), |best, (i, e)| {
        if e > best.1 || e.is_nan() {
            (i, e)
        } else {
            best
        }
    });
    if error <= bound {
        return Ok(error);
    }
    Err(format!(
        "{what}: coordinate {worst} is {}, exactly {} (error {error:.2e} > {bound:.0e})",
        got[worst], want[worst]
    ))
}

/// Panics with the message of a failed comparison.
pub fn check(result: Result<f64, String>) -> f64 {
    result.unwrap_or_else(|message| panic!("{message}"))
}

/// What a mutant must come to; says by how much it was caught.
pub fn must_fail(what: &str, result: Result<f64, String>) {
    match result {
        Ok(error) => panic!("{what} was not caught: {error:.2e}"),
        Err(message) => println!("caught {what}: {message}"),
    }
}
