//! Gradients of moments of continuous laws against closed forms.

use std::f64::consts::PI;

use unbiased_estimators::law::{
    Beta, Dirichlet, Gamma, Gumbel, Kumaraswamy, Law, Logistic, VonMises,
};

use super::tensor;
use crate::{
    estimate::{check, compare, must_fail, numbers},
    grid::{Cover, interval, sigma},
};

/// Five-point differences.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h)) / (12.0 * h)
}

fn psi(x: f64) -> f64 {
    slope(libm::lgamma, x)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

const EULER: f64 = 0.577_215_664_901_532_9;

/// `d E[f(x)]/d params` over nodes of the noise, `f` with slope `d`.
fn pulled(law: &dyn Law, params: &[f64], step: f64, d: impl Fn(f64) -> f64) -> Vec<f64> {
    let width = law.width(params.len());
    let axis = interval(0.0, 1.0, Cover::Quadrature(step));
    let mut nodes = vec![(Vec::new(), 1.0)];
    for _ in 0..width {
        nodes = nodes
            .iter()
            .flat_map(|(u, w)| {
                axis.iter()
                    .map(move |(v, x)| ([u.as_slice(), v].concat(), w * x))
            })
            .collect();
    }
    let n = nodes.len();
    let noise: Vec<f64> = nodes
        .iter()
        .flat_map(|(u, _)| u.iter().map(|&u| law.noise().quantile(u)))
        .collect();
    let (params_rows, noise) = (tensor(&params.repeat(n), n), tensor(&noise, n));
    // A function of the first coordinate.
    let x = numbers(law.sample(params_rows.clone(), noise.clone()));
    let h: Vec<f64> = x
        .chunks(width)
        .flat_map(|x| (0..width).map(|i| if i == 0 { d(x[0]) } else { 0.0 }))
        .collect();
    let law = law.reparameterization().expect("continuous");
    let rows = numbers(law.pull(params_rows, noise, tensor(&h, n)));
    let mut mean = vec![0.0; params.len()];
    for (row, (_, weight)) in rows.chunks(params.len()).zip(&nodes) {
        mean.iter_mut().zip(row).for_each(|(m, g)| *m += weight * g);
    }
    mean
}

/// A law at parameters, and what is known of it: a name, the slope of `f`, and `E[f(x)]` of the first coordinate.
struct Closed {
    law: Box<dyn Law>,
    params: Vec<f64>,
    moments: Vec<Moment>,
}

type Moment = (&'static str, fn(f64) -> f64, fn(&[f64]) -> f64);

const FIRST: fn(f64) -> f64 = |_| 1.0;
const SECOND: fn(f64) -> f64 = |x| 2.0 * x;
const LOG: fn(f64) -> f64 = f64::recip;

fn by_quantiles() -> Vec<Closed> {
    vec![
        Closed {
            law: Box::new(Logistic),
            params: vec![0.3, -0.4],
            moments: vec![
                ("x", FIRST, |p| p[0]),
                ("x^2", SECOND, |p| {
                    p[0].powi(2) + (2.0 * p[1]).exp() * PI * PI / 3.0
                }),
            ],
        },
        Closed {
            law: Box::new(Gumbel),
            params: vec![0.3, -0.4],
            moments: vec![
                ("x", FIRST, |p| p[0] + EULER * p[1].exp()),
                ("x^2", SECOND, |p| {
                    (p[0] + EULER * p[1].exp()).powi(2) + (2.0 * p[1]).exp() * PI * PI / 6.0
                }),
            ],
        },
        Closed {
            law: Box::new(Kumaraswamy),
            params: vec![-0.2, 0.6],
            moments: vec![
                ("x", FIRST, |p| {
                    (p[1] + ln_beta(1.0 + (-p[0]).exp(), p[1].exp())).exp()
                }),
                ("x^2", SECOND, |p| {
                    (p[1] + ln_beta(1.0 + 2.0 * (-p[0]).exp(), p[1].exp())).exp()
                }),
                ("ln x", LOG, |p| {
                    -(psi(p[1].exp() + 1.0) + EULER) / p[0].exp()
                }),
            ],
        },
        Closed {
            law: Box::new(Gamma),
            params: vec![-0.3, 0.4],
            moments: vec![
                ("x", FIRST, |p| (p[0] - p[1]).exp()),
                ("x^2", SECOND, |p| {
                    (p[0] - 2.0 * p[1]).exp() * (1.0 + p[0].exp())
                }),
                ("ln x", LOG, |p| psi(p[0].exp()) - p[1]),
            ],
        },
    ]
}

fn implicit() -> Vec<Closed> {
    vec![
        Closed {
            law: Box::new(Beta),
            params: vec![-0.2, 0.6],
            moments: vec![
                ("x", FIRST, |p| sigma(p[0] - p[1])),
                ("x^2", SECOND, |p| {
                    let (a, sum) = (p[0].exp(), p[0].exp() + p[1].exp());
                    a * (a + 1.0) / (sum * (sum + 1.0))
                }),
                ("ln x", LOG, |p| {
                    psi(p[0].exp()) - psi(p[0].exp() + p[1].exp())
                }),
            ],
        },
        Closed {
            law: Box::new(Dirichlet { parts: 3 }),
            params: vec![-0.2, 0.6, 0.3],
            moments: vec![
                ("x", FIRST, |p| {
                    p[0].exp() / p.iter().map(|a| a.exp()).sum::<f64>()
                }),
                ("x^2", SECOND, |p| {
                    let (a, sum) = (p[0].exp(), p.iter().map(|a| a.exp()).sum::<f64>());
                    a * (a + 1.0) / (sum * (sum + 1.0))
                }),
                ("ln x", LOG, |p| {
                    psi(p[0].exp()) - psi(p.iter().map(|a| a.exp()).sum::<f64>())
                }),
            ],
        },
        Closed {
            law: Box::new(VonMises),
            params: vec![0.4, 0.5],
            moments: vec![
                ("x", FIRST, |p| p[0]),
                (
                    "cos x",
                    |x| -x.sin(),
                    |p| {
                        // I_1/I_0 by the integral of cos over the density.
                        let at = |i: i32| PI * f64::from(i) / 100.0;
                        let sum = |f: &dyn Fn(f64) -> f64| {
                            (0..200)
                                .map(|i| f(at(i)) * (p[1].exp() * at(i).cos()).exp())
                                .sum::<f64>()
                        };
                        p[0].cos() * sum(&f64::cos) / sum(&|_| 1.0)
                    },
                ),
            ],
        },
    ]
}

#[test]
fn gradients_of_moments_are_those_of_closed_forms() {
    for Closed {
        law,
        params,
        moments,
    } in by_quantiles().into_iter().chain(implicit())
    {
        let step = if params.len() == 3 { 0.15 } else { 0.05 };
        for (name, d, closed) in moments {
            let got = pulled(&*law, &params, step, d);
            let want: Vec<f64> = (0..params.len())
                .map(|i| {
                    let moved = |x| {
                        let mut p = params.clone();
                        p[i] = x;
                        closed(&p)
                    };
                    slope(moved, params[i])
                })
                .collect();
            let what = format!("E[{name}] of {law:?}");
            check(compare(&what, &got, &want, 2e-8));
            let off: Vec<f64> = got.iter().map(|g| 1.001 * g).collect();
            must_fail(
                "a slope off by 1 in 1000",
                compare(&what, &off, &want, 2e-8),
            );
        }
    }
}
