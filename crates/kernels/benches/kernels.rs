//! Every operation against its composed form, on Flex, interleaved: median and minimum in microseconds.
//!
//! `cargo bench --workspace --bench kernels`, with a part of a name behind it for some of them; with `RAYON_NUM_THREADS=1` in front it shows
//! what the second thread gives. A kernel that is not faster than its composed form has no place in the crate.

use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use std::hint::black_box;
use std::time::Instant;
use unbiased_kernels::{
    Activation, FusedAdamConfig, NoiseLaw, bernoulli_kl, bernoulli_log_lik, categorical_log_lik,
    composed, discretised_logistic, exp, linear, log, log_sigmoid, log_softmax, logsumexp, noise,
    sigmoid, softmax, softplus, tanh,
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

/// Microseconds per call.
fn time<A>(repeats: usize, f: &mut impl FnMut() -> A) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(f());
    }
    start.elapsed().as_secs_f64() * 1e6 / repeats as f64
}

fn compare<A, B>(
    name: &str,
    elements: usize,
    mut fused: impl FnMut() -> A,
    mut composed: impl FnMut() -> B,
) {
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    if wanted.is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let repeats = (ELEMENTS_PER_MEASUREMENT / elements).max(1);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 3 {
        let pair = [time(repeats, &mut fused), time(repeats, &mut composed)];
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

fn main() {
    // On a thread of the pool, where training runs: see the `main` of the program.
    rayon::scope(|_| benchmark());
}

fn benchmark() {
    println!(
        "{:34} {:>9} {:>9} {:>10} {:>10} {:>8} {:>8}",
        "operation", "fused", "min", "composed", "min", "ratio", "of mins"
    );
    log_lik();
    kl();
    categorical();
    logistic();
    maps();
    rows();
    host_noise();
    affine();
    adam();
}

fn log_lik() {
    for rows in [24, 100, 256, 5000] {
        let (logits, targets) = (leaf(rows, 784, 1), plain(rows, 784, 2));
        let values = logits.clone().inner();
        compare(
            &format!("bernoulli_log_lik {rows}x784 value"),
            rows * 784,
            || bernoulli_log_lik(values.clone(), targets.clone()),
            || composed::bernoulli_log_lik(values.clone(), targets.clone()),
        );
        compare(
            &format!("bernoulli_log_lik {rows}x784 both"),
            rows * 784,
            || bernoulli_log_lik(logits.clone(), targets.clone()).backward(),
            || composed::bernoulli_log_lik(logits.clone(), targets.clone()).backward(),
        );
    }
}

fn kl() {
    for rows in [24, 100, 5000] {
        let (q, p) = (leaf(rows, 200, 3), leaf(1, 200, 4));
        compare(
            &format!("bernoulli_kl {rows}x200 both"),
            rows * 200,
            || bernoulli_kl(q.clone(), p.clone()).backward(),
            || composed::bernoulli_kl(q.clone(), p.clone()).backward(),
        );
    }
}

fn categorical() {
    for (rows, classes) in [(100, 10), (100, 1000), (5000, 10)] {
        let logits = leaf(rows, classes, 1);
        let targets = softmax(plain(rows, classes, 2));
        compare(
            &format!("categorical_log_lik {rows}x{classes} both"),
            rows * classes,
            || categorical_log_lik(logits.clone(), targets.clone()).backward(),
            || composed::categorical_log_lik(logits.clone(), targets.clone()).backward(),
        );
    }
}

fn logistic() {
    for (rows, columns) in [(16, 3072), (640, 3072)] {
        let x = (plain(rows, columns, 1) * 31.875).round() / 127.5;
        let (mean, log_scale) = (leaf(rows, columns, 2), leaf(rows, columns, 3));
        compare(
            &format!("discretised_logistic {rows}x{columns} both"),
            rows * columns,
            || discretised_logistic(x.clone(), mean.clone(), log_scale.clone(), 256).backward(),
            || {
                composed::discretised_logistic(x.clone(), mean.clone(), log_scale.clone(), 256)
                    .backward()
            },
        );
    }
}

fn rows() {
    let maps: [(&str, Map, Map); 3] = [
        ("softmax", softmax, composed::softmax),
        ("log_softmax", log_softmax, composed::log_softmax),
        ("logsumexp", logsumexp, composed::logsumexp),
    ];
    for (rows, columns) in [(100, 10), (5000, 10), (1000, 1000)] {
        let x = leaf(rows, columns, 5);
        let values = x.clone().inner();
        for (name, fused, composed) in maps {
            compare(
                &format!("{name} {rows}x{columns} value"),
                rows * columns,
                || fused(values.clone()),
                || composed(values.clone()),
            );
            compare(
                &format!("{name} {rows}x{columns} both"),
                rows * columns,
                || fused(x.clone()).backward(),
                || composed(x.clone()).backward(),
            );
        }
    }
}

type Map = fn(Tensor<2>) -> Tensor<2>;

fn maps() {
    let maps: [(&str, Map, Map); 6] = [
        ("sigmoid", sigmoid, composed::sigmoid),
        ("tanh", tanh, composed::tanh),
        ("softplus", softplus, composed::softplus),
        ("log_sigmoid", log_sigmoid, composed::log_sigmoid),
        ("exp", exp, composed::exp),
        (
            "log of the square",
            |x| log(x.square()),
            |x| composed::log(x.square()),
        ),
    ];
    for (rows, columns) in [(24, 200), (100, 200), (1000, 1000)] {
        let x = leaf(rows, columns, 5);
        let values = x.clone().inner();
        for (name, fused, composed) in maps {
            compare(
                &format!("{name} {rows}x{columns} value"),
                rows * columns,
                || fused(values.clone()),
                || composed(values.clone()),
            );
            compare(
                &format!("{name} {rows}x{columns} both"),
                rows * columns,
                || fused(x.clone()).backward(),
                || composed(x.clone()).backward(),
            );
        }
    }
}

/// Against the library's generator and its maps.
fn host_noise() {
    let device = Device::flex();
    for (rows, columns) in [(24, 200), (100, 200), (1000, 1000)] {
        let random = |distribution| Tensor::<2>::random([rows, columns], distribution, &device);
        let uniform = || random(Distribution::Uniform(1e-6, 1.0));
        let laws: [(NoiseLaw, &dyn Fn() -> Tensor<2>); 5] = [
            (NoiseLaw::Uniform, &uniform),
            (NoiseLaw::Logistic, &|| {
                let u = uniform();
                (u.clone() / (u.neg() + 1.0)).log()
            }),
            (NoiseLaw::Gumbel, &|| uniform().log().neg().log().neg()),
            (NoiseLaw::Normal, &|| random(Distribution::Normal(0.0, 1.0))),
            (NoiseLaw::Exponential, &|| uniform().log().neg()),
        ];
        let streams: Vec<u64> = (0..rows as u64).collect();
        for (law, composed) in laws {
            compare(
                &format!("noise {law:?} {rows}x{columns}"),
                rows * columns,
                || noise(law, &streams, columns, &device),
                composed,
            );
        }
    }
}

/// Against Burn's affine map followed by our tanh, so that the ratio is what the products give.
fn affine() {
    for [rows, d_in, d_out] in [
        [24, 784, 200],
        [100, 784, 200],
        [100, 200, 200],
        [100, 200, 784],
        [1000, 200, 200],
    ] {
        let (x, weight) = (leaf(rows, d_in, 1), plain(d_in, d_out, 2) * 0.01);
        let bias = plain(1, d_out, 3).squeeze_dim::<1>(0);
        let fused = |x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>| {
            linear(
                x.clone(),
                weight.clone(),
                Some(bias.clone()),
                Activation::Tanh,
            )
        };
        let separate = |x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>| {
            let (x, weight, bias) = (x.clone(), weight.clone(), Some(bias.clone()));
            tanh(composed::linear(x, weight, bias, Activation::Identity))
        };
        let values = x.clone().inner();
        let work = rows * d_in * d_out / 100;
        compare(
            &format!("linear {rows}x{d_in}x{d_out} value"),
            work,
            || fused(&values, &weight, &bias),
            || separate(&values, &weight, &bias),
        );
        let (weight, bias) = (
            weight.autodiff().require_grad(),
            bias.autodiff().require_grad(),
        );
        compare(
            &format!("linear {rows}x{d_in}x{d_out} both"),
            work,
            || fused(&x, &weight, &bias).backward(),
            || separate(&x, &weight, &bias).backward(),
        );
    }
}

fn adam() {
    for (rows, columns) in [(1, 200), (200, 784), (784, 784), (2000, 2000)] {
        let fused = FusedAdamConfig::default().build();
        let library = AdamConfig::new().with_epsilon(1e-8).build();
        let gradient = plain(rows, columns, 7);
        let start = || Some((plain(rows, columns, 6), None));
        let (mut a, mut b) = (start(), start());
        compare(
            &format!("adam {rows}x{columns}"),
            rows * columns,
            || {
                let (p, state) = a.take().expect("put back below");
                a = Some(fused.step(1e-3, p, gradient.clone(), state));
            },
            || {
                let (p, state) = b.take().expect("put back below");
                b = Some(library.step(1e-3, p, gradient.clone(), state));
            },
        );
    }
}
