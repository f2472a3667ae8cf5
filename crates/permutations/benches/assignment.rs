//! The assignment problem: milliseconds. `cargo bench --workspace --bench assignment`; scipy is in `peer_sinkhorn.py`.

mod compare;

use burn::tensor::{Device, Tensor, TensorData};
use compare::{compare, scores};
use std::hint::black_box;
use unbiased_permutations::{assign, assign_batch};

fn main() {
    println!(
        "{:28} {:24} {:>10} {:>10}",
        "case", "", "median ms", "min ms"
    );
    for n in [10, 100, 1000, 5000] {
        // U(0, 1) costs from a hash of the place, and the scores of a network.
        let uniform: Vec<f64> = (0..(n * n) as u64)
            .map(|at| {
                let mut x = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                -(((x ^ (x >> 27)) >> 11) as f64 / (1_u64 << 53) as f64)
            })
            .collect();
        let noisy: Vec<f64> = scores(n * n).into_iter().map(f64::from).collect();
        for (name, x) in [("uniform", &uniform), ("normal + Gumbel", &noisy)] {
            let run = || {
                black_box(assign(x, [n, n]).expect("finite"));
            };
            compare(&format!("n = {n}"), vec![(name, Box::new(run))]);
        }
    }
    for shape in [[64, 100, 100], [256, 279, 279]] {
        let data = TensorData::new(scores(shape.iter().product()), shape);
        let x = Tensor::<3>::from_data(data, &Device::flex());
        let run = || {
            black_box(assign_batch(x.clone()).expect("finite"));
        };
        let case = format!("{} x {}", shape[0], shape[1]);
        compare(&case, vec![("normal + Gumbel", Box::new(run))]);
    }
}
