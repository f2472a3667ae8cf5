//! Digits from digits: the network sees neither the order of pieces nor other pieces, a class has a map of its own, and the loss is that of the
//! arranged pieces with the gradient of finite differences.

use burn::tensor::{Int, Tensor};
use unbiased_estimators::{EstimatorConfig, Noise, Objective, Program, Schema};
use unbiased_models::Matching;
use unbiased_models::digits_from_digits::{DigitMaker, DigitsConfig, DigitsProgram, Judge};
use unbiased_models::jigsaw::Grid;

use crate::support::{
    device, differences, gradient, largest_difference, numbers, stirred, tensor, worst,
};

const GRID: Grid = Grid { side: 2, piece: 4 };

fn network() -> DigitMaker {
    let config = DigitsConfig {
        side: 2,
        filters: 3,
        ..DigitsConfig::default()
    };
    stirred(
        DigitMaker::new(&config, GRID, 1, &device().autodiff()),
        1.0,
        0.1,
    )
}

fn classes(classes: &[i64]) -> Tensor<1, Int> {
    Tensor::from_data(classes, &device())
}

fn wave(n: usize, speed: f64) -> Vec<f64> {
    (0..n).map(|i| (speed * i as f64).sin()).collect()
}

fn scores(net: &DigitMaker, pieces: &[f64], class: &[i64]) -> Vec<f64> {
    let pieces = tensor(pieces, [class.len(), 4, 16]);
    numbers(net.scores(pieces, classes(class)).inner())
}

#[test]
fn rows_of_scores_follow_their_pieces_alone() {
    let net = network();
    let pieces = wave(64, 1.3);
    let straight = scores(&net, &pieces, &[7]);
    let order = [2, 0, 3, 1];
    let of = |values: &[f64], size: usize| -> Vec<f64> {
        let rows = order.iter().flat_map(|k| &values[k * size..][..size]);
        rows.copied().collect()
    };
    let got = scores(&net, &of(&pieces, 16), &[7]);
    assert!(largest_difference(&got, &of(&straight, 4)) < 1e-12);
    assert!(largest_difference(&got, &straight) > 1e-3, "sees nothing");
    let mut other = pieces;
    other[60] += 1.0;
    let moved = scores(&net, &other, &[7]);
    assert!(largest_difference(&moved[..12], &straight[..12]) < 1e-12);
    assert!(largest_difference(&moved[12..], &straight[12..]) > 1e-3);
}

#[test]
fn each_digit_of_a_batch_has_the_map_of_its_class() {
    let net = network();
    let (a, b) = (wave(64, 1.3), wave(64, 0.7));
    let both = scores(&net, &[a.clone(), b.clone()].concat(), &[3, 9]);
    let each = [scores(&net, &a, &[3]), scores(&net, &b, &[9])].concat();
    assert!(largest_difference(&both, &each) < 1e-12);
    assert!(largest_difference(&each[..16], &scores(&net, &a, &[9])) > 1e-3);
}

fn estimate(program: &dyn Program) -> unbiased_estimators::Estimate {
    EstimatorConfig::named("pathwise")
        .build(
            &Schema::of(program),
            Objective::default(),
            &device().autodiff(),
        )
        .unwrap()
        .estimate(program, &Noise::new(5, 1))
}

fn matching(temperature: f64, noise: f64) -> Matching {
    Matching {
        temperature,
        iterations: 30,
        noise,
    }
}

#[test]
fn the_loss_is_that_of_the_arranged_pieces_and_so_is_its_gradient() {
    let net = network();
    let (pieces, wanted) = (wave(128, 1.3), wave(128, 0.4));
    let law = matching(0.7, 1.0).law();
    let program = |net: &DigitMaker, samples: usize| {
        estimate(&DigitsProgram::new(
            net,
            law,
            samples,
            tensor(&pieces, [2, 4, 16]),
            classes(&[3, 9]),
            tensor(&wanted, [2, 4, 16]),
        ))
    };
    // Noise is the same for all: a function of seed and step.
    let loss = |net: &DigitMaker| numbers(program(net, 3).cost).iter().sum::<f64>() / 6.0;
    let got = gradient(&net, program(&net, 3).surrogate);
    let want = differences(&net, loss);
    assert!(worst(&got, &want) < 1e-6, "{}", worst(&got, &want));

    // Without noise the cost is that of the balanced matrix, here by hand; of its transpose it would be another one.
    let plain = DigitsProgram::new(
        &net,
        matching(0.7, 0.0).law(),
        1,
        tensor(&pieces, [2, 4, 16]),
        classes(&[3, 9]),
        tensor(&wanted, [2, 4, 16]),
    );
    let cost = numbers(estimate(&plain).cost);
    let scores = scores(&net, &pieces, &[3, 9]);
    for (k, &cost) in cost.iter().enumerate() {
        let p = balanced(&scores[16 * k..][..16], 0.7);
        let of = |values: &[f64], i: usize, pixel: usize| values[64 * k + 16 * i + pixel];
        let distance = |p: &dyn Fn(usize, usize) -> f64| {
            let mut sum = 0.0;
            for place in 0..4 {
                for pixel in 0..16 {
                    let made: f64 = (0..4).map(|i| p(i, place) * of(&pieces, i, pixel)).sum();
                    sum += (made - of(&wanted, place, pixel)).powi(2) / 64.0;
                }
            }
            sum
        };
        assert!((cost - distance(&|i, j| p[4 * i + j])).abs() < 1e-9);
        assert!((cost - distance(&|i, j| p[4 * j + i])).abs() > 1e-6);
    }
}

/// Thirty iterations of Sinkhorn on `exp(scores/t)`, rows, then columns.
fn balanced(scores: &[f64], t: f64) -> Vec<f64> {
    let mut p: Vec<f64> = scores.iter().map(|x| (x / t).exp()).collect();
    for _ in 0..30 {
        for i in 0..4 {
            let sum: f64 = (0..4).map(|j| p[4 * i + j]).sum();
            for j in 0..4 {
                p[4 * i + j] /= sum;
            }
        }
        for j in 0..4 {
            let sum: f64 = (0..4).map(|i| p[4 * i + j]).sum();
            for i in 0..4 {
                p[4 * i + j] /= sum;
            }
        }
    }
    p
}

#[test]
fn the_judge_has_the_gradient_of_finite_differences() {
    // 6 pixels a side become 3, then 2.
    let judge = stirred(Judge::new(6, 3, &device().autodiff()), 0.1, 0.02);
    let picture = wave(36, 0.9);
    let loss = |judge: &Judge| {
        let logits = judge.logits(tensor(&picture, [1, 6, 6]));
        (logits * tensor(&wave(10, 1.1), [1, 10])).sum()
    };
    let got = gradient(&judge, loss(&judge));
    let want: Vec<f64> = differences(&judge, |judge| numbers(loss(judge).inner())[0]);
    assert!(worst(&got, &want) < 1e-6);
}
