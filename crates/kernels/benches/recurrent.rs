//! Recurrent layers against burn's and against the composed form, interleaved: median and minimum in milliseconds.
//!
//! `cargo bench --workspace --bench recurrent`; an argument picks the cases whose name contains it, and a second one the candidates.

mod compare;

use burn::module::Module;
use burn::nn::LstmState;
use burn::tensor::{Device, Tensor};
use compare::{Candidate, compare, heading, numbers};
use std::hint::black_box;
use unbiased_kernels::{GruConfig, LstmConfig, composed, gru_step, lstm_step};

fn main() {
    heading();
    for size in [[32, 50, 64, 256], [32, 20, 32, 64], [4, 20, 64, 128]] {
        lstm(size, None);
        lstm(size, Some(1.0));
        gru(size, true);
        gru(size, false);
    }
    steps();
    for [batch, hidden] in [[32, 64], [64, 256]] {
        cell(batch, hidden);
    }
}

type Forward<'a> = Box<dyn Fn(Tensor<3>) -> Tensor<3> + 'a>;

/// A layer without a tape and with one.
fn forms<'a, M: Module + 'a>(
    layer: &M,
    forward: impl Fn(&M, Tensor<3>) -> Tensor<3> + Copy + 'a,
) -> [Forward<'a>; 2] {
    [layer.valid(), layer.clone()]
        .map(|layer| -> Forward<'a> { Box::new(move |x| forward(&layer, x)) })
}

/// The forward pass without a tape, then forward and backward.
fn sequences(
    kind: &str,
    [batch, time, d_input, hidden]: [usize; 4],
    layers: Vec<(&str, [Forward<'_>; 2])>,
) {
    let name = format!("{kind} b{batch} t{time} {d_input}->{hidden}");
    let x = &numbers([batch, time, d_input]);
    let (value, both) = layers
        .into_iter()
        .map(
            |(layer, [plain, tracked])| -> (Candidate<'_>, Candidate<'_>) {
                let value = move || drop(black_box(plain(x.clone())));
                let both = move || drop(black_box(tracked(x.clone()).square().mean().backward()));
                ((layer, Box::new(value)), (layer, Box::new(both)))
            },
        )
        .unzip();
    compare(&format!("{name} value"), value);
    compare(&format!("{name} both"), both);
}

fn lstm(size: [usize; 4], layer_norm: Option<f64>) {
    let [batch, _, d_input, hidden] = size;
    let device = Device::flex().autodiff();
    let ours = LstmConfig {
        layer_norm,
        ..LstmConfig::new(d_input, hidden, true)
    }
    .init(&device);
    let mut layers = vec![
        ("ours", forms(&ours, |lstm, x| lstm.forward(x, None).0)),
        (
            "composed",
            forms(&ours, move |lstm, x| {
                let initial = LstmState::initial([batch, hidden], &Device::flex());
                composed::lstm(x, &lstm.weights(), initial, None).0
            }),
        ),
    ];
    if layer_norm.is_none() {
        let theirs = burn::nn::LstmConfig::new(d_input, hidden, true).init(&device);
        layers.push(("burn", forms(&theirs, |lstm, x| lstm.forward(x, None).0)));
    }
    let kind = layer_norm.map_or("lstm", |_| "lstm norms");
    sequences(kind, size, layers);
}

fn gru(size: [usize; 4], reset_after: bool) {
    let [batch, _, d_input, hidden] = size;
    let device = Device::flex().autodiff();
    let ours = GruConfig {
        reset_after,
        ..GruConfig::new(d_input, hidden, true)
    }
    .init(&device);
    let theirs = burn::nn::GruConfig::new(d_input, hidden, true)
        .with_reset_after(reset_after)
        .init(&device);
    let layers = vec![
        ("ours", forms(&ours, |gru, x| gru.forward(x, None))),
        (
            "composed",
            forms(&ours, move |gru, x| {
                let initial = Tensor::zeros([batch, hidden], &Device::flex());
                composed::gru(x, &gru.weights(), initial, None)
            }),
        ),
        ("burn", forms(&theirs, |gru, x| gru.forward(x, None))),
    ];
    let kind = if reset_after { "gru" } else { "gru before" };
    sequences(kind, size, layers);
}

/// Sampling: one row, one step at a time.
fn steps() {
    let device = Device::flex();
    let x = numbers([1, 1, 64]);
    let x = || x.clone().squeeze_dim::<2>(1);
    let (lstm, gru) = (
        LstmConfig::new(64, 256, true).init(&device).weights(),
        GruConfig::new(64, 256, true).init(&device).weights(),
    );
    let state = || LstmState::initial([1, 256], &Device::flex());
    let hidden = || Tensor::<2>::zeros([1, 256], &Device::flex());
    compare(
        "lstm b1 64->256, 20 steps of one",
        vec![
            (
                "ours",
                twenty(state, |state| lstm_step(x(), &lstm, Some(state))),
            ),
            (
                "composed",
                twenty(state, |state| {
                    composed::lstm(x().unsqueeze_dim(1), &lstm, state, None).1
                }),
            ),
        ],
    );
    compare(
        "gru b1 64->256, 20 steps of one",
        vec![
            (
                "ours",
                twenty(hidden, |state| gru_step(x(), &gru, Some(state))),
            ),
            (
                "composed",
                twenty(hidden, |state| {
                    composed::gru(x().unsqueeze_dim(1), &gru, state, None).squeeze_dim(1)
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

fn twenty<'a, S>(start: impl Fn() -> S + 'a, step: impl Fn(S) -> S + 'a) -> Box<dyn FnMut() + 'a> {
    Box::new(move || {
        drop(black_box((0..20).fold(start(), |state, _| step(state))));
    })
}
