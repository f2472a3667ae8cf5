//! Whole training steps with Adam, to be run beside `benches/peer_training.py`.
//!
//! `cargo bench --workspace --bench training -- [case] [--steps N]`; a part of a name picks the cases.
//!
//! Prints `ours <case> <median ms> <minimum ms> <share>`. The share is the rate of the layers' multiply-adds in the fastest step over that of
//! Burn's product of two 1024×1024 matrices, measured in the same run. They are counted forward, towards the weights and towards the inputs
//! except the data; a masked filter counts whole; everything that is not a product counts nothing.

use burn::module::Module;
use burn::nn::conv::{Conv2dConfig, ConvTranspose2dConfig};
use burn::nn::{LinearConfig, PaddingConfig2d};
use burn::optim::GradientsParams;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use std::hint::black_box;
use std::time::Instant;
use unbiased_kernels::{
    Activation, Conv2d, ConvTranspose2d, FusedAdamConfig, Gru, GruConfig, KernelMask, Linear, Lstm,
    LstmConfig, bernoulli_log_lik,
};

/// As in the program: the system's allocator gives large blocks back at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WARM_UP: usize = 10;

fn main() {
    // On a thread of the pool, where training runs: see the `main` of the program.
    rayon::scope(|_| benchmark());
}

fn benchmark() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let mut run = Run {
        wanted: String::new(),
        steps: 60,
        rate: matmul_rate(),
    };
    while let Some(argument) = arguments.next() {
        if argument == "--steps" {
            let steps = arguments.next().and_then(|n| n.parse().ok());
            run.steps = steps.expect("--steps takes a number");
        } else {
            run.wanted = argument;
        }
    }
    println!(
        "threads {}, 1024×1024 product {:.0} GFLOP/s",
        rayon::current_num_threads(),
        2e-9 * run.rate
    );
    let device = Device::flex().autodiff();
    mlp(&run, &device);
    recurrent(&run, &device);
    autoencoder(&run, &device);
    masked(&run, &device);
}

struct Run {
    wanted: String,
    steps: usize,
    /// Multiply-adds per second.
    rate: f64,
}

/// Multiply-adds of the products in one forward pass, and how many of them the first layer has.
struct Work {
    forward: usize,
    first: usize,
}

impl Run {
    fn case<M: Module>(
        &self,
        name: &str,
        work: Work,
        mut model: M,
        loss: impl Fn(&M) -> Tensor<1>,
    ) {
        if !name.contains(&self.wanted) {
            return;
        }
        let mut adam = FusedAdamConfig::default().init();
        let mut times = Vec::with_capacity(self.steps);
        for step in 0..WARM_UP + self.steps {
            let start = Instant::now();
            let gradients = GradientsParams::from_grads(loss(&model).backward(), &model);
            model = adam.step(1e-3, model, gradients);
            if step >= WARM_UP {
                times.push(start.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let share = (3 * work.forward - work.first) as f64 / times[0] / self.rate;
        println!(
            "ours {name:32} {:8.3} {:8.3} {share:5.2}",
            1e3 * times[times.len() / 2],
            1e3 * times[0]
        );
    }
}

fn matmul_rate() -> f64 {
    const N: usize = 1024;
    let a = numbers(N * N, &Device::flex()).reshape([N, N]);
    let time = |_| {
        let start = Instant::now();
        drop(black_box(a.clone().matmul(a.clone())));
        start.elapsed().as_secs_f64()
    };
    let fastest = (0..30).map(time).fold(f64::INFINITY, f64::min);
    (N * N * N) as f64 / fastest
}

/// Uniform in (−1, 1).
fn numbers(count: usize, device: &Device) -> Tensor<1> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let values = (0..count).map(next).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Images of random bits, `[rows, 784]`.
fn bits(rows: usize) -> Tensor<2> {
    let numbers = numbers(rows * 784, &Device::flex());
    numbers.greater_elem(0.7).float().reshape([rows, 784])
}

/// 784-200-200-784 with tanh between, logits of the pixels.
#[derive(Module, Debug)]
struct Mlp {
    layers: [Linear; 3],
}

fn mlp(run: &Run, device: &Device) {
    let rows = 100;
    let layer = |d_in, d_out| Linear::new(&LinearConfig::new(d_in, d_out), device);
    let model = Mlp {
        layers: [
            layer(784, 200).with(Activation::Tanh),
            layer(200, 200).with(Activation::Tanh),
            layer(200, 784),
        ],
    };
    let x = bits(rows);
    let work = Work {
        forward: rows * (2 * 784 * 200 + 200 * 200),
        first: rows * 784 * 200,
    };
    run.case("mlp b100 784-200-200-784", work, model, |model| {
        let logits = model
            .layers
            .iter()
            .fold(x.clone(), |x, layer| layer.forward(x));
        bernoulli_log_lik(logits, x.clone()).mean().neg()
    });
}

fn recurrent(run: &Run, device: &Device) {
    let [rows, steps, d_in, hidden] = [32, 50, 64, 256];
    let x = numbers(rows * steps * d_in, &Device::flex()).reshape([rows, steps, d_in]);
    let work = |gates: usize| Work {
        forward: rows * steps * (d_in + hidden) * gates * hidden,
        first: rows * steps * d_in * gates * hidden,
    };
    let lstm = LstmConfig::new(d_in, hidden, true).init(device);
    run.case("lstm b32 t50 64-256", work(4), lstm, |lstm: &Lstm| {
        lstm.forward(x.clone(), None).0.square().mean()
    });
    let gru = GruConfig::new(d_in, hidden, true).init(device);
    run.case("gru b32 t50 64-256", work(3), gru, |gru: &Gru| {
        gru.forward(x.clone(), None).square().mean()
    });
}

/// Two convolutions of stride 2 and back, relu between, logits of the pixels.
#[derive(Module, Debug)]
struct Autoencoder {
    down: [Conv2d; 2],
    up: [ConvTranspose2d; 2],
}

fn autoencoder(run: &Run, device: &Device) {
    let rows = 64;
    let down = |channels| {
        let config = Conv2dConfig::new(channels, [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Conv2d::new(&config, device)
    };
    let up = |channels| {
        let config = ConvTranspose2dConfig::new(channels, [4, 4])
            .with_stride([2, 2])
            .with_padding([1, 1]);
        ConvTranspose2d::new(&config, device)
    };
    let model = Autoencoder {
        down: [down([1, 16]), down([16, 32])],
        up: [up([32, 16]), up([16, 1])],
    };
    let x = bits(rows);
    let (side14, side7) = (14 * 14, 7 * 7);
    let first = rows * side14 * 9 * 16;
    let work = Work {
        forward: first + rows * (side7 * 9 * 16 * 32 + side7 * 16 * 32 * 16 + side14 * 16 * 16),
        first,
    };
    run.case("autoencoder b64 1-16-32 28x28", work, model, |model| {
        let image = x.clone().reshape([rows, 1, 28, 28]);
        let code = model
            .down
            .iter()
            .fold(image, |x, layer| relu(layer.forward(x)));
        let [first, second] = &model.up;
        let logits = second.forward(relu(first.forward(code)));
        bernoulli_log_lik(logits.reshape([rows, 784]), x.clone())
            .mean()
            .neg()
    });
}

/// A convolution that sees only what comes before a pixel, row by row, and the pixel itself if `centre`.
fn causal(channels: [usize; 2], side: usize, centre: bool, device: &Device) -> Conv2d {
    let config = Conv2dConfig::new(channels, [side; 2]).with_padding(PaddingConfig2d::Same);
    let layer = Conv2d::new(&config, device);
    let mask = KernelMask::causal(layer.weight.dims(), centre, &Device::flex());
    layer.masked(mask)
}

/// The shape of a `PixelCNN`: a masked 7×7 convolution, two masked 3×3 ones with the input added, 1×1 to the logits.
#[derive(Module, Debug)]
struct PixelCnn {
    first: Conv2d,
    residual: [Conv2d; 2],
    last: Conv2d,
}

fn masked(run: &Run, device: &Device) {
    let (rows, channels) = (32, 32);
    let model = PixelCnn {
        first: causal([1, channels], 7, false, device),
        residual: [0; 2].map(|_| causal([channels; 2], 3, true, device)),
        last: Conv2d::new(&Conv2dConfig::new([channels, 1], [1, 1]), device),
    };
    let x = bits(rows);
    let first = rows * 784 * 49 * channels;
    let work = Work {
        forward: first + rows * 784 * (2 * 9 * channels + 1) * channels,
        first,
    };
    run.case("masked b32 1-32-32-32-1 28x28", work, model, |model| {
        let image = x.clone().reshape([rows, 1, 28, 28]);
        let first = model.first.forward(image);
        let hidden = model
            .residual
            .iter()
            .fold(first, |x, layer| x.clone() + layer.forward(relu(x)));
        let logits = model.last.forward(relu(hidden));
        bernoulli_log_lik(logits.reshape([rows, 784]), x.clone())
            .mean()
            .neg()
    });
}
