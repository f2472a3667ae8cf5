//! Sorting: the affine head against every list, the host's copy of the networks, and gradients of the expected distance against its sum over all orders.

use core::f64::consts::TAU;

use burn::tensor::Tensor;
use unbiased_estimators::{EstimatorConfig, Noise, NoiseLaw, Objective, Schema};
use unbiased_kernels::uniforms;
use unbiased_models::sorting::{
    Head, Interval, OrderLaw, Sorter, SortingConfig, SortingProgram, lists,
};
use unbiased_permutations::{assign, exact::permutations, permutation::ranks};

use crate::support::{device, differences, gradient, numbers, stirred, tensor, worst};

fn config(n: usize, head: Head, law: OrderLaw) -> SortingConfig {
    SortingConfig {
        n,
        head,
        hidden: 5,
        law,
        ..SortingConfig::default()
    }
}

fn network(config: &SortingConfig) -> Sorter {
    stirred(Sorter::new(config, 1, &device().autodiff()), 1.0, 0.7)
}

#[test]
fn rising_slopes_sort_every_list_and_others_do_not() {
    let config = config(30, Head::Affine, OrderLaw::GumbelSinkhorn);
    let sorter = network(&config).on_host();
    let paper = network(&SortingConfig {
        head: Head::Paper,
        ..config
    });
    let mut any_wrong = false;
    for interval in [
        Interval(0.0, 1.0),
        Interval(-5.0, 1e4),
        Interval(1000.0, 1001.0),
    ] {
        for x in lists(interval, 30, 20, 3).chunks_exact(30) {
            let places = ranks(x).unwrap();
            let best = |scores: &[f64]| assign(scores, [30, 30]).unwrap().list();
            assert_eq!(best(&sorter.scores(x)), places);
            any_wrong |= best(&paper.on_host().scores(x)) != places;
        }
    }
    assert!(any_wrong, "an untrained network sorts, too");
}

#[test]
fn the_host_computes_the_same_scores() {
    let x = lists(Interval(-1.0, 2.0), 6, 1, 9);
    for head in [Head::Paper, Head::Affine] {
        for law in [OrderLaw::GumbelSinkhorn, OrderLaw::PlackettLuce] {
            let net = network(&config(6, head, law));
            let scores = numbers(net.scores(tensor(&x, [1, 6])).inner());
            assert!(worst(&net.on_host().scores(&x), &scores) < 1e-12);
        }
    }
}

/// Every order of a list under Plackett-Luce: its probability, and `|Pᵀx − sort(x)|²/n`.
fn orders(net: &Sorter, x: &[f64]) -> Vec<[f64; 2]> {
    let n = x.len();
    let scores = net.on_host().scores(x);
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    // order[k]: the element at place k.
    let one = |order: Vec<usize>| {
        let mut p = 1.0;
        for k in 0..n {
            let left: f64 = order[k..].iter().map(|&i| (-scores[i]).exp()).sum();
            p *= (-scores[order[k]]).exp() / left;
        }
        let distance: f64 = order
            .iter()
            .zip(&sorted)
            .map(|(&i, s)| (x[i] - s).powi(2))
            .sum();
        [p, distance / n as f64]
    };
    permutations(n).unwrap().map(one).collect()
}

/// `E |Pᵀx − sort(x)|²/n`.
fn expected(net: &Sorter, x: &[f64]) -> f64 {
    orders(net, x)
        .iter()
        .map(|[p, distance]| p * distance)
        .sum()
}

/// `−E[ln ½ Σ N(sort(x); Pᵀx, variance)]` of two orders.
fn bound(net: &Sorter, x: &[f64], variance: f64) -> f64 {
    let n = x.len() as f64;
    let likelihood =
        |distance: f64| (-distance * n / (2.0 * variance)).exp() / (TAU * variance).powf(n / 2.0);
    let orders = orders(net, x);
    let pairs = orders
        .iter()
        .flat_map(|a| orders.iter().map(move |b| (a, b)));
    let terms =
        pairs.map(|([p, a], [q, b])| -p * q * (0.5 * (likelihood(*a) + likelihood(*b))).ln());
    terms.sum()
}

#[test]
fn the_gradient_over_all_orders_equals_finite_differences() {
    let config = config(4, Head::Paper, OrderLaw::PlackettLuce);
    let net = network(&config);
    let x = [0.3, -0.8, 1.1, 0.4];
    let program = SortingProgram::new(&net, &config, tensor(&x, [1, 4]));
    let estimator = EstimatorConfig::named("exact");
    let mut exact = estimator
        .build(
            &Schema::of(&program),
            Objective::default(),
            &device().autodiff(),
        )
        .unwrap();
    let estimate = exact.estimate(&program, &Noise::new(0, 0));
    assert!((numbers(estimate.cost)[0] - expected(&net, &x)).abs() < 1e-12);
    let got = gradient(&net, estimate.surrogate);
    let want = differences(&net, |net| expected(net, &x));
    assert!(worst(&got, &want) < 1e-7, "{got:?} {want:?}");
    // The order of a list does not matter, its numbers do.
    let gradient_of = |x: &[f64]| differences(&net, |net| expected(net, x));
    assert!(worst(&gradient_of(&[1.1, 0.3, 0.4, -0.8]), &want) < 1e-7);
    assert!(worst(&gradient_of(&[1.1, 0.3, 0.4, -0.7]), &want) > 1e-3);
}

#[test]
fn the_bound_and_its_gradient_equal_the_sum_over_pairs_of_orders() {
    let config = SortingConfig {
        objective: Objective::LogMeanWeight { k: 2 },
        variance: 0.3,
        ..config(4, Head::Paper, OrderLaw::PlackettLuce)
    };
    let net = network(&config);
    let x = [0.3, -0.8, 1.1, 0.4];
    let program = SortingProgram::new(&net, &config, tensor(&x, [1, 4]));
    let build = |name: &str| {
        let estimator = EstimatorConfig::named(name);
        let schema = Schema::of(&program);
        estimator.build(&schema, config.objective, &device().autodiff())
    };
    let estimate = build("exact")
        .unwrap()
        .estimate(&program, &Noise::new(0, 0));
    assert!((numbers(estimate.cost)[0] - bound(&net, &x, 0.3)).abs() < 1e-12);
    let got = gradient(&net, estimate.surrogate);
    let want = differences(&net, |net| bound(net, &x, 0.3));
    assert!(worst(&got, &want) < 1e-7, "{got:?} {want:?}");
    assert!(worst(&got, &differences(&net, |net| bound(net, &x, 0.4))) > 1e-3);
    assert!(build("vimco").is_ok());
    let refusal = build("rebar").err().expect("refused").to_string();
    assert!(refusal.contains("bound"), "{refusal}");
}

#[test]
fn drawn_places_have_the_probabilities_of_the_law() {
    const DRAWS: usize = 40_000;
    let config = config(3, Head::Paper, OrderLaw::PlackettLuce);
    let scores = [0.4, -0.9, 0.1];
    // The element in the last place is drawn last, from what is left: the first is i with probability exp(-s_i)/Σ.
    let weights = scores.map(|s: f64| (-s).exp());
    let total: f64 = weights.iter().sum();
    let mut first = [0.0; 3];
    let mut mirrored = [0.0; 3];
    for draw in 0..DRAWS {
        let mut noise = [0.0; 3];
        uniforms(draw as u64, &mut noise);
        let noise = noise.map(|u| NoiseLaw::Gumbel.quantile(u));
        let at = |noise: &[f64]| {
            let places = config.places(&scores, Some(noise)).unwrap();
            places.iter().position(|&place| place == 0).unwrap()
        };
        first[at(&noise)] += 1.0 / DRAWS as f64;
        mirrored[at(&noise.map(|g| -g))] += 1.0 / DRAWS as f64;
    }
    // Five standard errors of the largest.
    let off = |seen: [f64; 3]| {
        (0..3)
            .map(|i| (seen[i] - weights[i] / total).abs())
            .fold(0.0, f64::max)
    };
    assert!(off(first) < 5.0 * 0.5 / (DRAWS as f64).sqrt(), "{first:?}");
    assert!(off(mirrored) > 0.02, "{mirrored:?}");
    assert_eq!(config.places(&scores, None).unwrap(), [2, 0, 1]);
}

#[test]
fn what_is_not_defined_is_refused_with_what_is() {
    let config = config(3, Head::Paper, OrderLaw::GumbelSinkhorn);
    let net = network(&config);
    let program = SortingProgram::new(&net, &config, Tensor::zeros([1, 3], &device()));
    let schema = Schema::of(&program);
    let named = |name: &str| {
        let mut config = EstimatorConfig::named(name);
        config.sites.insert("order".into(), name.into());
        config.build(&schema, Objective::default(), &device().autodiff())
    };
    assert!(named("pathwise").is_ok());
    for name in ["rloo", "rebar", "relax", "reinforce"] {
        let refusal = named(name).err().expect("refused").to_string();
        assert!(refusal.contains("no density; use `pathwise`"), "{refusal}");
    }
    // Named for the whole program it would not be used anywhere.
    let whole =
        EstimatorConfig::named("rloo").build(&schema, Objective::default(), &device().autodiff());
    let refusal = whole.err().expect("refused").to_string();
    assert!(
        refusal.contains("all its choices are continuous"),
        "{refusal}"
    );
}
