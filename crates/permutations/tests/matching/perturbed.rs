//! Perturbed matchings.

use crate::support::{Numbers, TYPES, differences, distance, leaf, tensor, values};
use burn::tensor::{DType, Device, Tensor};
use unbiased_kernels::{NoiseLaw, noise};
use unbiased_permutations::{Error, Perturbation, PerturbedMatching, assign};

/// One sample for each copy of the scores.
fn draw(law: Perturbation, copies: usize, n: usize) -> Tensor<3> {
    let streams: Vec<u64> = (0..copies as u64).collect();
    let law = match law {
        Perturbation::Normal => NoiseLaw::Normal,
        Perturbation::Gumbel => NoiseLaw::Gumbel,
    };
    noise(law, &streams, n * n, &Device::flex()).reshape([copies, n, n])
}

#[test]
fn two_by_two_has_its_closed_form() {
    // The identity wins if D/ε + z₁₁ + z₂₂ − z₁₂ − z₂₁ > 0. With normal noise p = Φ(D/2ε), and dp/dx₁₁ = φ(D/2ε)/2ε; with Gumbel noise the sum is
    // that of two logistic variables, p = e(e − d − 1)/(e − 1)², e = exp d, d = D/ε.
    let (copies, epsilon, d) = (400_000, 0.7, 0.5);
    let normal = |x: f64| 0.5 * libm_erfc(-x / 2_f64.sqrt());
    let gumbel = |d: f64| {
        let e = d.exp();
        e * (e - d - 1.0) / (e - 1.0).powi(2)
    };
    for law in [Perturbation::Normal, Perturbation::Gumbel] {
        let p = |d: f64| match law {
            Perturbation::Normal => normal(d / (2.0 * epsilon)),
            Perturbation::Gumbel => gumbel(d / epsilon),
        };
        let slope = (p(d + 1e-4) - p(d - 1e-4)) / 2e-4;
        let x = leaf(&[d, 0.0, 0.0, 0.0], [1, 2, 2], DType::F32);
        let perturbed = PerturbedMatching { epsilon, law };
        let scores = x.clone().repeat_dim(0, copies);
        let y = perturbed.mean(scores, &[draw(law, copies, 2)]).unwrap();
        let first = y.slice([0..copies, 0..1, 0..1]).mean();
        let got = values(&first)[0];
        let deviation = (p(d) * (1.0 - p(d)) / copies as f64).sqrt();
        assert!(
            (got - p(d)).abs() < 5.0 * deviation,
            "{law:?}: {got}, not {}",
            p(d)
        );
        let gradients = first.backward();
        let got = values(&x.grad(&gradients).unwrap());
        // One sample's slope has a deviation below 2/ε.
        let allowed = 5.0 * 2.0 / epsilon / (copies as f64).sqrt();
        for (got, sign) in got.iter().zip([1.0, -1.0, -1.0, 1.0]) {
            assert!(
                (got - sign * slope).abs() < allowed,
                "{law:?}: {got}, not {slope}"
            );
        }
        assert!(slope > 5.0 * allowed);
    }
}

/// By its continued integral: Simpson's rule is enough here.
fn libm_erfc(x: f64) -> f64 {
    let steps = 2000;
    let h = (8.0 - x) / f64::from(steps);
    let f = |k: i32| (-(x + h * f64::from(k)).powi(2)).exp();
    let inner: f64 = (1..steps)
        .map(|k| f(k) * if k % 2 == 1 { 4.0 } else { 2.0 })
        .sum();
    (f(0) + inner + f(steps)) * h / 3.0 * 2.0 / core::f64::consts::PI.sqrt()
}

#[test]
fn the_fenchel_young_loss_has_its_gradient() {
    for dtype in TYPES {
        let n = 4;
        let mut scores = Numbers(5).scores(n * n);
        scores[3] = f64::NEG_INFINITY;
        let samples: Vec<Tensor<3>> = (0..5)
            .map(|k| tensor(&Numbers(20 + k).scores(n * n), [1, n, n], dtype))
            .collect();
        let mut target = vec![0.0; n * n];
        for i in 0..n {
            target[i * n + (i + 1) % n] = 1.0;
        }
        target[3] = 0.0;
        let perturbed = PerturbedMatching {
            epsilon: 0.8,
            law: Perturbation::Normal,
        };
        let loss = |x: Tensor<3>| {
            let target = tensor(&target, [1, n, n], dtype);
            perturbed.fenchel_young(x, target, &samples).unwrap()
        };
        let x = leaf(&scores, [1, n, n], dtype);
        let gradients = loss(x.clone()).backward();
        let got = values(&x.grad(&gradients).unwrap());
        let mean = perturbed.mean(x, &samples).unwrap();
        let expected: Vec<f64> = values(&mean)
            .iter()
            .zip(&target)
            .map(|(y, t)| y - t)
            .collect();
        assert!(distance(&got, &expected) < 1e-6);
        if dtype == DType::F64 {
            // The loss of fixed noise is piecewise linear.
            let value = |x: &[f64]| values(&loss(tensor(x, [1, n, n], dtype)))[0];
            let mut slopes = differences(value, &scores);
            slopes[3] = 0.0;
            assert!(distance(&got, &slopes) < 1e-6);
        }
    }
}

#[test]
fn little_noise_changes_nothing_and_settings_are_checked() {
    let n = 5;
    let scores = Numbers(5).scores(n * n);
    let x = tensor(&scores, [1, n, n], DType::F64);
    let perturbed = |epsilon| PerturbedMatching {
        epsilon,
        law: Perturbation::Gumbel,
    };
    let z = [tensor(&Numbers(6).scores(n * n), [1, n, n], DType::F64)];
    let mean = values(&perturbed(1e-6).mean(x.clone(), &z).unwrap());
    for (i, j) in assign(&scores, [n, n])
        .unwrap()
        .list()
        .into_iter()
        .enumerate()
    {
        assert_eq!(mean[i * n + j], 1.0);
    }
    for result in [
        perturbed(0.0).mean(x.clone(), &z),
        perturbed(1.0).mean(x, &[]),
    ] {
        assert!(matches!(result, Err(Error::Setting { .. })));
    }
}
