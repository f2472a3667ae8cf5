//! Gumbel-Matching and Gumbel-Sinkhorn.

use crate::support::{Numbers, TYPES, differences, distance, leaf, tensor, values};
use burn::tensor::{DType, Device, Tensor};
use unbiased_kernels::{NoiseLaw, noise};
use unbiased_permutations::{
    Error, GumbelSinkhorn, Sinkhorn, assign_batch, gumbel_matching, sites::SoftMatching,
    straight_through,
};

fn gumbel(count: usize, n: usize) -> Tensor<3> {
    let streams: Vec<u64> = (0..count as u64).collect();
    noise(NoiseLaw::Gumbel, &streams, n * n, &Device::flex()).reshape([count, n, n])
}

#[test]
fn two_by_two_has_its_closed_form() {
    let count = 400_000;
    for d in [1.0_f64, -0.4] {
        let scores = tensor(&[d, 0.0, 0.0, 0.0], [1, 2, 2], DType::F32).repeat_dim(0, count);
        let drawn = gumbel_matching(scores, gumbel(count, 2)).unwrap();
        let same = drawn
            .matrices
            .iter()
            .filter(|m| m.columns[0] == Some(0))
            .count();
        let got = same as f64 / count as f64;
        let e = d.exp();
        let p = e * (e - d - 1.0) / (e - 1.0).powi(2);
        let deviation = (p * (1.0 - p) / count as f64).sqrt();
        assert!((got - p).abs() < 5.0 * deviation, "{got}, not {p}");
        // The Gibbs law is another one.
        let gibbs = 1.0 / (1.0 + (-d).exp());
        assert!((got - gibbs).abs() > 20.0 * deviation);
    }
}

#[test]
fn samples_are_balanced_noisy_scores() {
    for dtype in TYPES {
        let n = 5;
        let scores = Numbers(3).scores(4 * n * n);
        let eps = gumbel(4, n).cast(dtype);
        let law = GumbelSinkhorn {
            sinkhorn: Sinkhorn::after(30).at(0.4),
        };
        let noisy: Vec<f64> = scores
            .iter()
            .zip(values(&eps))
            .map(|(x, e)| x + e)
            .collect();
        let noisy = tensor(&noisy, [4, n, n], dtype);
        let scores = leaf(&scores, [4, n, n], dtype);
        let soft = law.sample(scores.clone(), eps.clone()).unwrap().plan;
        let expected = law.sinkhorn.balance(noisy.clone()).unwrap().plan;
        assert!(distance(&values(&soft), &values(&expected)) < 1e-5);
        // Hard forward, soft backward.
        let weights = tensor(&Numbers(4).scores(4 * n * n), [4, n, n], dtype);
        let slope = |plan: Tensor<3>| {
            let gradients = (plan * weights.clone()).sum().backward();
            values(&scores.grad(&gradients).unwrap())
        };
        let through = law.straight_through(scores.clone(), eps).unwrap();
        let hard = assign_batch(noisy).unwrap().plan;
        assert_eq!(values(&through), values(&hard));
        assert_eq!(slope(through), slope(soft));
        let x = leaf(&[0.3], [1], dtype);
        assert_eq!(
            values(&straight_through(x, tensor(&[1.0], [1], dtype))),
            [1.0]
        );
    }
}

#[test]
fn the_divergence_has_its_known_values() {
    for dtype in TYPES {
        let law = GumbelSinkhorn::default();
        let kl = |x: &[f64], n, prior| values(&law.kl(tensor(x, [n, n], dtype), prior).unwrap())[0];
        assert!(kl(&[0.0; 4], 2, 1.0).abs() < 1e-6);
        assert!((kl(&[0.7], 1, 1.0) - 0.196_585).abs() < 1e-6);
        let never = f64::NEG_INFINITY;
        assert!((kl(&[0.7, never, never, 0.7], 2, 1.0) - 2.0 * 0.196_585).abs() < 2e-6);
        let identity = [1.0, 0.0, 0.0, 1.0];
        assert!((kl(&identity, 2, 1.0) - 0.735_759).abs() < 1e-6);
        let tight = law
            .tightened_kl(tensor(&identity, [2, 2], dtype), 1.0)
            .unwrap();
        assert!((values(&tight)[0] - 0.480_458).abs() < 1e-6);
    }
}

/// `E ln q − ln p` of one pair: y = (x + ε)/τ against ε/τₚ.
#[test]
fn the_divergence_is_that_of_the_laws() {
    let (tau, prior, x) = (0.7, 1.3, 0.4);
    let law = GumbelSinkhorn {
        sinkhorn: Sinkhorn::after(1).at(tau),
    };
    // ln of the density of y with location m and scale 1/t: z = t·y − m, ln t − z − e^{−z}.
    let log_density = |y: f64, t: f64, m: f64| {
        let z = t * y - m;
        t.ln() - z - (-z).exp()
    };
    let steps = 200_000;
    let quadrature: f64 = (0..steps)
        .map(|k| {
            let u = (f64::from(k) + 0.5) / f64::from(steps);
            let y = (x - (-u.ln()).ln()) / tau;
            log_density(y, tau, x) - log_density(y, prior, 0.0)
        })
        .sum::<f64>()
        / f64::from(steps);
    let got = values(&law.kl(tensor(&[x], [1, 1], DType::F64), prior).unwrap())[0];
    assert!((got - quadrature).abs() < 1e-3, "{got}, not {quadrature}");
}

/// With less noise a pair is y = (x + sε)/τ.
#[test]
fn the_divergence_knows_the_factor_of_the_noise() {
    let (tau, prior, x, s) = (0.7, 1.3, 0.4, 0.2);
    let law = |tau, noise| SoftMatching {
        law: GumbelSinkhorn {
            sinkhorn: Sinkhorn::after(1).at(tau),
        },
        noise,
        straight_through: false,
    };
    let row = |x: f64| tensor::<2>(&[x], [1, 1], DType::F64);
    let got = law(tau, s).divergence(row(x), prior).unwrap();
    let want = law(tau / s, 1.0).divergence(row(x / s), prior).unwrap();
    assert!((values(&got)[0] - values(&want)[0]).abs() < 1e-12);
    let blind = law(tau, 1.0).divergence(row(x), prior).unwrap();
    assert!((values(&got)[0] - values(&blind)[0]).abs() > 0.1);
    let tight = law(tau, s).tightened_divergence(row(x), prior).unwrap();
    assert!(values(&tight)[0] <= values(&got)[0]);
    for silent in [0.0, f64::NAN] {
        assert!(law(tau, silent).divergence(row(x), prior).is_err());
    }
}

#[test]
fn the_tightened_divergence_is_the_smallest_of_all_shifts() {
    let n = 4;
    let mut x = Numbers(7).scores(n * n);
    x[2] = f64::NEG_INFINITY;
    let law = GumbelSinkhorn {
        sinkhorn: Sinkhorn::after(20).at(0.8),
    };
    let tight = |x: &[f64]| {
        values(
            &law.tightened_kl(tensor(x, [n, n], DType::F64), 1.2)
                .unwrap(),
        )[0]
    };
    let plain = |x: &[f64]| values(&law.kl(tensor(x, [n, n], DType::F64), 1.2).unwrap())[0];
    assert!(tight(&x) < plain(&x));
    let mut numbers = Numbers(8);
    for _ in 0..50 {
        let shifts: Vec<f64> = (0..2 * n).map(|_| numbers.score()).collect();
        let shifted: Vec<f64> = (0..n * n)
            .map(|at| x[at] + shifts[at / n] + shifts[n + at % n])
            .collect();
        assert!(plain(&shifted) > tight(&x));
        assert!((tight(&shifted) - tight(&x)).abs() < 1e-6);
    }
    // Its gradient, and that of the plain one.
    for tightened in [true, false] {
        let scores = leaf(&x, [n, n], DType::F64);
        let kl = if tightened {
            law.tightened_kl(scores.clone(), 1.2)
        } else {
            law.kl(scores.clone(), 1.2)
        };
        let gradients = kl.unwrap().backward();
        let mut expected = differences(|x| if tightened { tight(x) } else { plain(x) }, &x);
        expected[2] = 0.0;
        let got = values(&scores.grad(&gradients).unwrap());
        assert!(distance(&got, &expected) < 1e-6, "{got:?} {expected:?}");
    }
    let oblong = law.tightened_kl(tensor(&[0.0; 6], [2, 3], DType::F64), 1.0);
    assert!(matches!(oblong, Err(Error::NotSquare { .. })));
}
