//! Products with a packed matrix, and the recurrent layers.

use super::{pseudo_random, relative_error};
use crate::flex::isa::Isa;
use crate::flex::norm::{NORMS, Norms};
use crate::flex::panels::{Factor, OuterProducts};
use crate::flex::sequence::{Sizes, Steps, in_order};
use crate::flex::{gru, lstm};

#[test]
fn products_match_double_precision() {
    for isa in Isa::all() {
        for (rows, depth, width) in [
            (1, 1, 1),
            (3, 7, 31),
            (8, 32, 32),
            (21, 65, 100),
            (17, 9, 33),
            (6, 5, 200),
            (2, 300, 520),
        ] {
            let (a_stride, c_stride) = (depth + 3, width + 5);
            let a = pseudo_random(rows * a_stride, 1, 1.0);
            // Some columns of a larger matrix, and the transpose of it.
            let (all, columns) = (width + 9, 4..width + 4);
            let b = pseudo_random(depth * all, 2, 1.0);
            let c = pseudo_random(rows * c_stride, 3, 1.0);
            let mut exact: Vec<f64> = c.iter().map(|&c| f64::from(c)).collect();
            let turned_columns = 2..depth + 2;
            let mut turned = vec![f32::NAN; width * (depth + 2)];
            for j in 0..width {
                for k in 0..depth {
                    let b = b[k * all + 4 + j];
                    turned[j * (depth + 2) + 2 + k] = b;
                    for i in 0..rows {
                        exact[i * c_stride + j] += f64::from(a[i * a_stride + k]) * f64::from(b);
                    }
                }
            }
            let factors = [
                Factor::packed(&b, all, columns.clone()),
                Factor::flat(&b, all, columns),
                Factor::transposed(&turned, depth + 2, turned_columns),
            ];
            let mut first = None;
            for factor in factors {
                let mut got = c.clone();
                factor.add_product(isa, rows, (&a, a_stride), (&mut got, c_stride));
                let error = relative_error(&got, &exact);
                assert!(error < 2e-6, "{isa:?} [{rows}, {depth}, {width}]: {error}");
                // A row does not depend on those beside it.
                let mut alone = c.clone();
                for i in 0..rows {
                    let a = (&a[i * a_stride..], a_stride);
                    factor.add_product(isa, 1, a, (&mut alone[i * c_stride..], c_stride));
                }
                assert_eq!(got, alone, "{isa:?}");
                // Nor on how the factor is kept.
                assert_eq!(&got, first.get_or_insert(alone), "{isa:?}");
            }
        }
    }
}

#[test]
fn outer_products_match_double_precision() {
    for isa in Isa::all() {
        for (rows, height, widths) in [
            (1, 1, [1, 1]),
            (7, 5, [3, 65]),
            (97, 30, [70, 64]),
            (300, 129, [200, 20]),
        ] {
            let a = pseudo_random(rows * height, 1, 1.0);
            let left: Vec<&[f32]> = a.chunks_exact(height).collect();
            let ones: Vec<&[f32]> = vec![&[1.0]; rows];
            let all = widths[0] + widths[1];
            let b = pseudo_random(rows * all, 2, 1.0);
            let (right, rest): (Vec<&[f32]>, Vec<&[f32]>) = b
                .chunks_exact(all)
                .map(|row| row.split_at(widths[0]))
                .unzip();
            let [product, sum] = OuterProducts::new(isa, [&left, &ones], &right);
            let [more, more_sum] = OuterProducts::new(isa, [&left, &ones], &rest);
            let (mut exact, mut exact_sum) = (vec![0.0; height * all], vec![0.0; all]);
            for r in 0..rows {
                for j in 0..all {
                    let b = f64::from(b[r * all + j]);
                    exact_sum[j] += b;
                    for i in 0..height {
                        exact[i * all + j] += f64::from(a[r * height + i]) * b;
                    }
                }
            }
            let product = OuterProducts::side_by_side(&[&product, &more]);
            let sum = OuterProducts::side_by_side(&[&sum, &more_sum]);
            let errors = [
                relative_error(&product, &exact),
                relative_error(&sum, &exact_sum),
            ];
            assert!(
                errors.iter().all(|&e| e < 2e-6),
                "{isa:?} [{rows}, {height}, {all}]: {errors:?}"
            );
        }
    }
}

/// Runs `work` on so many threads.
fn on_threads<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.build().unwrap().install(work)
}

/// All results of one form on every instruction set against those on the best, and bit by bit on several threads.
fn compare(run: impl Fn(Isa) -> Vec<Vec<f32>> + Sync) {
    let best = on_threads(1, || run(Isa::best()));
    for threads in [2, 3] {
        assert_eq!(best, on_threads(threads, || run(Isa::best())), "{threads}");
    }
    for isa in Isa::all() {
        for (got, best) in run(isa).iter().zip(&best) {
            let best: Vec<f64> = best.iter().map(|&x| f64::from(x)).collect();
            let error = relative_error(got, &best);
            assert!(error < 5e-6, "{isa:?}: {error}");
        }
    }
}

/// Large enough to be split; the best instruction set is held against the composed form in `tests/agreement`.
const SIZES: Sizes = Sizes {
    batch: 21,
    steps: 4,
    input: 23,
    hidden: 83,
};

fn mask() -> Vec<bool> {
    (0..SIZES.batch * SIZES.steps).map(|i| i % 5 != 3).collect()
}

#[test]
fn every_instruction_set_and_every_split_runs_the_same_lstm() {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = SIZES;
    let width = 4 * hidden;
    let x = pseudo_random(batch * steps * input, 6, 1.0);
    let w = pseudo_random(input * width, 8, 0.4);
    let u = pseudo_random(hidden * width, 1, 0.2);
    let bias = pseudo_random(width, 2, 1.0);
    let [h0, c0] = [3, 4].map(|seed| pseudo_random(batch * hidden, seed, 1.0));
    let g = pseudo_random(batch * steps * hidden, 5, 1.0);
    let all_norms = pseudo_random(NORMS * hidden, 9, 1.0);
    let mask = mask();
    let run = |isa: Isa, normed: bool| {
        let norms = normed.then(|| Norms::new(&all_norms));
        let mut output = vec![f32::NAN; g.len()];
        let inputs = lstm::Inputs {
            sizes: SIZES,
            x: &x,
            input: &Factor::packed(&w, width, 0..width),
            recurrent: &Factor::packed(&u, width, 0..width),
            bias: &bias,
            norms,
            h0: &h0,
            c0: &c0,
            mask: Steps(Some(&mask)),
        };
        let mut traces = lstm::forward(isa, inputs, true, &mut output);
        let mut again = vec![f32::NAN; g.len()];
        let last = lstm::forward(isa, inputs, false, &mut again);
        assert_eq!(output, again);
        for (last, trace) in last.iter().zip(&traces) {
            assert!(trace.cells.ends_with(&last.cells));
        }
        let cells = traces.iter().map(|trace| &trace.cells);
        let cells = in_order(cells, steps, hidden).concat();
        let [mut dh, mut dc] = [7, 8].map(|seed| pseudo_random(batch * hidden, seed, 1.0));
        let mut dx = vec![0.0; x.len()];
        let saved = lstm::Saved {
            sizes: SIZES,
            input: Some(&Factor::transposed(&w, width, 0..width)),
            recurrent: &Factor::transposed(&u, width, 0..width),
            norms,
            c0: &c0,
            to_h0: true,
            mask: inputs.mask,
            g: &g,
        };
        let size = if normed { all_norms.len() * batch } else { 0 };
        let mut dnorms = vec![0.0; size];
        let slopes = lstm::Slopes {
            h: &mut dh,
            c: &mut dc,
            x: &mut dx,
            norms: &mut dnorms,
        };
        lstm::backward(isa, saved, &mut traces, slopes);
        let gates = traces.iter().map(|trace| &trace.gates);
        let gates = in_order(gates, steps, width);
        let x: Vec<&[f32]> = x.chunks_exact(input).collect();
        let [dw] = OuterProducts::new(isa, [&x], &gates);
        let dw = OuterProducts::side_by_side(&[&dw]);
        let mut all = vec![output, cells, gates.concat(), dh, dc, dx, dw];
        all.extend(normed.then_some(dnorms));
        all
    };
    for normed in [false, true] {
        compare(|isa| run(isa, normed));
    }
}

#[test]
fn every_instruction_set_and_every_split_runs_the_same_gru() {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = SIZES;
    let width = 3 * hidden;
    let x = pseudo_random(batch * steps * input, 6, 1.0);
    let w = pseudo_random(input * width, 8, 0.4);
    let u = pseudo_random(hidden * width, 1, 0.2);
    let bias = pseudo_random(width, 2, 1.0);
    let inner_bias = pseudo_random(hidden, 3, 1.0);
    let h0 = pseudo_random(batch * hidden, 4, 1.0);
    let g = pseudo_random(batch * steps * hidden, 5, 1.0);
    let mask = mask();
    let run = |isa: Isa, reset_after: bool| {
        let mut output = vec![f32::NAN; g.len()];
        let inputs = gru::Inputs {
            sizes: SIZES,
            reset_after,
            x: &x,
            input: &Factor::packed(&w, width, 0..width),
            recurrent: &gru::Recurrent::new(&u, hidden, Factor::packed),
            bias: &bias,
            inner_bias: &inner_bias,
            h0: &h0,
            mask: Steps(Some(&mask)),
        };
        let mut traces = gru::forward(isa, inputs, true, &mut output);
        let mut again = vec![f32::NAN; g.len()];
        gru::forward(isa, inputs, false, &mut again);
        assert_eq!(output, again);
        let (mut dh, mut dx) = (vec![0.0; h0.len()], vec![0.0; x.len()]);
        let saved = gru::Saved {
            sizes: SIZES,
            reset_after,
            input: Some(&Factor::transposed(&w, width, 0..width)),
            recurrent: &gru::Recurrent::new(&u, hidden, Factor::transposed),
            h0: &h0,
            output: &output,
            mask: inputs.mask,
            g: &g,
        };
        gru::backward(isa, saved, &mut traces, [&mut dh, &mut dx]);
        let gates = traces.iter().map(|trace| &trace.gates);
        let gates = in_order(gates, steps, width).concat();
        let inner = traces.iter().map(|trace| &trace.inner);
        let inner = in_order(inner, steps, hidden).concat();
        vec![output, gates, inner, dh, dx]
    };
    for reset_after in [true, false] {
        compare(|isa| run(isa, reset_after));
    }
    // The two places of the reset gate are not the same.
    let [after, before] = [true, false].map(|place| run(Isa::best(), place).swap_remove(0));
    let before: Vec<f64> = before.iter().map(|&x| f64::from(x)).collect();
    assert!(relative_error(&after, &before) > 1e-3);
}
