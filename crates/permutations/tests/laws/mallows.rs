//! The Mallows law against enumeration, and against its samples.

use unbiased_kernels::uniforms;
use unbiased_permutations::{Error, Mallows, exact, metrics::kendall_distance};

use crate::support::{check, error};

const CENTRE: [usize; 4] = [2, 0, 3, 1];

fn lists() -> Vec<Vec<usize>> {
    exact::permutations(4).expect("few items").collect()
}

fn probabilities(law: &Mallows) -> Vec<f64> {
    let log_prob = |list: &Vec<usize>| law.log_prob(list).expect("a ranking");
    lists().iter().map(|list| log_prob(list).exp()).collect()
}

#[test]
fn densities_are_exponential_in_the_distance_and_sum_to_one() {
    for theta in [0.0, 0.3, 2.0, 900.0] {
        let law = Mallows::new(&CENTRE, theta).expect("a law");
        let p = probabilities(&law);
        check("sum", &[p.iter().sum()], &[1.0], 1e-14);
        let distance = |list: &Vec<usize>| kendall_distance(list, &CENTRE) as f64;
        let weights: Vec<f64> = lists()
            .iter()
            .map(|l| (-theta * distance(l)).exp())
            .collect();
        let z: f64 = weights.iter().sum();
        check("ln Z", &[law.log_partition()], &[z.ln()], 1e-14);
        let expected = |f: &dyn Fn(&Vec<usize>) -> f64| -> f64 {
            lists().iter().zip(&p).map(|(list, p)| p * f(list)).sum()
        };
        let mean = expected(&distance);
        let variance = expected(&|l| (distance(l) - mean).powi(2));
        let (got, spread) = law.distance_moments();
        check("moments", &[got, spread], &[mean, variance], 1e-13);
        let marginals: Vec<f64> = (0..16)
            .map(|k| expected(&|list| f64::from(u8::from(list[k / 4] == k % 4))))
            .collect();
        check("marginals", &law.marginals(), &marginals, 1e-14);
        let mode = lists().into_iter().max_by(|a, b| {
            let at = |list: &[usize]| law.log_prob(list).expect("a ranking");
            at(a).total_cmp(&at(b))
        });
        if theta > 0.0 {
            assert_eq!(law.mode(), mode.expect("rankings"));
        }
    }
    let uniform = probabilities(&Mallows::uniform(4));
    check("uniform", &uniform, &[1.0 / 24.0; 24], 1e-15);
}

/// 24 frequencies of 200,000 draws, each within 4.8 standard deviations: a false alarm in 25,000 runs of another seed.
#[test]
fn samples_have_the_law() {
    let draws = 200_000;
    let mut u = vec![0.0; 4 * draws];
    uniforms(5, &mut u);
    let law = Mallows::new(&CENTRE, 0.7).expect("a law");
    let mut counts = [0.0; 24];
    for u in u.chunks_exact(4) {
        counts[exact::index(&law.sample(u)).expect("a ranking")] += 1.0;
    }
    let worst = |p: &[f64]| {
        let z = counts.iter().zip(p).map(|(count, p)| {
            let n = draws as f64;
            (count - n * p).abs() / (n * p * (1.0 - p)).sqrt()
        });
        z.fold(0.0, f64::max)
    };
    assert!(worst(&probabilities(&law)) < 4.8);
    // The same samples are not those of another centre (ranks taken for items), nor of another concentration.
    let inverse = unbiased_permutations::permutation::inverse(&CENTRE).expect("a list");
    for (centre, theta) in [(&inverse[..], 0.7), (&CENTRE[..], 0.8)] {
        let other = Mallows::new(centre, theta).expect("a law");
        assert!(worst(&probabilities(&other)) > 8.0);
    }
}

#[test]
fn bad_settings_are_errors() {
    for theta in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Mallows::new(&CENTRE, theta),
            Err(Error::Setting { .. })
        ));
    }
    assert!(matches!(
        Mallows::new(&[0, 0], 1.0),
        Err(Error::NotAPermutation { .. })
    ));
    let law = Mallows::uniform(3);
    assert!(matches!(law.log_prob(&[0, 1]), Err(Error::Length { .. })));
    assert!(error(&law.marginals(), &[1.0 / 3.0; 9]) < 1e-15);
}
