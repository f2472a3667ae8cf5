//! Sinkhorn balancing: milliseconds, forward and with the gradient; iterations with and without acceleration.
//! `cargo bench --workspace --bench sinkhorn`; the peers are in `peer_sinkhorn.py`.

mod compare;

use burn::tensor::{Device, Tensor, TensorData};
use compare::{compare, scores};
use std::hint::black_box;
use unbiased_permutations::{Acceleration, Sinkhorn, Stop};

fn tensor(shape: [usize; 3]) -> Tensor<3> {
    let values = scores(shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn step(settings: Sinkhorn, x: &Tensor<3>, weights: &Tensor<3>, on_device: bool) {
    let x = x.clone().autodiff().require_grad();
    let balanced = if on_device {
        settings.balance_on_device(x.clone())
    } else {
        settings.balance(x.clone())
    };
    let loss = (balanced.expect("right settings").plan * weights.clone()).sum();
    let gradients = loss.backward();
    black_box(x.grad(&gradients));
}

/// Resident memory of the process in MiB, now and at most so far, where Linux tells.
fn resident() -> Option<[f64; 2]> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok()
    };
    Some(["VmRSS:", "VmHWM:"].map(|name| field(name).unwrap_or(f64::NAN) / 1024.0))
}

/// The gradient of many iterations keeps `L·(n + m)` numbers per matrix.
fn memory() {
    let (shape, iterations) = ([64, 100, 100], 1000);
    let (x, weights) = (tensor(shape), tensor(shape));
    // Threads and the allocator are there before, with a single matrix.
    let first = || [0..1, 0..shape[1], 0..shape[2]];
    let (one, weight) = (x.clone().slice(first()), weights.clone().slice(first()));
    step(Sinkhorn::after(1), &one, &weight, false);
    let before = resident();
    step(Sinkhorn::after(iterations), &x, &weights, false);
    if let (Some([before, _]), Some([_, peak])) = (before, resident()) {
        let input = (shape.iter().product::<usize>() * 4) as f64 / f64::from(1 << 20);
        let potentials = input * 2.0 * iterations as f64 / shape[1] as f64;
        println!(
            "64 x 100, L = {iterations}, peak above what was resident before the step: {:.1} MiB, which is the potentials' {potentials:.1} and {:.1} \
             times the input's {input:.1}; unrolled at least {:.0}",
            peak - before,
            (peak - before - potentials) / input,
            input * 2.0 * iterations as f64
        );
    }
}

fn main() {
    memory();
    println!(
        "{:28} {:24} {:>10} {:>10}",
        "case", "", "median ms", "min ms"
    );
    for (shape, iterations, tau) in [
        ([64, 100, 100], 20, 1.0),
        ([64, 100, 100], 20, 0.1),
        ([64, 64, 64], 20, 1.0),
        ([1024, 100, 100], 20, 1.0),
        ([65_536, 4, 4], 20, 1.0),
        ([1, 100, 100], 1000, 0.1),
    ] {
        let [batch, n, _] = shape;
        let x = tensor(shape);
        let weights = tensor(shape) * 0.5;
        let settings = Sinkhorn::after(iterations).at(tau);
        let case = format!("{batch} x {n}, L = {iterations}, tau = {tau}");
        compare(
            &case,
            vec![
                (
                    "forward",
                    Box::new(|| {
                        black_box(settings.balance(x.clone()).expect("right settings").plan);
                    }),
                ),
                (
                    "forward + backward",
                    Box::new(|| step(settings, &x, &weights, false)),
                ),
            ],
        );
        if batch * n * n < 1_000_000 {
            let slow = || step(settings, &x, &weights, true);
            compare(&case, vec![("tensor operations", Box::new(slow))]);
        }
    }
    println!("\niterations to 1e-3, n = 100, median of 20 and largest");
    let x = tensor([20, 100, 100]);
    for tau in [1.0, 0.5, 0.2, 0.1] {
        for (name, acceleration) in [
            ("plain", None),
            ("over-relaxation", Some(Acceleration::OverRelaxation)),
            ("Anderson, 6", Some(Acceleration::Anderson { memory: 6 })),
        ] {
            let settings = Sinkhorn {
                acceleration,
                stop: Stop::Within {
                    tolerance: 1e-3,
                    at_most: 20_000,
                },
                ..Sinkhorn::within(1e-3).at(tau)
            };
            let mut counts = settings
                .balance(x.clone())
                .expect("right settings")
                .iterations;
            counts.sort_unstable();
            println!("tau = {tau:4} {name:16} {:6} {:6}", counts[10], counts[19]);
            let run = || {
                black_box(settings.balance(x.clone()).expect("right settings").plan);
            };
            compare(
                &format!("20 x 100 to 1e-3, tau = {tau}"),
                vec![(name, Box::new(run))],
            );
        }
    }
}
