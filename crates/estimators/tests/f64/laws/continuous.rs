//! Continuous laws: mass, entropies and divergences as integrals, draws against the integrated density, slopes of draws and
//! densities.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use unbiased_estimators::{
    Role,
    law::{Beta, Dirichlet, Gamma, Gaussian, Gumbel, Kumaraswamy, Law, Logistic, VonMises},
};

use super::{noise_of, tensor};
use crate::{
    estimate::{check, compare, differences, must_fail, numbers},
    grid::sigma,
};

/// A law of one variable at parameters, and points with weights over its support.
pub struct Case {
    pub law: Box<dyn Law>,
    pub params: [f64; 2],
    points: Vec<(f64, f64)>,
}

pub fn cases() -> Vec<Case> {
    let line = |low: f64, high: f64, step: f64| {
        let n = ((high - low) / step).round() as i32;
        (0..n).map(move |i| low + f64::from(i) * step)
    };
    let real = || line(-60.0, 60.0, 0.01).map(|x| (x, 0.01));
    let positive = || line(-60.0, 6.0, 0.01).map(|y| (y.exp(), 0.01 * y.exp()));
    let unit = || {
        line(-60.0, 34.0, 0.01).map(|y| {
            let x = sigma(y);
            (x, 0.01 * x * (1.0 - x))
        })
    };
    let circle = |around: f64| {
        let step = PI / 500.0;
        // The midpoint rule, which is exact for the mean as well.
        line(around - PI, around + PI, step).map(move |x| (x + step / 2.0, step))
    };
    let case = |law: Box<dyn Law>, params, points| Case {
        law,
        params,
        points,
    };
    vec![
        case(Box::new(Gaussian), [0.3, -0.4], real().collect()),
        case(Box::new(Logistic), [0.3, -0.4], real().collect()),
        case(Box::new(Gumbel), [0.3, -0.4], real().collect()),
        case(Box::new(Kumaraswamy), [-0.2, 0.6], unit().collect()),
        case(Box::new(Gamma), [-0.3, 0.4], positive().collect()),
        case(Box::new(Gamma), [1.6, 0.4], positive().collect()),
        case(Box::new(Beta), [-0.2, 0.6], unit().collect()),
        case(Box::new(Beta), [1.9, 1.2], unit().collect()),
        case(Box::new(VonMises), [0.4, -0.5], circle(0.4).collect()),
        case(Box::new(VonMises), [0.4, 2.5], circle(0.4).collect()),
    ]
}

impl Case {
    fn log_probs(&self, params: &[f64]) -> Vec<f64> {
        let n = self.points.len();
        let at: Vec<f64> = self.points.iter().map(|(x, _)| *x).collect();
        numbers(
            self.law
                .log_prob(tensor(&params.repeat(n), n), tensor(&at, n)),
        )
    }

    /// `E[f(x, i)]` by quadrature over the density.
    pub fn integral(&self, params: &[f64], f: impl Fn(f64, usize) -> f64) -> f64 {
        let log_probs = self.log_probs(params);
        let terms = self.points.iter().zip(&log_probs).enumerate();
        terms.map(|(i, ((x, w), l))| l.exp() * w * f(*x, i)).sum()
    }
}

#[test]
fn densities_entropies_and_divergences_are_integrals() {
    for case in cases() {
        let name = format!("{:?} {:?}", case.law, case.params);
        let (q, prior) = (case.params, [0.1, 0.2]);
        let (params, prior_params) = (tensor(&q, 1), tensor(&prior, 1));
        check(compare(
            &name,
            &[case.integral(&q, |_, _| 1.0)],
            &[1.0],
            1e-10,
        ));
        let mean = numbers(case.law.mean(params.clone()));
        check(compare(&name, &mean, &[case.integral(&q, |x, _| x)], 1e-10));
        let log_q = case.log_probs(&q);
        if let Some(entropy) = case.law.negative_entropy(params.clone()) {
            let want = case.integral(&q, |_, i| log_q[i]);
            check(compare(&name, &numbers(entropy), &[want], 1e-10));
        }
        // Around another direction the density is the same, since it is periodic.
        let log_p = case.log_probs(&prior);
        if let Some(kl) = case.law.kl(params, prior_params) {
            let want = case.integral(&q, |_, i| log_q[i] - log_p[i]);
            check(compare(&name, &numbers(kl), &[want], 1e-10));
        }
    }
}

#[test]
fn divergences_have_their_slopes_on_the_tape() {
    for case in cases() {
        let both: Vec<f64> = [case.params, [0.1, 0.2]].concat();
        let kl = |both: Tensor<2>| {
            let (q, p) = (both.clone().narrow(1, 0, 2), both.narrow(1, 2, 2));
            let entropy = case.law.negative_entropy(q.clone()).expect("closed form");
            entropy + case.law.kl(q.clone(), p).unwrap_or_else(|| q.sum())
        };
        let want = differences(&both, 1e-5, |both| numbers(kl(tensor(both, 1)))[0]);
        let leaf = tensor(&both, 1).autodiff().require_grad();
        let tape = kl(leaf.clone()).backward();
        let got = numbers(leaf.grad(&tape).expect("a gradient"));
        check(compare(&format!("{:?}", case.law), &got, &want, 1e-8));
    }
}

/// Kolmogorov and Smirnov's distance of 20,000 draws exceeds 0.0235 with probability `2 exp(-2 n d^2) = 5e-10` each.
#[test]
fn draws_follow_the_integrated_density() {
    let rows = 20_000;
    for case in cases() {
        let noise = noise_of(&*case.law, Role::Choice, rows, 1);
        let distance = |params: &[f64]| {
            let mut drawn = numbers(
                case.law
                    .sample(tensor(&params.repeat(rows), rows), noise.clone()),
            );
            drawn.sort_by(f64::total_cmp);
            // The distribution function at the middles between points.
            let (mut below, mut next, mut distance) = (0.0, 0, 0.0_f64);
            let log_probs = case.log_probs(&case.params);
            for (i, ((x, weight), l)) in case.points.iter().zip(&log_probs).enumerate() {
                below += weight * l.exp();
                let Some((after, _)) = case.points.get(i + 1) else {
                    break;
                };
                while next < rows && drawn[next] < 0.5 * (x + after) {
                    next += 1;
                }
                distance = distance.max((below - next as f64 / rows as f64).abs());
            }
            if distance < 0.0235 {
                Ok(distance)
            } else {
                Err(format!("{:?}: distance {distance}", case.law))
            }
        };
        check(distance(&case.params));
        must_fail(
            "other parameters",
            distance(&[case.params[0] + 0.1, case.params[1] + 0.2]),
        );
    }
}

#[test]
fn scores_and_tapes_are_the_slopes_of_log_densities() {
    for case in cases() {
        let drawn = noise_of(&*case.law, Role::Choice, 6, 1);
        let drawn = numbers(case.law.sample(tensor(&case.params.repeat(6), 6), drawn));
        for x in drawn {
            let all = [case.params[0], case.params[1], x];
            let log_prob = |all: Tensor<2>| {
                let value = all.clone().narrow(1, 2, 1);
                case.law.log_prob(all.narrow(1, 0, 2), value)
            };
            let want = differences(&all, 1e-6, |all| numbers(log_prob(tensor(all, 1)))[0]);
            let score = numbers(case.law.score(tensor(&case.params, 1), tensor(&[x], 1)));
            let what = format!("{:?} at {x}", case.law);
            check(compare(&what, &score, &want[..2], 1e-7));
            let leaf = tensor(&all, 1).autodiff().require_grad();
            let tape = log_prob(leaf.clone()).backward();
            let got = numbers(leaf.grad(&tape).expect("a gradient"));
            check(compare(&what, &got, &want, 1e-7));
        }
    }
}

#[test]
fn draws_have_their_slopes_on_the_tape_and_in_pulls_and_pushes() {
    let laws = cases()
        .into_iter()
        .map(|case| (case.law, case.params.to_vec()));
    let simplex: (Box<dyn Law>, Vec<f64>) = (
        Box::new(Dirichlet { parts: 3 }),
        vec![-0.4, 0.3, 1.1, 0.2, 0.9, -1.0],
    );
    for (law, params) in laws.chain([simplex]) {
        let width = law.width(params.len());
        for row in 0..8 {
            let noise = noise_of(&*law, Role::Choice, 8, width).narrow(0, row, 1);
            let h: Vec<f64> = (0..width).map(|i| (i as f64 + 0.7).sin()).collect();
            let dot = |x: Tensor<2>| (x * tensor(&h, 1)).sum();
            let sample = |p: Tensor<2>| law.sample(p, noise.clone());
            let want = differences(&params, 1e-5, |p| numbers(dot(sample(tensor(p, 1))))[0]);
            let leaf = tensor(&params, 1).autodiff().require_grad();
            let tape = dot(sample(leaf.clone())).backward();
            let got = numbers(leaf.grad(&tape).expect("a gradient"));
            let what = format!("{law:?}");
            check(compare(&what, &got, &want, 1e-7));
            let law = law.reparameterization().expect("continuous");
            let p = tensor(&params, 1);
            let pulled = numbers(law.pull(p.clone(), noise.clone(), tensor(&h, 1)));
            check(compare(&what, &pulled, &got, 1e-12));
            let g: Vec<f64> = (0..params.len()).map(|i| (2.0 * i as f64).cos()).collect();
            let pushed = numbers(dot(law.push(p, noise.clone(), tensor(&g, 1))));
            let transposed: f64 = g.iter().zip(&pulled).map(|(g, p)| g * p).sum();
            check(compare(&what, &pushed, &[transposed], 1e-12));
        }
    }
}

/// Its density, over one of two coordinates of a triangle, and its divergence.
#[test]
fn the_density_of_a_simplex_integrates_to_one() {
    let law = Dirichlet { parts: 3 };
    let (q, p) = ([0.4, 0.9, 0.2], [0.7, 0.3, 0.5]);
    // x = (s, (1 - s) t, (1 - s)(1 - t)), dx = (1 - s) ds dt, in logits of s and t.
    let axis: Vec<f64> = (-400..=400).map(|i| f64::from(i) * 0.1).collect();
    let (mut points, mut weights) = (Vec::new(), Vec::new());
    for &y in &axis {
        for &z in &axis {
            let (s, rest, t, last) = (sigma(y), sigma(-y), sigma(z), sigma(-z));
            points.extend([s, rest * t, rest * last]);
            weights.push(0.01 * s * rest * t * last * rest);
        }
    }
    let n = weights.len();
    let log_probs = |a: &[f64]| numbers(law.log_prob(tensor(&a.repeat(n), n), tensor(&points, n)));
    let (log_q, log_p) = (log_probs(&q), log_probs(&p));
    let integral = |f: &dyn Fn(usize) -> f64| -> f64 {
        (0..n).map(|i| weights[i] * log_q[i].exp() * f(i)).sum()
    };
    check(compare("mass", &[integral(&|_| 1.0)], &[1.0], 1e-10));
    let entropy = law.negative_entropy(tensor(&q, 1)).expect("closed form");
    check(compare(
        "entropy",
        &numbers(entropy),
        &[integral(&|i| log_q[i])],
        1e-10,
    ));
    let kl = law.kl(tensor(&q, 1), tensor(&p, 1)).expect("closed form");
    check(compare(
        "divergence",
        &numbers(kl),
        &[integral(&|i| log_q[i] - log_p[i])],
        1e-10,
    ));
    let x = tensor(&[0.2, 0.5, 0.3], 1);
    let score = numbers(law.score(tensor(&q, 1), x.clone()));
    let want = differences(&q, 1e-5, |a| {
        numbers(law.log_prob(tensor(a, 1), x.clone()))[0]
    });
    check(compare("score", &score, &want, 1e-9));
}
