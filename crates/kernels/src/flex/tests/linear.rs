//! The affine map on every instruction set and split over any number of threads.

use super::{exact, pseudo_random, relative_error};
use crate::flex::isa::Isa;
use crate::flex::linear::affine;
use crate::flex::map::Map;
use crate::flex::tensor;

fn on_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("threads are to be had").install(run)
}

#[test]
fn affine_maps_match_double_precision() {
    // The last three are split, into parts of different widths.
    let sizes = [
        [1, 1, 1],
        [3, 5, 2],
        [17, 40, 33],
        [190, 300, 150],
        [11, 2000, 400],
        [500, 67, 257],
    ];
    for [rows, depth, width] in sizes {
        let x = pseudo_random(rows * depth, 1, 1.0);
        let weight = pseudo_random(depth * width, 2, 2.0 / (depth as f32).sqrt());
        let bias = pseudo_random(width, 3, 1.0);
        for then in [None, Some(Map::Tanh), Some(Map::Relu)] {
            let exact: Vec<f64> = (0..rows * width)
                .map(|at| {
                    let (row, column) = (at / width, at % width);
                    let products = (0..depth).map(|k| {
                        f64::from(x[row * depth + k]) * f64::from(weight[k * width + column])
                    });
                    let z = products.sum::<f64>() + f64::from(bias[column]);
                    then.map_or(z, |map| exact(map, z))
                })
                .collect();
            let [x, weight, bias] = [
                (&x, vec![rows, depth]),
                (&weight, vec![depth, width]),
                (&bias, vec![width]),
            ]
            .map(|(values, shape)| tensor(values.clone(), shape));
            for isa in Isa::all() {
                for threads in [1, 2, 3, 8] {
                    let y = on_threads(threads, || affine(isa, &x, &weight, &bias, then));
                    let y: &[f32] = y.storage();
                    let error = relative_error(y, &exact);
                    // Sums of up to 2000 numbers in single precision.
                    assert!(
                        error < 3e-6,
                        "{isa:?} {then:?} [{rows}, {depth}, {width}] on {threads} threads: {error}"
                    );
                }
            }
        }
    }
}
