//! Every operation against its composed form, on Flex, interleaved: median and minimum in microseconds.
//!
//! `cargo bench -p unbiased-kernels`; with `RAYON_NUM_THREADS=1` in front it shows what the second thread gives. A kernel that is not
//! faster than its composed form has no place in the crate.

use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use std::hint::black_box;
use std::time::Instant;
use unbiased_kernels::{
    FusedAdamConfig, bernoulli_kl, bernoulli_log_lik, composed, sigmoid, softplus, tanh,
};

const ROUNDS: usize = 41;
/// Each measurement repeats the operation until it has touched about this many elements, so that the clock is precise enough.
const ELEMENTS_PER_MEASUREMENT: usize = 200_000;

/// Numbers in (−4, 4) by a linear congruence: values do not matter, but they must not be constant.
fn values(rows: usize, columns: usize, seed: u32) -> TensorData {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 21) as f32 - 4.0
    };
    TensorData::new(
        (0..rows * columns).map(next).collect::<Vec<f32>>(),
        [rows, columns],
    )
}

fn leaf(rows: usize, columns: usize, seed: u32) -> Tensor<2> {
    Tensor::from_data(values(rows, columns, seed), &Device::flex().autodiff()).require_grad()
}

fn plain(rows: usize, columns: usize, seed: u32) -> Tensor<2> {
    Tensor::from_data(values(rows, columns, seed), &Device::flex())
}

fn compare(name: &str, elements: usize, mut fused: impl FnMut(), mut composed: impl FnMut()) {
    let repeats = (ELEMENTS_PER_MEASUREMENT / elements).max(1);
    let time = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..repeats {
            f();
        }
        start.elapsed().as_secs_f64() * 1e6 / repeats as f64
    };
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 3 {
        let pair = [time(&mut fused), time(&mut composed)];
        if round >= 3 {
            for (all, one) in times.iter_mut().zip(pair) {
                all.push(one);
            }
        }
    }
    let [(fused, fused_min), (composed, composed_min)] = times.map(|mut all| {
        all.sort_by(f64::total_cmp);
        (all[all.len() / 2], all[0])
    });
    println!(
        "{name:34} {fused:9.1} {fused_min:9.1} {composed:10.1} {composed_min:10.1} {:8.3} {:8.3}",
        fused / composed,
        fused_min / composed_min
    );
}

/// Forward and backward through a function of one matrix.
fn both(f: impl Fn(Tensor<2>) -> Tensor<2>, x: &Tensor<2>) {
    black_box(f(x.clone()).backward());
}

fn main() {
    println!(
        "{:34} {:>9} {:>9} {:>10} {:>10} {:>8} {:>8}",
        "operation", "fused", "min", "composed", "min", "ratio", "of mins"
    );
    log_lik();
    kl();
    maps();
    adam();
}

fn log_lik() {
    for rows in [24, 100, 256, 5000] {
        let (logits, targets) = (leaf(rows, 784, 1), plain(rows, 784, 2));
        compare(
            &format!("bernoulli_log_lik {rows}x784 value"),
            rows * 784,
            || {
                drop(black_box(bernoulli_log_lik(
                    logits.clone().inner(),
                    targets.clone(),
                )))
            },
            || {
                drop(black_box(composed::bernoulli_log_lik(
                    logits.clone().inner(),
                    targets.clone(),
                )))
            },
        );
        compare(
            &format!("bernoulli_log_lik {rows}x784 both"),
            rows * 784,
            || {
                drop(black_box(
                    bernoulli_log_lik(logits.clone(), targets.clone()).backward(),
                ))
            },
            || {
                drop(black_box(
                    composed::bernoulli_log_lik(logits.clone(), targets.clone()).backward(),
                ))
            },
        );
    }
}

fn kl() {
    for rows in [24, 100, 5000] {
        let (q, p) = (leaf(rows, 200, 3), leaf(1, 200, 4));
        compare(
            &format!("bernoulli_kl {rows}x200 both"),
            rows * 200,
            || drop(black_box(bernoulli_kl(q.clone(), p.clone()).backward())),
            || {
                drop(black_box(
                    composed::bernoulli_kl(q.clone(), p.clone()).backward(),
                ))
            },
        );
    }
}

fn maps() {
    for (rows, columns) in [(24, 200), (100, 200), (1000, 1000)] {
        let x = leaf(rows, columns, 5);
        let size = format!("{rows}x{columns}");
        let elements = rows * columns;
        let v = x.clone().inner();
        compare(
            &format!("sigmoid {size} value"),
            elements,
            || drop(black_box(sigmoid(v.clone()))),
            || {
                drop(black_box(composed::sigmoid(v.clone())));
            },
        );
        compare(
            &format!("sigmoid {size} both"),
            elements,
            || both(sigmoid, &x),
            || both(composed::sigmoid, &x),
        );
        compare(
            &format!("tanh {size} value"),
            elements,
            || drop(black_box(tanh(v.clone()))),
            || {
                drop(black_box(composed::tanh(v.clone())));
            },
        );
        compare(
            &format!("tanh {size} both"),
            elements,
            || both(tanh, &x),
            || both(composed::tanh, &x),
        );
        compare(
            &format!("softplus {size} value"),
            elements,
            || drop(black_box(softplus(v.clone()))),
            || {
                drop(black_box(composed::softplus(v.clone())));
            },
        );
        compare(
            &format!("softplus {size} both"),
            elements,
            || both(softplus, &x),
            || both(composed::softplus, &x),
        );
    }
}

fn adam() {
    for (rows, columns) in [(1, 200), (200, 784), (784, 784), (2000, 2000)] {
        let fused = FusedAdamConfig::default().build();
        let library = AdamConfig::new().with_epsilon(1e-8).build();
        let gradient = plain(rows, columns, 7);
        let (mut a, mut b) = (
            Some((plain(rows, columns, 6), None)),
            Some((plain(rows, columns, 6), None)),
        );
        compare(
            &format!("adam {rows}x{columns}"),
            rows * columns,
            || {
                a = a
                    .take()
                    .map(|(p, state)| fused.step(1e-3, p, gradient.clone(), state))
            },
            || {
                b = b
                    .take()
                    .map(|(p, state)| library.step(1e-3, p, gradient.clone(), state))
            },
        );
    }
}
