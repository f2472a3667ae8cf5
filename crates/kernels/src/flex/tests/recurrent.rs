//! Products with a packed matrix, and the recurrent layers.

use super::{pseudo_random, relative_error};
use crate::flex::isa::Isa;
use crate::flex::panels::Packed;
use crate::flex::{gru, lstm};

#[test]
fn packed_products_match_double_precision() {
    for isa in Isa::all() {
        for (rows, depth, width) in [
            (1, 1, 1),
            (3, 7, 31),
            (8, 32, 32),
            (21, 65, 100),
            (17, 9, 33),
        ] {
            let (a_stride, c_stride) = (depth + 3, width + 5);
            let a = pseudo_random(rows * a_stride, 1, 1.0);
            let b = pseudo_random(depth * width, 2, 1.0);
            let c = pseudo_random(rows * c_stride, 3, 1.0);
            let mut exact: Vec<f64> = c.iter().map(|&c| f64::from(c)).collect();
            let mut turned = vec![0.0; b.len()];
            for j in 0..width {
                for k in 0..depth {
                    turned[j * depth + k] = b[k * width + j];
                    for i in 0..rows {
                        exact[i * c_stride + j] +=
                            f64::from(a[i * a_stride + k]) * f64::from(b[k * width + j]);
                    }
                }
            }
            for packed in [
                Packed::new(&b, depth, width),
                Packed::transposed(&turned, depth, width),
            ] {
                let mut got = c.clone();
                packed.add_product(isa, rows, (&a, a_stride), (&mut got, c_stride));
                let error = relative_error(&got, &exact);
                assert!(error < 2e-6, "{isa:?} [{rows}, {depth}, {width}]: {error}");
                // A row does not depend on those beside it.
                let mut alone = c.clone();
                for i in 0..rows {
                    let a = (&a[i * a_stride..], a_stride);
                    packed.add_product(isa, 1, a, (&mut alone[i * c_stride..], c_stride));
                }
                assert_eq!(got, alone, "{isa:?}");
            }
        }
    }
}

#[test]
fn every_instruction_set_runs_the_same_lstm() {
    // The best one is held against the composed form in `tests/lstm.rs` and `tests/gru.rs`.
    let sizes = lstm::Sizes {
        batch: 11,
        steps: 4,
        hidden: 19,
    };
    let states = sizes.batch * sizes.hidden;
    let all = states * sizes.steps;
    let u = pseudo_random(4 * sizes.hidden * sizes.hidden, 1, 0.4);
    let bias = pseudo_random(4 * sizes.hidden, 2, 1.0);
    let [h0, c0] = [3, 4].map(|seed| pseudo_random(states, seed, 1.0));
    let g = pseudo_random(all, 5, 1.0);
    let mask: Vec<bool> = (0..sizes.batch * sizes.steps).map(|i| i % 5 != 3).collect();
    let run = |isa: Isa| {
        let mut gates = pseudo_random(4 * all, 6, 1.0);
        let [mut output, mut cells] = [0; 2].map(|_| vec![f32::NAN; all]);
        let packed = Packed::new(&u, sizes.hidden, 4 * sizes.hidden);
        let mask = lstm::Steps(Some(&mask));
        let inputs = lstm::Inputs {
            sizes,
            recurrent: Some(&packed),
            bias: &bias,
            h0: &h0,
            c0: &c0,
            mask,
        };
        lstm::forward(isa, inputs, &mut gates, &mut output, &mut cells);
        let packed = Packed::transposed(&u, 4 * sizes.hidden, sizes.hidden);
        let [mut dh, mut dc] = [7, 8].map(|seed| pseudo_random(states, seed, 1.0));
        let saved = lstm::Saved {
            sizes,
            recurrent: Some(&packed),
            c0: &c0,
            cells: &cells,
            mask,
            g: &g,
        };
        lstm::backward(isa, saved, &mut gates, &mut dh, &mut dc);
        [output, cells, gates, dh, dc]
    };
    let best = run(Isa::best()).map(|v| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    for isa in Isa::all() {
        for (got, best) in run(isa).iter().zip(&best) {
            let error = relative_error(got, best);
            assert!(error < 5e-6, "{isa:?}: {error}");
        }
    }
}

#[test]
fn every_instruction_set_runs_the_same_gru() {
    let sizes = lstm::Sizes {
        batch: 11,
        steps: 4,
        hidden: 19,
    };
    let states = sizes.batch * sizes.hidden;
    let all = states * sizes.steps;
    let u = pseudo_random(3 * sizes.hidden * sizes.hidden, 1, 0.4);
    let [bias, recurrent_bias] = [2, 3].map(|seed| pseudo_random(3 * sizes.hidden, seed, 1.0));
    let h0 = pseudo_random(states, 4, 1.0);
    let g = pseudo_random(all, 5, 1.0);
    let mask: Vec<bool> = (0..sizes.batch * sizes.steps).map(|i| i % 5 != 3).collect();
    let mask = lstm::Steps(Some(&mask));
    let run = |isa: Isa, reset_after: bool| {
        let mut gates = pseudo_random(3 * all, 6, 1.0);
        let (mut inner, mut output) = (vec![0.0; all], vec![f32::NAN; all]);
        let inputs = gru::Inputs {
            sizes,
            reset_after,
            recurrent: &gru::Recurrent::new(&u, sizes.hidden),
            bias: &bias,
            recurrent_bias: &recurrent_bias,
            h0: &h0,
            mask,
        };
        gru::forward(isa, inputs, &mut gates, &mut inner, &mut output);
        let mut dh = vec![0.0; states];
        let saved = gru::Saved {
            sizes,
            reset_after,
            recurrent: &gru::Recurrent::transposed(&u, sizes.hidden),
            h0: &h0,
            output: &output,
            mask,
            g: &g,
        };
        gru::backward(isa, saved, &mut gates, &mut inner, &mut dh);
        [output, gates, inner, dh]
    };
    for reset_after in [true, false] {
        let best = run(Isa::best(), reset_after);
        let best = best.map(|v| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        for isa in Isa::all() {
            for (got, best) in run(isa, reset_after).iter().zip(&best) {
                let error = relative_error(got, best);
                assert!(error < 5e-6, "{isa:?}: {error}");
            }
        }
        // The two places of the reset gate are not the same.
        let other = run(Isa::best(), !reset_after);
        assert!(relative_error(&other[0], &best[0]) > 1e-3);
    }
}
