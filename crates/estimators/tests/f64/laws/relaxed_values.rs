//! Relaxed values and the Concrete density of their coordinates.

use unbiased_estimators::{
    Role,
    law::{Bernoulli, Categorical, Law, RelaxationKind, Relaxing},
};

use super::{discrete, draws, noise_of, scalar, tensor};
use crate::{
    estimate::{check, compare, must_fail, numbers},
    grid::sigma,
};

/// Without noise the relaxed value of `MuProp` tends to the mean when hot, that of Concrete to equal probabilities; both to
/// the choice when cold.
#[test]
fn relaxed_values_have_their_limits() {
    for (law, params) in discrete().into_iter().take(3) {
        let width = params.len();
        let relaxation = law.relaxation().expect("a relaxation");
        let params = tensor(&params, 1);
        let noise = noise_of(&*law, Role::Choice, 1, width);
        let latent = relaxation.latent(params.clone(), noise);
        let at = |t: f64, kind| {
            let relaxing = Relaxing {
                temperature: scalar(t),
                kind,
            };
            numbers(relaxing.relax(relaxation, &params, latent.clone()))
        };
        let mean = numbers(law.mean(params.clone()));
        let hot = |kind| compare("hot", &at(1e9, kind), &mean, 1e-7);
        check(hot(RelaxationKind::Muprop));
        must_fail("Concrete as the mean", hot(RelaxationKind::Concrete));
        let hard = numbers(relaxation.harden(latent.clone()));
        for kind in [RelaxationKind::Concrete, RelaxationKind::Muprop] {
            check(compare("cold", &at(1e-5, kind), &hard, 1e-6));
        }
        // z / t + a t / (t + 1), by hand.
        let t = 0.7;
        let inside = latent.clone() / t + params.clone() * (t / (t + 1.0));
        let by_hand = numbers(relaxation.relax(inside, scalar(1.0)));
        check(compare(
            "formula",
            &at(t, RelaxationKind::Muprop),
            &by_hand,
            1e-12,
        ));
    }
}

#[test]
fn relaxed_values_are_where_their_coordinates_say() {
    let t = 0.6;
    for (law, params) in discrete().into_iter().take(3) {
        let relaxation = law.relaxation().expect("a relaxation");
        let d = draws(&*law, &params, 100);
        let relaxed = relaxation.relax(d.latent.clone(), scalar(t));
        let y = relaxation.coordinates(d.latent, scalar(t));
        let back = if law.name() == "bernoulli" {
            numbers(y).into_iter().map(sigma).collect()
        } else {
            numbers(y.exp())
        };
        check(compare("coordinates", &back, &numbers(relaxed), 1e-12));
    }
}

#[test]
fn the_concrete_density_of_a_bit_integrates_to_one_and_is_the_published_one() {
    let relaxation = Bernoulli.relaxation().expect("a relaxation");
    let density = |a: f64, t: f64, y: f64| {
        let log = relaxation.log_density(tensor(&[a], 1), scalar(t), tensor(&[y], 1));
        numbers(log)[0].exp()
    };
    for (a, t) in [(0.4, 0.5), (-1.2, 2.0 / 3.0), (2.0, 1.3)] {
        // The trapezoidal rule on the whole line converges geometrically.
        let step = 0.1;
        let total: f64 = (-1200..=1200)
            .map(|i| density(a, t, f64::from(i) * step) * step)
            .sum();
        assert!((total - 1.0).abs() < 1e-10, "{total}");
        for y in [-2.0, 0.1, 1.5] {
            // Maddison et al., eq. 24, times dx/dy = x (1 - x).
            let x = sigma(y);
            let alpha = f64::exp(a);
            let published = t * alpha * (x * (1.0 - x)).powf(-t - 1.0)
                / (alpha * x.powf(-t) + (1.0 - x).powf(-t)).powi(2);
            check(compare(
                "density",
                &[density(a, t, y)],
                &[published * x * (1.0 - x)],
                1e-12,
            ));
        }
    }
}

#[test]
fn the_concrete_density_of_a_choice_integrates_to_one_and_is_the_published_one() {
    let law = Categorical { classes: 3 };
    let relaxation = law.relaxation().expect("a relaxation");
    let a = [0.3, -0.4, 0.6];
    let t = 0.7;
    let log_simplex = |r: [f64; 2]| {
        let total = (r[0].exp() + r[1].exp() + 1.0).ln();
        [r[0] - total, r[1] - total, -total]
    };
    // In log-ratios to the last class, dx = x_1 x_2 x_3 dr.
    let axis: Vec<f64> = (-150..=150).map(|i| f64::from(i) * 0.4).collect();
    let ys: Vec<f64> = axis
        .iter()
        .flat_map(|&r| axis.iter().flat_map(move |&s| log_simplex([r, s])))
        .collect();
    let n = ys.len() / 3;
    let log_density = relaxation.log_density(tensor(&a.repeat(n), n), scalar(t), tensor(&ys, n));
    let total: f64 = numbers(log_density.exp())
        .iter()
        .map(|d| d * 0.4 * 0.4)
        .sum();
    assert!((total - 1.0).abs() < 1e-9, "{total}");

    for r in [[0.2, -0.5], [1.4, 0.3], [-2.0, 0.8]] {
        let y = log_simplex(r);
        let x = y.map(f64::exp);
        // Maddison et al., eq. 10, K = 3.
        let power = |i: usize, e: f64| a[i].exp() * x[i].powf(e);
        let product: f64 = (0..3).map(|i| power(i, -t - 1.0)).product();
        let sum: f64 = (0..3).map(|i| power(i, -t)).sum();
        let published = 2.0 * t * t * product / sum.powi(3);
        let got = numbers(relaxation.log_density(tensor(&a, 1), scalar(t), tensor(&y, 1)))[0];
        check(compare(
            "density",
            &[got.exp()],
            &[published * x[0] * x[1] * x[2]],
            1e-12,
        ));
    }
    // Two choices side by side are independent.
    let (y, z) = (log_simplex([0.2, -0.5]), log_simplex([1.4, 0.3]));
    let both = relaxation.log_density(
        tensor(&a.repeat(2), 1),
        scalar(t),
        tensor(&[y, z].concat(), 1),
    );
    let each: f64 = [y, z]
        .iter()
        .map(|y| numbers(relaxation.log_density(tensor(&a, 1), scalar(t), tensor(y, 1)))[0])
        .sum();
    check(compare("two", &numbers(both), &[each], 1e-12));
}
