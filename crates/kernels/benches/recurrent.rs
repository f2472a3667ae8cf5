//! Recurrent layers against burn's and against the composed form, interleaved: median and minimum in milliseconds.
//!
//! `cargo bench --workspace --bench recurrent`; an argument picks the cases whose name contains it, and a second one the candidates.

use burn::module::Module;
use burn::nn::LstmState;
use burn::tensor::{Device, Tensor, TensorData};
use std::hint::black_box;
use std::time::Instant;
use unbiased_kernels::{GruConfig, LstmConfig, composed};

/// As in the program: the system's allocator gives large blocks back at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 15;

fn numbers(shape: [usize; 3]) -> Tensor<3> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values = (0..shape.iter().product()).map(next).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

type Candidate<'a> = (&'a str, Box<dyn FnMut() + 'a>);

fn compare(case: &str, mut candidates: Vec<Candidate<'_>>) {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    if !case.contains(&arguments.next().unwrap_or_default()) {
        return;
    }
    let wanted = arguments.next().unwrap_or_default();
    candidates.retain(|(name, _)| name.contains(&wanted));
    let mut times = vec![Vec::new(); candidates.len()];
    for round in 0..ROUNDS + 3 {
        for ((_, run), times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            if round >= 3 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    for ((name, _), times) in candidates.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!(
            "{name:9} {case:34} {:9.3} {:9.3}",
            times[times.len() / 2],
            times[0]
        );
    }
}

fn main() {
    println!("{:9} {:34} {:>9} {:>9}", "", "case", "median", "min");
    for [batch, time, d_input, hidden] in [[32, 50, 64, 256], [32, 20, 32, 64], [4, 20, 64, 128]] {
        lstm(batch, time, d_input, hidden);
        for reset_after in [true, false] {
            gru(batch, time, d_input, hidden, reset_after);
        }
    }
    step();
    for [batch, hidden] in [[32, 64], [64, 256]] {
        cell(batch, hidden);
    }
}

fn lstm(batch: usize, time: usize, d_input: usize, hidden: usize) {
    let device = Device::flex().autodiff();
    let ours = LstmConfig::new(d_input, hidden, true).init(&device);
    let theirs = burn::nn::LstmConfig::new(d_input, hidden, true)
        .init(&device)
        .load_record(ours.clone().into_record());
    let (ours_plain, theirs_plain) = (ours.valid(), theirs.valid());
    let x = numbers([batch, time, d_input]);
    let name = format!("lstm b{batch} t{time} {d_input}->{hidden}");
    let initial = || LstmState::initial([batch, hidden], &Device::flex());
    let square = |output: Tensor<3>| {
        black_box(output.square().mean().backward());
    };
    compare(
        &format!("{name} value"),
        vec![
            (
                "ours",
                Box::new(|| drop(black_box(ours_plain.forward(x.clone(), None)))),
            ),
            (
                "composed",
                Box::new(|| {
                    let weights = ours_plain.weights();
                    drop(black_box(composed::lstm(
                        x.clone(),
                        &weights,
                        initial(),
                        None,
                    )));
                }),
            ),
            (
                "burn",
                Box::new(|| drop(black_box(theirs_plain.forward(x.clone(), None)))),
            ),
        ],
    );
    compare(
        &format!("{name} both"),
        vec![
            ("ours", Box::new(|| square(ours.forward(x.clone(), None).0))),
            (
                "composed",
                Box::new(|| {
                    let weights = ours.weights();
                    square(composed::lstm(x.clone(), &weights, initial(), None).0);
                }),
            ),
            (
                "burn",
                Box::new(|| square(theirs.forward(x.clone(), None).0)),
            ),
        ],
    );
}

fn gru(batch: usize, time: usize, d_input: usize, hidden: usize, reset_after: bool) {
    let device = Device::flex().autodiff();
    let ours = GruConfig {
        reset_after,
        ..GruConfig::new(d_input, hidden, true)
    }
    .init(&device);
    let theirs = burn::nn::GruConfig::new(d_input, hidden, true)
        .with_reset_after(reset_after)
        .init(&device)
        .load_record(ours.clone().into_record());
    let x = numbers([batch, time, d_input]);
    let place = if reset_after { "" } else { " before" };
    let initial = || Tensor::zeros([batch, hidden], &Device::flex());
    let square = |output: Tensor<3>| {
        black_box(output.square().mean().backward());
    };
    let (ours_plain, theirs_plain) = (ours.valid(), theirs.valid());
    compare(
        &format!("gru{place} b{batch} t{time} {d_input}->{hidden} value"),
        vec![
            (
                "ours",
                Box::new(|| drop(black_box(ours_plain.forward(x.clone(), None)))),
            ),
            (
                "composed",
                Box::new(|| {
                    let weights = ours_plain.weights();
                    drop(black_box(composed::gru(
                        x.clone(),
                        &weights,
                        initial(),
                        None,
                    )));
                }),
            ),
            (
                "burn",
                Box::new(|| drop(black_box(theirs_plain.forward(x.clone(), None)))),
            ),
        ],
    );
    compare(
        &format!("gru{place} b{batch} t{time} {d_input}->{hidden} both"),
        vec![
            ("ours", Box::new(|| square(ours.forward(x.clone(), None)))),
            (
                "composed",
                Box::new(|| {
                    square(composed::gru(x.clone(), &ours.weights(), initial(), None));
                }),
            ),
            ("burn", Box::new(|| square(theirs.forward(x.clone(), None)))),
        ],
    );
}

/// Sampling: one row, one step at a time.
fn step() {
    let lstm = LstmConfig::new(64, 256, true).init(&Device::flex());
    let x = numbers([1, 1, 64]).squeeze_dim::<2>(1);
    let weights = lstm.weights();
    compare(
        "lstm b1 64->256, 20 steps of one",
        vec![
            (
                "ours",
                Box::new(|| {
                    let mut state = None;
                    for _ in 0..20 {
                        state = Some(unbiased_kernels::lstm_step(x.clone(), &weights, state));
                    }
                    drop(black_box(state));
                }),
            ),
            (
                "composed",
                Box::new(|| {
                    let mut state = LstmState::initial([1, 256], &Device::flex());
                    for _ in 0..20 {
                        let x = x.clone().unsqueeze_dim(1);
                        state = composed::lstm(x, &weights, state, None).1;
                    }
                    drop(black_box(state));
                }),
            ),
        ],
    );
}

/// What follows the products in a step.
fn cell(batch: usize, hidden: usize) {
    let device = Device::flex().autodiff();
    let leaf = |width| {
        let x = numbers([1, batch, width]).squeeze_dim::<2>(0);
        Tensor::from_data(x.into_data(), &device).require_grad()
    };
    let (gates, before) = (leaf(4 * hidden), leaf(hidden));
    let both = |state: LstmState<2>| {
        black_box((state.hidden + state.cell).sum().backward());
    };
    compare(
        &format!("lstm_cell b{batch} {hidden} both"),
        vec![
            (
                "ours",
                Box::new(|| both(unbiased_kernels::lstm_cell(gates.clone(), before.clone()))),
            ),
            (
                "composed",
                Box::new(|| both(composed::lstm_cell(gates.clone(), before.clone()))),
            ),
        ],
    );
}
