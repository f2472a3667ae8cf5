//! Every operation of `unbiased-kernels` on a GPU device, where it is made of ordinary operations, and on flex, where it has a kernel: value and
//! every gradient, at sizes that a software driver computes. Sinkhorn balancing has kernels on both.
//!
//! Needs a driver as `cross_device` does:
//! `cargo test --release -p unbiased-train --features wgpu --test cross_device_kernels`

use std::sync::OnceLock;

use burn::nn::LstmState;
use burn::optim::Optimizer;
use burn::tensor::{
    Bool, Device, Tensor, TensorData,
    ops::{ConvOptions, ConvTransposeOptions},
};
use unbiased_kernels::{
    Activation, Epsilon, FusedAdamConfig, GruWeights, KernelMask, LstmNorms, LstmWeights,
    bernoulli_kl, bernoulli_log_lik, categorical_log_lik, conv_transpose2d, conv2d,
    discretised_logistic, exp, gru, gru_step, linear, log, log_sigmoid, log_softmax, logsumexp,
    lstm, lstm_cell, sigmoid, softmax, softplus, tanh,
};
use unbiased_permutations::{Balanced, Sinkhorn};

/// The largest difference over the largest value.
const TOLERANCE: f64 = 1e-4;

/// Uniform on (−1, 1).
struct Numbers(u32);

impl Numbers {
    fn matrix(&mut self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let next = |_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(next).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// A GPU can be set up only once in a process.
fn open(name: &str) -> Device {
    static GPU: OnceLock<Device> = OnceLock::new();
    let open = || {
        let opened = unbiased_train::device::open(name);
        opened.unwrap_or_else(|e| panic!("{name}: {e:?}")).device
    };
    match name {
        "wgpu" => GPU.get_or_init(open).clone(),
        _ => open(),
    }
}

fn numbers(t: Tensor<2>) -> Vec<f64> {
    t.into_data().iter::<f64>().collect()
}

fn relative_error(got: &[f64], reference: &[f64]) -> f64 {
    assert_eq!(got.len(), reference.len());
    let largest = reference
        .iter()
        .fold(f64::MIN_POSITIVE, |l, r| l.max(r.abs()));
    let pairs = got.iter().zip(reference);
    pairs
        .map(|(g, r)| (g - r).abs() / largest)
        .fold(0.0, f64::max)
}

/// A function of matrices, all results side by side in one matrix.
type Form<const N: usize> = fn([Tensor<2>; N]) -> Tensor<2>;

/// The value of `form` at seeded matrices and the gradients of its weighted sum.
fn run<const N: usize>(
    form: Form<N>,
    shapes: [[usize; 2]; N],
    seed: u32,
    device: &str,
) -> Vec<Vec<f64>> {
    let device = open(device).autodiff();
    let mut source = Numbers(seed);
    let leaves = shapes.map(|shape| {
        (source.matrix(shape, &device) * 3.0)
            .detach()
            .require_grad()
    });
    let y = form(leaves.clone());
    let weights = Numbers(9).matrix(y.dims(), &device).inner();
    let mut results = vec![numbers(y.clone().inner())];
    let mut gradients = (y * weights).sum().backward();
    results.extend(leaves.map(|leaf| leaf.grad_remove(&mut gradients).map_or(vec![], numbers)));
    results
}

fn agree<const N: usize>(name: &str, form: Form<N>, shapes: [[usize; 2]; N]) {
    let [flex, wgpu, other] = [("flex", 1), ("wgpu", 1), ("wgpu", 2)]
        .map(|(device, seed)| run(form, shapes, seed, device));
    let worst = |a: &[Vec<f64>]| {
        let pairs = a.iter().zip(&flex);
        pairs.map(|(a, b)| relative_error(a, b)).fold(0.0, f64::max)
    };
    let error = worst(&wgpu);
    println!("{name}: {error:.1e}");
    assert!(error < TOLERANCE, "{name}: {error}\n{wgpu:?}\n{flex:?}");
    // The check can fail: other inputs give other results.
    assert!(worst(&other) > TOLERANCE, "{name}");
}

#[test]
fn maps_agree_with_flex() {
    const X: [[usize; 2]; 1] = [[3, 5]];
    agree("sigmoid", |[x]| sigmoid(x), X);
    agree("tanh", |[x]| tanh(x), X);
    agree("softplus", |[x]| softplus(x), X);
    agree("log_sigmoid", |[x]| log_sigmoid(x), X);
    agree("exp", |[x]| exp(x), X);
    agree("log", |[x]| log(x.square() + 0.1), X);
    agree("softmax", |[x]| softmax(x), X);
    agree("log_softmax", |[x]| log_softmax(x), X);
    agree("logsumexp", |[x]| logsumexp(x), X);
}

#[test]
fn likelihoods_and_divergences_agree_with_flex() {
    const PAIR: [[usize; 2]; 2] = [[3, 5], [3, 5]];
    const ONE_FOR_ALL: [[usize; 2]; 2] = [[3, 5], [1, 5]];
    for shapes in [PAIR, ONE_FOR_ALL] {
        agree(
            "bernoulli_log_lik",
            |[l, x]| bernoulli_log_lik(l, x).unsqueeze_dim(1),
            shapes,
        );
        agree(
            "bernoulli_kl",
            |[q, p]| bernoulli_kl(q, p).unsqueeze_dim(1),
            shapes,
        );
        agree(
            "categorical_log_lik",
            |[l, t]| categorical_log_lik(l, t).unsqueeze_dim(1),
            shapes,
        );
    }
    agree(
        "discretised_logistic",
        |[mean, log_scale]| {
            let x = TensorData::new((-4..5).map(|i| i as f32 / 4.0).collect::<Vec<_>>(), [3, 3]);
            let x = Tensor::from_data(x, &mean.device());
            discretised_logistic(x, mean, log_scale * 0.3 - 1.0, 9)
        },
        [[3, 3], [3, 3]],
    );
}

#[test]
fn affine_maps_agree_with_flex() {
    const SHAPES: [[usize; 2]; 3] = [[3, 4], [4, 5], [1, 5]];
    fn form([x, weight, bias]: [Tensor<2>; 3], activation: Activation) -> Tensor<2> {
        linear(x, weight, Some(bias.squeeze_dim(0)), activation)
    }
    agree(
        "linear",
        |leaves| form(leaves, Activation::Identity),
        SHAPES,
    );
    agree(
        "linear, tanh",
        |leaves| form(leaves, Activation::Tanh),
        SHAPES,
    );
    agree(
        "linear, sigmoid",
        |leaves| form(leaves, Activation::Sigmoid),
        SHAPES,
    );
    agree(
        "linear, relu",
        |leaves| form(leaves, Activation::Relu),
        SHAPES,
    );
    agree(
        "linear, softplus",
        |leaves| form(leaves, Activation::Softplus),
        SHAPES,
    );
}

/// Two sequences of two steps, the second one shorter.
fn mask(device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data([[true, true], [true, false]], device)
}

#[test]
fn an_lstm_agrees_with_flex() {
    agree(
        "lstm",
        |[x, input, recurrent, bias, h, c]| {
            let mask = mask(&x.device());
            let weights = LstmWeights {
                input,
                recurrent,
                bias: bias.squeeze_dim(0),
                norms: None,
            };
            let state = Some(LstmState::new(c, h));
            let (output, state) = lstm(x.reshape([2, 2, 3]), &weights, state, Some(mask));
            Tensor::cat(vec![output.reshape([2, 4]), state.cell, state.hidden], 1)
        },
        [[4, 3], [3, 8], [2, 8], [1, 8], [2, 2], [2, 2]],
    );
}

#[test]
fn an_lstm_with_layer_norms_agrees_with_flex() {
    agree(
        "lstm with layer norms",
        |[x, input, recurrent, gates, cell]| {
            let row = |t: &Tensor<2>, row| t.clone().slice([row..row + 1]).squeeze_dim(0);
            let weights = LstmWeights {
                input,
                recurrent,
                bias: row(&gates, 0),
                norms: Some(LstmNorms {
                    input_gain: row(&gates, 1),
                    recurrent_gain: row(&gates, 2),
                    cell_gain: row(&cell, 0),
                    cell_bias: row(&cell, 1),
                }),
            };
            lstm(x.reshape([2, 2, 3]), &weights, None, None)
                .0
                .reshape([2, 4])
        },
        [[4, 3], [3, 8], [2, 8], [3, 8], [2, 2]],
    );
}

#[test]
fn a_cell_agrees_with_flex() {
    agree(
        "lstm_cell",
        |[gates, cell]| {
            let state = lstm_cell(gates, cell);
            Tensor::cat(vec![state.cell, state.hidden], 1)
        },
        [[3, 8], [3, 2]],
    );
}

#[test]
fn convolutions_agree_with_flex() {
    fn masked(
        [x, weight, bias]: [Tensor<2>; 3],
        stride: usize,
        mask: Option<&KernelMask>,
    ) -> Tensor<2> {
        let options = ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
        let (x, weight) = (x.reshape([2, 2, 4, 4]), weight.reshape([3, 2, 3, 3]));
        let y = conv2d(x, weight, Some(bias.squeeze_dim(0)), mask, options);
        y.flatten(1, 3)
    }
    const SHAPES: [[usize; 2]; 3] = [[4, 16], [3, 18], [1, 3]];
    agree("conv2d", |leaves| masked(leaves, 1, None), SHAPES);
    agree("conv2d, stride 2", |leaves| masked(leaves, 2, None), SHAPES);
    agree(
        "conv2d, masked",
        |leaves| {
            let before: Vec<bool> = (0..3 * 2 * 9).map(|i| i % 9 < 4).collect();
            let mask = KernelMask::new([3, 2, 3, 3], &before, &leaves[0].device());
            masked(leaves, 1, Some(&mask))
        },
        SHAPES,
    );
    agree(
        "conv_transpose2d",
        |[x, weight, bias]| {
            let options = ConvTransposeOptions::new([2; 2], [1; 2], [0; 2], [1; 2], 1);
            let (x, weight) = (x.reshape([2, 2, 3, 3]), weight.reshape([2, 3, 4, 4]));
            conv_transpose2d(x, weight, Some(bias.squeeze_dim(0)), options).flatten(1, 3)
        },
        [[4, 9], [6, 16], [1, 3]],
    );
}

#[test]
fn grus_agree_with_flex() {
    const SHAPES: [[usize; 2]; 6] = [[4, 3], [3, 6], [2, 6], [1, 6], [1, 6], [2, 2]];
    fn form(leaves: [Tensor<2>; 6], reset_after: bool) -> Tensor<2> {
        let [x, input, recurrent, bias, recurrent_bias, h] = leaves;
        let mask = mask(&x.device());
        let weights = GruWeights {
            input,
            recurrent,
            bias: bias.squeeze_dim(0),
            recurrent_bias: recurrent_bias.squeeze_dim(0),
            reset_after,
        };
        gru(x.reshape([2, 2, 3]), &weights, Some(h), Some(mask)).reshape([2, 4])
    }
    agree("gru, reset after", |leaves| form(leaves, true), SHAPES);
    agree("gru, reset before", |leaves| form(leaves, false), SHAPES);
    agree(
        "gru_step",
        |[x, input, recurrent, biases, h]| {
            let row = |row| biases.clone().slice([row..row + 1]).squeeze_dim(0);
            let weights = GruWeights {
                input,
                recurrent,
                bias: row(0),
                recurrent_bias: row(1),
                reset_after: true,
            };
            gru_step(x, &weights, Some(h))
        },
        [[2, 3], [3, 6], [2, 6], [2, 6], [2, 2]],
    );
}

#[test]
fn steps_of_adam_agree_with_flex() {
    for epsilon in [
        Epsilon::AfterCorrection(0.1),
        Epsilon::BeforeCorrection(0.1),
    ] {
        let steps = |device: &str, count: usize| {
            let device = open(device);
            let mut source = Numbers(1);
            let config = FusedAdamConfig {
                epsilon,
                ..FusedAdamConfig::default()
            };
            let (mut parameter, mut state) = (source.matrix([3, 5], &device), None);
            for _ in 0..count {
                let gradient = source.matrix([3, 5], &device);
                (parameter, state) = config.build().step(0.1, parameter, gradient, state);
            }
            numbers(parameter)
        };
        let flex = steps("flex", 3);
        let error = relative_error(&steps("wgpu", 3), &flex);
        println!("adam, {epsilon:?}: {error:.1e}");
        assert!(error < TOLERANCE, "{epsilon:?}: {error}");
        assert!(relative_error(&steps("wgpu", 2), &flex) > TOLERANCE);
    }
}

/// Scores on (−3, 3), now and then forbidden.
fn scores(shape: [usize; 3], masked: bool, seed: u32, device: &Device) -> Tensor<3> {
    let [batch, n, m] = shape;
    let mut x = numbers(Numbers(seed).matrix([batch * n, m], &open("flex")) * 3.0);
    if masked {
        // Some pairs, but for one on each line; and a whole column of the first matrix.
        for (at, x) in x.iter_mut().enumerate() {
            let (i, j) = (at / m % n, at % m);
            if (at % 5 == 2 && i % m != j % n) || (at < n * m && j == m - 1) {
                *x = f64::NEG_INFINITY;
            }
        }
    }
    Tensor::from_data(TensorData::new(x, shape), device)
}

type Balance = fn(&Sinkhorn, Tensor<3>) -> Balanced<3>;

/// The plan and its potentials, errors, and the gradient of a weighted sum of the plan and of its logarithms where they are finite.
fn balanced(balance: Balance, settings: &Sinkhorn, x: &Tensor<3>) -> Vec<Vec<f64>> {
    let [batch, n, m] = x.dims();
    let weights = Numbers(9).matrix([batch * n, m], &x.device());
    let weights = weights.reshape([batch, n, m]);
    let x = x.clone().autodiff().require_grad();
    let values = |t: Tensor<3>| t.into_data().iter::<f64>().collect::<Vec<f64>>();
    let balanced = balance(settings, x.clone());
    let mut results = vec![
        values(balanced.plan.clone().inner()),
        values(balanced.row_potentials.clone()),
        values(balanced.column_potentials.clone()),
        // A deviation from 1, of rounding size where balancing has succeeded.
        balanced.errors.iter().map(|e| 1.0 + e).collect(),
    ];
    let forbidden = x.clone().inner().is_inf().autodiff();
    let log_plan = balanced.log_plan().mask_fill(forbidden, 0.0);
    let loss = (balanced.plan + log_plan * 0.1) * weights.autodiff();
    let gradients = loss.sum().backward();
    results.push(values(x.grad(&gradients).expect("tracked")));
    results
}

const BALANCE: Balance = |settings, x| settings.balance(x).expect("right settings");
const COMPOSED: Balance = |settings, x| settings.balance_on_device(x).expect("right settings");

#[test]
fn balancing_agrees_with_flex() {
    balancing_agrees(&[
        // Several matrices in a cube, and not as many as fit.
        ([37, 4, 4], 20, 1.0),
        ([3, 20, 20], 20, 0.3),
        ([2, 33, 33], 50, 0.1),
    ]);
}

#[test]
fn balancing_of_rectangles_and_large_matrices_agrees_with_flex() {
    balancing_agrees(&[
        // Partial matchings.
        ([2, 17, 30], 20, 1.0),
        ([3, 9, 6], 7, 0.3),
        // Too large for a cube's memory, and for its units.
        ([1, 130, 130], 5, 1.0),
        ([1, 1100, 6], 4, 1.0),
    ]);
}

/// Shape, iterations, temperature.
fn balancing_agrees(cases: &[([usize; 3], usize, f64)]) {
    const TOLERANCE: f64 = 1e-5;
    for &(shape, iterations, tau) in cases {
        for masked in [false, true] {
            let run = |balance, device: &str, iterations, seed| {
                let x = scores(shape, masked, seed, &open(device));
                balanced(balance, &Sinkhorn::after(iterations).at(tau), &x)
            };
            let flex = run(BALANCE, "flex", iterations, 1);
            let errors = |other: &[Vec<f64>]| -> Vec<f64> {
                let pairs = other.iter().zip(&flex);
                pairs.map(|(a, b)| relative_error(a, b)).collect()
            };
            let worst = |errors: &[f64]| errors.iter().copied().fold(0.0, f64::max);
            let case = format!("{shape:?}, L = {iterations}, tau = {tau}, masked {masked}");
            let fused = run(BALANCE, "wgpu", iterations, 1);
            let composed = run(COMPOSED, "wgpu", iterations, 1);
            println!(
                "{case}: {:.1e}, composed {:.1e}",
                worst(&errors(&fused)),
                worst(&errors(&composed))
            );
            assert!(
                worst(&errors(&fused)) < TOLERANCE,
                "{case}: {:?}",
                errors(&fused)
            );
            assert!(worst(&errors(&composed)) < TOLERANCE, "{case}");
            // It is another computation than the composed one, to the last bits; and it does what is asked for.
            assert!(fused != composed, "{case}");
            for (iterations, seed) in [(1, 1), (iterations, 2)] {
                let other = run(BALANCE, "wgpu", iterations, seed);
                assert!(worst(&errors(&other)) > TOLERANCE, "{case}");
            }
        }
    }
}

/// `cargo test --release -p unbiased-train --features wgpu --test cross_device_kernels -- --ignored --nocapture`
#[test]
#[ignore = "a timing, not a test"]
fn time_of_balancing_fused_and_composed() {
    let device = open("wgpu");
    for (shape, iterations) in [
        ([64, 100, 100], 20),
        ([4096, 4, 4], 20),
        ([16, 256, 256], 20),
    ] {
        let x = scores(shape, false, 1, &device);
        let weights = scores(shape, false, 2, &device);
        let time = |balance: Balance, backward: bool| {
            let settings = Sinkhorn::after(iterations);
            let once = || {
                let start = std::time::Instant::now();
                if backward {
                    let x = x.clone().autodiff().require_grad();
                    let plan = balance(&settings, x.clone()).plan;
                    let gradients = (plan * weights.clone().autodiff()).sum().backward();
                    x.grad(&gradients).expect("tracked").into_data();
                } else {
                    balance(&settings, x.clone()).plan.into_data();
                }
                start.elapsed().as_secs_f64() * 1e3
            };
            once();
            (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
        };
        for backward in [false, true] {
            let (fused, composed) = (time(BALANCE, backward), time(COMPOSED, backward));
            println!(
                "{shape:?}, L = {iterations}, backward {backward}: {fused:.1} ms, composed {composed:.1} ms, {:.1} times",
                composed / fused
            );
        }
    }
}
