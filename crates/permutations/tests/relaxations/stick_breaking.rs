//! Stick-breaking on the Birkhoff polytope and on the simplex.

use crate::support::{
    Numbers, column_sums, differences, distance, gradient_error, row_sums, tensor, values,
};
use burn::tensor::Tensor;
use unbiased_permutations::Error;
use unbiased_permutations::birkhoff::{Draw, Polytope, StickBreaking};

const BIRKHOFF: Polytope = Polytope::Birkhoff;

/// ψ is the mean: noise is 0.
fn at<const D: usize>(psi: Tensor<D>, temperature: f64, polytope: Polytope) -> Draw<D> {
    let law = StickBreaking {
        deviation: psi.ones_like(),
        mean: psi.clone(),
        temperature,
        polytope,
    };
    law.sample(psi.zeros_like()).unwrap()
}

fn logit(beta: f64) -> f64 {
    (beta / (1.0 - beta)).ln()
}

/// X and Σ ln(u − l) from shares.
fn broken(beta: [f64; 4]) -> (Vec<f64>, f64) {
    let psi = beta.map(logit);
    let draw = at(tensor(&psi, [1, 2, 2]), 1.0, BIRKHOFF);
    let slopes: f64 = beta.iter().map(|b| (b * (1.0 - b)).ln()).sum();
    let log_det = values(draw.log_det)[0];
    (values(draw.value), log_det - slopes)
}

#[test]
fn the_known_matrices() {
    let (x, room) = broken([0.5; 4]);
    let expected = [0.5, 0.25, 0.25, 0.25, 0.375, 0.375, 0.25, 0.375, 0.375];
    assert!(distance(&x, &expected) < 1e-14, "{x:?}");
    assert!((room - -1.673_976).abs() < 1e-6, "{room}");
    let (x, room) = broken([0.1, 0.2, 0.3, 0.4]);
    assert!((x[4] - 0.562).abs() < 1e-14, "{x:?}");
    assert!((room - -1.483_687).abs() < 1e-6, "{room}");
}

#[test]
fn values_are_doubly_stochastic() {
    for n in [2, 3, 6] {
        let psi = Numbers(n as u64).normals(20 * (n - 1) * (n - 1));
        let draw = at(tensor(&psi, [4, 5, n - 1, n - 1]), 0.2, BIRKHOFF);
        assert_eq!(draw.value.dims(), [4, 5, n, n]);
        assert_eq!(draw.log_prob.dims(), [4, 5, 1, 1]);
        let x = values(draw.value);
        assert!(x.iter().all(|&x| x > -1e-12));
        assert!(distance(&row_sums(&x, n), &vec![1.0; 20 * n]) < 1e-12);
        assert!(distance(&column_sums(&x, n), &vec![1.0; 20 * n]) < 1e-12);
    }
}

/// ln|det| by elimination.
fn log_abs_det(mut a: Vec<f64>, n: usize) -> f64 {
    let mut log = 0.0;
    for k in 0..n {
        let pivot = (k..n)
            .max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs()))
            .unwrap();
        for j in 0..n {
            a.swap(k * n + j, pivot * n + j);
        }
        log += a[k * n + k].abs().ln();
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            for j in k..n {
                a[i * n + j] -= factor * a[k * n + j];
            }
        }
    }
    log
}

/// The free entries of X.
fn corner(x: &[f64], n: usize) -> Vec<f64> {
    x.chunks(n)
        .take(n - 1)
        .flat_map(|row| row[..n - 1].to_vec())
        .collect()
}

#[test]
fn log_det_is_that_of_the_numeric_jacobian() {
    for n in [2, 3, 4] {
        let d = (n - 1) * (n - 1);
        for seed in 0..5 {
            let psi = Numbers(seed).normals(d);
            let draw = |psi: &[f64]| at(tensor(psi, [n - 1, n - 1]), 0.7, BIRKHOFF);
            let entry = |i: usize| differences(|psi| corner(&values(draw(psi).value), n)[i], &psi);
            let jacobian: Vec<f64> = (0..d).flat_map(entry).collect();
            let numeric = log_abs_det(jacobian, d);
            let ours = values(draw(&psi).log_det)[0];
            assert!((ours - numeric).abs() < 1e-6, "{n}: {ours} {numeric}");
        }
    }
}

#[test]
fn on_the_simplex_it_is_the_jacobian_as_well() {
    let psi = Numbers(5).normals(4);
    let draw = |psi: &[f64]| at(tensor(psi, [4]), 0.7, Polytope::Simplex);
    let entry = |i: usize| differences(|psi| values(draw(psi).value)[i], &psi);
    let numeric = log_abs_det((0..4).flat_map(entry).collect(), 4);
    let here = draw(&psi);
    assert!((values(here.log_det)[0] - numeric).abs() < 1e-6);
    let x = values(here.value);
    assert!((x.iter().sum::<f64>() - 1.0).abs() < 1e-14);
    // Shares of what is left.
    let beta: Vec<f64> = psi
        .iter()
        .map(|psi| 1.0 / (1.0 + (-psi / 0.7).exp()))
        .collect();
    let mut left = 1.0;
    for (x, beta) in x.iter().zip(&beta) {
        assert!((x - left * beta).abs() < 1e-14);
        left -= x;
    }
}

fn law(n: usize, batch: usize) -> StickBreaking<3> {
    let mut numbers = Numbers(11);
    let d = batch * (n - 1) * (n - 1);
    let deviation: Vec<f64> = (0..d).map(|_| 0.2 + numbers.uniform()).collect();
    StickBreaking {
        mean: tensor(&numbers.normals(d), [batch, n - 1, n - 1]),
        deviation: tensor(&deviation, [batch, n - 1, n - 1]),
        temperature: 0.6,
        polytope: BIRKHOFF,
    }
}

#[test]
fn there_and_back() {
    let law = law(5, 3);
    let noise = tensor(&Numbers(12).normals(48), [3, 4, 4]);
    let psi = law.mean.clone() + law.deviation.clone() * noise.clone();
    let draw = law.sample(noise).unwrap();
    let back = law.inverse(draw.value.clone()).unwrap();
    assert!(distance(&values(back), &values(psi)) < 1e-8);
    let again = law.log_prob(draw.value).unwrap();
    assert!(distance(&values(again), &values(draw.log_prob)) < 1e-7);

    let simplex = StickBreaking {
        mean: tensor(&Numbers(13).normals(8), [2, 4]),
        deviation: tensor(&[0.5; 8], [2, 4]),
        temperature: 0.8,
        polytope: Polytope::Simplex,
    };
    let draw = simplex
        .sample(tensor(&Numbers(14).normals(8), [2, 4]))
        .unwrap();
    assert_eq!(draw.value.dims(), [2, 5]);
    let again = simplex.log_prob(draw.value).unwrap();
    assert!(distance(&values(again), &values(draw.log_prob)) < 1e-9);
}

#[test]
fn a_psi_from_elsewhere_has_the_same_density() {
    let law = law(4, 2);
    let noise = tensor(&Numbers(12).normals(18), [2, 3, 3]);
    let psi = law.mean.clone() + law.deviation.clone() * noise.clone();
    let (draw, at) = (law.sample(noise).unwrap(), law.at(psi).unwrap());
    assert!(distance(&values(draw.value), &values(at.value)) < 1e-14);
    assert!(distance(&values(draw.log_prob), &values(at.log_prob)) < 1e-10);
}

#[test]
fn an_empty_batch_is_empty() {
    let law = StickBreaking {
        mean: tensor(&[], [0, 2, 2]),
        deviation: tensor(&[], [0, 2, 2]),
        temperature: 0.6,
        polytope: BIRKHOFF,
    };
    let psi = law.inverse(tensor(&[], [0, 3, 3])).unwrap();
    assert_eq!(psi.dims(), [0, 2, 2]);
}

/// N = 2: the density of the one free entry integrates to 1.
#[test]
fn the_density_integrates() {
    let law = StickBreaking {
        mean: tensor(&[0.3], [1, 1, 1]),
        deviation: tensor(&[0.8], [1, 1, 1]),
        temperature: 0.9,
        polytope: BIRKHOFF,
    };
    let cells = 4000;
    let x: Vec<f64> = (0..cells)
        .map(|k| (f64::from(k) + 0.5) / f64::from(cells))
        .flat_map(|x| [x, 1.0 - x, 1.0 - x, x])
        .collect();
    let log_prob = values(law.log_prob(tensor(&x, [cells as usize, 2, 2])).unwrap());
    let integral: f64 = log_prob.iter().map(|l| l.exp()).sum::<f64>() / f64::from(cells);
    assert!((integral - 1.0).abs() < 1e-5, "{integral}");
}

#[test]
fn uniform_means_give_the_centre() {
    for n in [2, 3, 6] {
        let mean = StickBreaking::<2>::uniform(BIRKHOFF, n, 0.4);
        let x = values(at(tensor(&mean, [n - 1, n - 1]), 0.4, BIRKHOFF).value);
        assert!(distance(&x, &vec![1.0 / n as f64; n * n]) < 1e-12, "{x:?}");
        let mean = StickBreaking::<1>::uniform(Polytope::Simplex, n, 0.4);
        let x = values(at(tensor(&mean, [n - 1]), 0.4, Polytope::Simplex).value);
        assert!(distance(&x, &vec![1.0 / n as f64; n]) < 1e-12, "{x:?}");
    }
    assert!(
        StickBreaking::<2>::uniform(BIRKHOFF, 4, 1.0)
            .iter()
            .any(|mean| mean.abs() > 0.1)
    );
}

/// Cold, the shares are coins, 1 with probability Φ(μ/ν).
#[test]
fn cold_it_is_a_law_of_permutations() {
    const SAMPLES: usize = 40_000;
    let law = |mean: f64| -> Vec<f64> {
        let law = StickBreaking {
            mean: tensor(&vec![mean; 4 * SAMPLES], [SAMPLES, 2, 2]),
            deviation: tensor(&vec![1.0; 4 * SAMPLES], [SAMPLES, 2, 2]),
            temperature: 1e-7,
            polytope: BIRKHOFF,
        };
        let draw = law
            .sample(tensor(&Numbers(21).normals(4 * SAMPLES), [SAMPLES, 2, 2]))
            .unwrap();
        let mut counts = [0.0; 9];
        for x in values(draw.value).chunks(9) {
            let column = |i: usize| x[3 * i..][..3].iter().position(|&x| x > 0.5).unwrap();
            counts[3 * column(0) + column(1)] += 1.0 / SAMPLES as f64;
        }
        [1, 2, 3, 5, 6, 7].map(|code| counts[code]).to_vec()
    };
    // A quarter for each of (0, 1, 2) and (0, 2, 1), an eighth for the others.
    let expected = [0.25, 0.25, 0.125, 0.125, 0.125, 0.125];
    assert!(distance(&law(0.0), &expected) < 0.01);
    // Φ(1): the first row takes the first column. Φ(−1), as printed in the supplement, is .159.
    let above = law(1.0);
    assert!((above[0] + above[1] - 0.841_345).abs() < 0.01, "{above:?}");
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let noise = Numbers(31).normals(18);
    let deviation = [0.4, 0.9];
    let draw = |mean: Tensor<3>| {
        let scale: Vec<f64> = (0..18).map(|k| deviation[k % 2]).collect();
        let law = StickBreaking {
            mean,
            deviation: tensor(&scale, [2, 3, 3]),
            temperature: 0.8,
            polytope: BIRKHOFF,
        };
        law.sample(tensor(&noise, [2, 3, 3])).unwrap()
    };
    let mean = Numbers(32).normals(18);
    assert!(gradient_error(|mean| draw(mean).value, &mean, [2, 3, 3]) < 1e-7);
    assert!(gradient_error(|mean| draw(mean).log_prob, &mean, [2, 3, 3]) < 1e-7);
    let by_deviation = |deviation: Tensor<3>| {
        let law = StickBreaking {
            mean: tensor(&mean, [2, 3, 3]),
            deviation,
            temperature: 0.8,
            polytope: BIRKHOFF,
        };
        let draw = law.sample(tensor(&noise, [2, 3, 3])).unwrap();
        Tensor::cat(vec![law.entropy(&draw), draw.log_prob], 0)
    };
    let deviation: Vec<f64> = mean.iter().map(|x| 0.3 + x.abs()).collect();
    assert!(gradient_error(by_deviation, &deviation, [2, 3, 3]) < 1e-7);
}

/// The entropy is the expectation of −ln q.
#[test]
fn entropy_is_expected_surprise() {
    const SAMPLES: usize = 40_000;
    let one = law(3, 1);
    let law = StickBreaking {
        mean: one.mean.repeat_dim(0, SAMPLES),
        deviation: one.deviation.repeat_dim(0, SAMPLES),
        temperature: 0.6,
        polytope: BIRKHOFF,
    };
    let noise = tensor(&Numbers(41).normals(4 * SAMPLES), [SAMPLES, 2, 2]);
    let draw = law.sample(noise).unwrap();
    let difference = values(law.entropy(&draw) + draw.log_prob);
    let mean = difference.iter().sum::<f64>() / SAMPLES as f64;
    // −ln q − (the estimate) is Σ ½ z² − ½: variance ½ each.
    assert!(mean.abs() < 4.0 * (2.0 / SAMPLES as f64).sqrt(), "{mean}");
}

/// In single precision and cold, gradients stay finite.
#[test]
fn single_precision_stays_finite() {
    let psi: Vec<f32> = Numbers(51)
        .normals(32 * 25)
        .iter()
        .map(|&x| 5.0 * x as f32)
        .collect();
    let device = burn::tensor::Device::flex().autodiff();
    let psi = Tensor::<1>::from_floats(psi.as_slice(), &device).reshape([32, 5, 5]);
    let psi = psi.inner().autodiff().require_grad();
    let draw = at(psi.clone(), 0.02, BIRKHOFF);
    let gradients = (draw.value.square().sum() + draw.log_prob.sum()).backward();
    let slope = values(psi.grad(&gradients).unwrap());
    assert!(slope.iter().all(|slope| slope.is_finite()));
    let corner = tensor(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [3, 3]);
    let back = StickBreaking {
        mean: tensor(&[0.0; 4], [2, 2]),
        deviation: tensor(&[1.0; 4], [2, 2]),
        temperature: 1.0,
        polytope: BIRKHOFF,
    };
    assert!(
        values(back.inverse(corner).unwrap())
            .iter()
            .all(|psi| psi.is_finite())
    );
}

#[test]
fn what_is_refused() {
    let mut law = law(3, 1);
    law.temperature = 0.0;
    let refused = law.sample(tensor(&[0.0; 4], [1, 2, 2]));
    assert!(matches!(
        refused,
        Err(Error::Setting {
            setting: "temperature",
            ..
        })
    ));
}

#[test]
#[should_panic(expected = "means must be [.., n - 1, n - 1]")]
fn means_must_be_square() {
    let _ = at(tensor(&[0.0; 6], [1, 2, 3]), 1.0, BIRKHOFF);
}
