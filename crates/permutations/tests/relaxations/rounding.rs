//! Rounding towards vertices.

use crate::support::{Numbers, distance, gradient_error, tensor, values};
use burn::tensor::Tensor;
use unbiased_permutations::birkhoff::{Polytope, Rounding};
use unbiased_permutations::{Error, assign_batch};

fn law(n: usize, batch: usize, temperature: f64) -> Rounding<3> {
    let mut numbers = Numbers(1);
    let (d, shape) = (batch * n * n, [batch, n, n]);
    let deviation: Vec<f64> = (0..d).map(|_| 0.1 + 0.4 * numbers.uniform()).collect();
    Rounding {
        scores: tensor(&numbers.normals(d), shape),
        deviation: tensor(&deviation, shape),
        temperature,
        polytope: Polytope::Birkhoff,
    }
}

#[test]
fn there_and_back() {
    for temperature in [1.0, 0.5, 0.01] {
        let law = law(5, 4, temperature);
        let noise = tensor(&Numbers(2).normals(100), [4, 5, 5]);
        let psi = law.mean().unwrap() + law.deviation.clone() * noise.clone();
        let draw = law.sample(noise).unwrap();
        let [of_psi, of_value] =
            [psi, draw.value.clone()].map(|x| values(assign_batch(x).unwrap().plan));
        assert_eq!(of_psi, of_value, "both have one nearest permutation");
        let again = values(law.log_prob(draw.value).unwrap());
        assert!(distance(&again, &values(draw.log_prob)) < 1e-8);
        let log_det = values(draw.log_det);
        assert!(distance(&log_det, &[25.0 * temperature.ln(); 4]) < 1e-10);
    }
}

#[test]
fn at_temperature_one_it_is_a_normal_and_cold_a_permutation() {
    let noise = || tensor(&Numbers(3).normals(36), [4, 3, 3]);
    let warm = law(3, 4, 1.0);
    let psi = warm.mean().unwrap() + warm.deviation.clone() * noise();
    assert!(
        distance(
            &values(warm.sample(noise()).unwrap().value),
            &values(psi.clone())
        ) < 1e-14
    );
    let cold = law(3, 4, 1e-9).sample(noise()).unwrap();
    assert!(
        distance(
            &values(cold.value),
            &values(assign_batch(psi).unwrap().plan)
        ) < 1e-8
    );
}

/// N = 2: `∫ q = E_g[q/g]` for a wide normal g around the middle, 1 within four standard errors. Without the Jacobian it would be τ⁴,
/// without the gaps 1.7.
#[test]
fn the_density_integrates() {
    const SAMPLES: usize = 400_000;
    const WIDTH: f64 = 0.8;
    let one = Rounding {
        scores: tensor(&[0.4, 0.0, 0.0, 0.2], [1, 2, 2]),
        deviation: tensor(&[0.3, 0.4, 0.5, 0.35], [1, 2, 2]),
        temperature: 0.7,
        polytope: Polytope::Birkhoff,
    };
    let z = Numbers(4).normals(4 * SAMPLES);
    let x: Vec<f64> = z.iter().map(|z| 0.5 + WIDTH * z).collect();
    let log_q = values(one.log_prob(tensor(&x, [SAMPLES, 2, 2])).unwrap());
    let log_norm = 4.0 * (WIDTH.ln() + 0.5 * core::f64::consts::TAU.ln());
    let weights: Vec<f64> = log_q
        .iter()
        .zip(z.chunks(4))
        .map(|(log_q, z)| (log_q + z.iter().map(|z| 0.5 * z * z).sum::<f64>() + log_norm).exp())
        .collect();
    let mean = weights.iter().sum::<f64>() / SAMPLES as f64;
    let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
    let error = (variance / SAMPLES as f64).sqrt();
    assert!((mean - 1.0).abs() < 4.0 * error, "{mean} ± {error}");
    assert!((0.7_f64.powi(4) - 1.0).abs() > 40.0 * error);
}

/// Where Ψ by the formula rounds elsewhere, no sample can be.
#[test]
fn between_the_regions_the_density_is_zero() {
    let law = law(2, 1, 0.5);
    let log_q = |x: [f64; 4]| values(law.log_prob(tensor(&x, [1, 2, 2])).unwrap())[0];
    assert_eq!(log_q([0.55, 0.45, 0.45, 0.55]), f64::NEG_INFINITY);
    assert!(log_q([0.8, 0.2, 0.2, 0.8]).is_finite());
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let noise = Numbers(5).normals(18);
    let start = law(3, 2, 0.4);
    let (scores, deviation) = (
        values(start.scores.clone()),
        values(start.deviation.clone()),
    );
    let by_scores = |scores: Tensor<3>| Rounding {
        scores,
        ..start.clone()
    };
    let value = |law: Rounding<3>| law.sample(tensor(&noise, [2, 3, 3])).unwrap().value;
    assert!(gradient_error(|s| value(by_scores(s)), &scores, [2, 3, 3]) < 1e-8);
    let x = value(start.clone());
    let density = |law: Rounding<3>| law.log_prob(x.clone()).unwrap();
    assert!(gradient_error(|s| density(by_scores(s)), &scores, [2, 3, 3]) < 1e-6);
    let by_deviation = |deviation: Tensor<3>| Rounding {
        deviation,
        ..start.clone()
    };
    assert!(gradient_error(|v| value(by_deviation(v)), &deviation, [2, 3, 3]) < 1e-8);
    assert!(gradient_error(|v| density(by_deviation(v)), &deviation, [2, 3, 3]) < 1e-5);
    let entropy = |law: Rounding<3>| law.entropy().unwrap();
    assert!(gradient_error(|v| entropy(by_deviation(v)), &deviation, [2, 3, 3]) < 1e-7);
}

#[test]
fn entropy_is_expected_surprise() {
    const SAMPLES: usize = 20_000;
    let one = law(3, 1, 0.5);
    let many = Rounding {
        scores: one.scores.clone().repeat_dim(0, SAMPLES),
        deviation: one.deviation.clone().repeat_dim(0, SAMPLES),
        ..one.clone()
    };
    let noise = tensor(&Numbers(6).normals(9 * SAMPLES), [SAMPLES, 3, 3]);
    let surprise = values(many.sample(noise).unwrap().log_prob.neg());
    let mean = surprise.iter().sum::<f64>() / SAMPLES as f64;
    let entropy = values(one.entropy().unwrap())[0];
    assert!(
        (mean - entropy).abs() < 4.0 * (4.5 / SAMPLES as f64).sqrt(),
        "{mean} {entropy}"
    );
}

#[test]
fn on_the_simplex_the_largest_entry_is_rounded_to() {
    let law = Rounding {
        scores: tensor(&Numbers(7).normals(12), [3, 4]),
        deviation: tensor(&[0.3; 12], [3, 4]),
        temperature: 0.2,
        polytope: Polytope::Simplex,
    };
    let noise = tensor(&Numbers(8).normals(12), [3, 4]);
    let psi = values(law.mean().unwrap() + law.deviation.clone() * noise.clone());
    let draw = law.sample(noise).unwrap();
    for (psi, x) in psi.chunks(4).zip(values(draw.value.clone()).chunks(4)) {
        let top = psi.iter().copied().fold(f64::MIN, f64::max);
        let expected: Vec<f64> = psi
            .iter()
            .map(|&p| 0.2 * p + if p == top { 0.8 } else { 0.0 })
            .collect();
        assert!(distance(x, &expected) < 1e-14);
    }
    assert_eq!(draw.log_prob.dims(), [3, 1]);
    let again = values(law.log_prob(draw.value).unwrap());
    assert!(distance(&again, &values(draw.log_prob)) < 1e-10);
}

#[test]
fn what_is_refused() {
    for temperature in [0.0, 1.5, f64::NAN] {
        let refused = law(2, 1, temperature).sample(tensor(&[0.0; 4], [1, 2, 2]));
        assert!(matches!(
            refused,
            Err(Error::Setting {
                setting: "temperature",
                ..
            })
        ));
    }
    let nan = law(2, 1, 0.5).sample(tensor(&[f64::NAN, 0.0, 0.0, 0.0], [1, 2, 2]));
    assert!(matches!(nan, Err(Error::NotANumber { .. })));
}

const NEVER: f64 = f64::NEG_INFINITY;

/// Three pairs forbidden, in a matrix that noise would round to them often.
fn forbidding(batch: usize) -> Rounding<3> {
    let scores = [NEVER, 0.3, -0.2, 0.5, NEVER, 0.1, 0.4, -0.6, NEVER];
    Rounding {
        scores: tensor(&scores.repeat(batch), [batch, 3, 3]),
        deviation: tensor(&[0.9].repeat(9 * batch), [batch, 3, 3]),
        temperature: 0.5,
        polytope: Polytope::Birkhoff,
    }
}

#[test]
fn forbidden_pairs_are_no_part_of_it() {
    const BATCH: usize = 500;
    let law = forbidding(BATCH);
    let noise = Numbers(9).normals(9 * BATCH);
    let draw = law.sample(tensor(&noise, [BATCH, 3, 3])).unwrap();
    let x = values(draw.value.clone());
    let log_prob = values(draw.log_prob.clone());
    // The two derangements: by hand, the better one of Ψ = M̃ + V z.
    let mean = values(law.mean().unwrap());
    let mut unmasked_differs = 0;
    for (k, x) in x.chunks(9).enumerate() {
        let z = &noise[9 * k..][..9];
        let psi: Vec<f64> = (0..9).map(|i| mean[9 * k + i] + 0.9 * z[i]).collect();
        let (up, down) = (psi[1] + psi[5] + psi[6], psi[2] + psi[3] + psi[7]);
        let taken = if up > down { [1, 5, 6] } else { [2, 3, 7] };
        let allowed = [1, 2, 3, 5, 6, 7];
        let expected: Vec<f64> = (0..9)
            .map(|i| match (allowed.contains(&i), taken.contains(&i)) {
                (false, _) => 0.0,
                (true, taken) => 0.5 * psi[i] + if taken { 0.5 } else { 0.0 },
            })
            .collect();
        assert!(distance(x, &expected) < 1e-12, "{x:?} {expected:?}");
        let log_q: f64 = allowed
            .iter()
            .map(|&i| -0.5 * z[i] * z[i] - (0.5 * 0.9 * core::f64::consts::TAU.sqrt()).ln())
            .sum();
        assert!((log_prob[k] - log_q).abs() < 1e-10);
        let free = values(assign_batch(tensor(&psi, [1, 3, 3])).unwrap().plan);
        unmasked_differs += usize::from(free[0] + free[4] + free[8] > 0.5);
    }
    assert!(unmasked_differs > BATCH / 5, "the mask would not be missed");
    let again = values(law.log_prob(draw.value.clone()).unwrap());
    assert!(distance(&again, &log_prob) < 1e-9);
    assert!(distance(&values(draw.log_det), &[6.0 * 0.5_f64.ln(); BATCH]) < 1e-12);
    let entropy = values(law.entropy().unwrap())[0];
    let normal = (0.9 * 0.5 * (core::f64::consts::TAU * core::f64::consts::E).sqrt()).ln();
    assert!((entropy - 6.0 * normal).abs() < 1e-12);
    // A point that uses a forbidden pair has no density.
    let mut off = x;
    off[0] = 0.2;
    let log_q = values(law.log_prob(tensor(&off, [BATCH, 3, 3])).unwrap());
    assert_eq!(log_q[0], f64::NEG_INFINITY);
    assert!(log_q[1].is_finite());
}

#[test]
fn gradients_with_forbidden_pairs_are_those_of_finite_differences() {
    let start = forbidding(1);
    let noise = Numbers(5).normals(9);
    let never = start.scores.clone().equal_scalar(NEVER);
    let by_scores = |free: Tensor<3>| Rounding {
        scores: free.mask_fill(never.clone(), NEVER),
        ..start.clone()
    };
    let value = |law: Rounding<3>| law.sample(tensor(&noise, [1, 3, 3])).unwrap().value;
    let x = value(start.clone());
    let density = |law: Rounding<3>| law.log_prob(x.clone()).unwrap();
    let free = [0.0, 0.3, -0.2, 0.5, 0.0, 0.1, 0.4, -0.6, 0.0];
    assert!(gradient_error(|s| value(by_scores(s)), &free, [1, 3, 3]) < 1e-8);
    assert!(gradient_error(|s| density(by_scores(s)), &free, [1, 3, 3]) < 1e-6);
    let by_deviation = |deviation: Tensor<3>| Rounding {
        deviation,
        ..start.clone()
    };
    let deviation = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.3, 0.2, 0.5];
    assert!(gradient_error(|v| value(by_deviation(v)), &deviation, [1, 3, 3]) < 1e-8);
    assert!(gradient_error(|v| density(by_deviation(v)), &deviation, [1, 3, 3]) < 1e-5);
}

#[test]
fn a_psi_from_elsewhere_has_the_same_density() {
    let law = law(3, 2, 0.4);
    let noise = tensor(&Numbers(2).normals(18), [2, 3, 3]);
    let psi = law.mean().unwrap() + law.deviation.clone() * noise.clone();
    let (draw, at) = (law.sample(noise).unwrap(), law.at(psi).unwrap());
    assert!(distance(&values(draw.value), &values(at.value)) < 1e-14);
    assert!(distance(&values(draw.log_prob), &values(at.log_prob)) < 1e-10);
}
