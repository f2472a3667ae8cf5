//! An LSTM over whole sequences as one operation: loops over slices. The graph side is in `lstm_op`.
//!
//! The batch is split over threads and each runs all steps of its rows alone, so that no step waits for another thread.

use super::isa::{Isa, Task};
use super::norm::{NORMS, NormSlopes, Normalised, Norms, PullBack, normalise};
use super::panels::Factor;
use super::scalar::{self, fma};
use super::sequence::{Sizes, Steps, parts, run_all};

/// What the forward pass reads.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) sizes: Sizes,
    pub(super) x: &'a [f32],
    pub(super) input: &'a Factor<'a>,
    pub(super) recurrent: &'a Factor<'a>,
    pub(super) bias: &'a [f32],
    pub(super) norms: Option<Norms<'a>>,
    pub(super) h0: &'a [f32],
    pub(super) c0: &'a [f32],
    pub(super) mask: Steps<'a>,
}

/// What the forward pass of some rows leaves behind: all steps for the backward pass, or only the last.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// `[time, rows, 4 h]` in the order input, forget, candidate, output, after their squashing functions.
    pub(super) gates: Vec<f32>,
    /// `[time, rows, h]`.
    pub(super) cells: Vec<f32>,
    /// Of the products with x and with h; empty without layer norms.
    pub(super) products: [Normalised; 2],
}

impl Trace {
    fn clear(&mut self) {
        self.gates.clear();
        self.cells.clear();
        self.products.iter_mut().for_each(Normalised::clear);
    }
}

/// Runs all steps; `output` is `[batch, time, h]`. One trace for each task.
pub(super) fn forward(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Vec<Trace> {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = inputs.sizes;
    let rows = inputs.sizes.rows_per_task(4);
    let parts = parts(output, rows * steps * hidden);
    run_all(parts.take(batch.div_ceil(rows)), |task, output| {
        let (range, sizes) = inputs.sizes.task(task, rows);
        let part = |width: usize| range.start * width..range.end * width;
        let inputs = Inputs {
            sizes,
            x: &inputs.x[part(steps * input)],
            h0: &inputs.h0[part(hidden)],
            c0: &inputs.c0[part(hidden)],
            mask: inputs.mask.part(part(steps)),
            ..inputs
        };
        forward_rows(isa, inputs, keep, output)
    })
}

fn forward_rows(isa: Isa, inputs: Inputs<'_>, keep: bool, output: &mut [f32]) -> Trace {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = inputs.sizes;
    let width = 4 * hidden;
    let kept = if keep { steps } else { 1 };
    let normalised = inputs.norms.map_or(0, |_| kept * batch * width);
    let mut trace = Trace {
        gates: Vec::with_capacity(kept * batch * width),
        cells: Vec::with_capacity(kept * batch * hidden),
        products: [normalised; 2].map(Normalised::with_capacity),
    };
    // The states side by side: in the output they are far apart, and would meet in the same few lines of the cache.
    let (mut h, mut c) = (inputs.h0.to_vec(), inputs.c0.to_vec());
    let from_zero = h.iter().all(|&h| h == 0.0);
    for t in 0..steps {
        if !keep {
            trace.clear();
        }
        let start = trace.gates.len();
        for _ in 0..batch {
            trace.gates.extend_from_slice(inputs.bias);
        }
        let gates = &mut trace.gates[start..];
        let x = (&inputs.x[t * input..], steps * input);
        let before = (&*h, hidden);
        if let Some(norms) = inputs.norms {
            let [product, recurrent_product] = &mut trace.products;
            let [gain, recurrent_gain] = norms.products;
            product.add(isa, inputs.input, x, gain, gates);
            recurrent_product.add(isa, inputs.recurrent, before, recurrent_gain, gates);
        } else {
            let gates = &mut *gates;
            inputs.input.add_product(isa, batch, x, (gates, width));
            if t > 0 || !from_zero {
                inputs
                    .recurrent
                    .add_product(isa, batch, before, (gates, width));
            }
        }
        let states = h.chunks_exact_mut(hidden).zip(c.chunks_exact_mut(hidden));
        for (row, ((h, c), gates)) in states.zip(gates.chunks_exact_mut(width)).enumerate() {
            let at = row * steps + t;
            if inputs.mask.is_real(at) {
                isa.run(Cell {
                    gates,
                    norms: inputs.norms,
                    c,
                    h,
                });
            }
            output[at * hidden..][..hidden].copy_from_slice(h);
        }
        trace.cells.extend_from_slice(&c);
    }
    trace
}

/// One row of one step: c ← f·c + i·g, h = o·tanh c, or of c after its layer norm.
pub(super) struct Cell<'a> {
    pub(super) gates: &'a mut [f32],
    pub(super) norms: Option<Norms<'a>>,
    pub(super) c: &'a mut [f32],
    pub(super) h: &'a mut [f32],
}

impl Task for Cell<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.h.len();
        let (i, rest) = self.gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let gates = i.iter_mut().zip(f).zip(g).zip(&mut *o);
        for ((((i, f), g), o), (c, h)) in gates.zip(self.c.iter_mut().zip(&mut *self.h)) {
            *i = scalar::sigmoid::<FMA>(*i);
            *f = scalar::sigmoid::<FMA>(*f);
            *g = scalar::tanh::<FMA>(*g);
            *o = scalar::sigmoid::<FMA>(*o);
            *c = fma::<FMA>(*f, *c, *i * *g);
            *h = *c;
        }
        if let Some(Norms { gain, bias, .. }) = self.norms {
            normalise(self.h);
            for ((h, gain), bias) in self.h.iter_mut().zip(gain).zip(bias) {
                *h = fma::<FMA>(*gain, *h, *bias);
            }
        }
        for (h, o) in self.h.iter_mut().zip(o) {
            *h = *o * scalar::tanh::<FMA>(*h);
        }
    }
}

/// What the backward pass reads beside the trace.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) sizes: Sizes,
    /// The transposes; that of the input weights where x gets a gradient.
    pub(super) input: Option<&'a Factor<'a>>,
    pub(super) recurrent: &'a Factor<'a>,
    pub(super) norms: Option<Norms<'a>>,
    pub(super) c0: &'a [f32],
    /// Whether the initial hidden state gets a gradient.
    pub(super) to_h0: bool,
    pub(super) mask: Steps<'a>,
    /// The gradient of the output, `[batch, time, h]`.
    pub(super) g: &'a [f32],
}

/// Gradients that the backward pass works on.
pub(super) struct Slopes<'a> {
    /// Of the final states on entry, of the initial ones on return, `[batch, h]`.
    pub(super) h: &'a mut [f32],
    pub(super) c: &'a mut [f32],
    /// Zeros on entry, of x on return, or empty.
    pub(super) x: &'a mut [f32],
    /// Zeros on entry, of the norms' gains and biases by row on return, `[batch, NORMS · h]`, or empty.
    pub(super) norms: &'a mut [f32],
}

/// Runs all steps backwards. On return the traces hold the gradients of the gates' arguments in place of the gates, and those of the
/// products in place of the normalised products.
pub(super) fn backward(isa: Isa, saved: Saved<'_>, traces: &mut [Trace], slopes: Slopes<'_>) {
    let Sizes {
        steps,
        input,
        hidden,
        ..
    } = saved.sizes;
    let rows = traces[0].cells.len() / (steps * hidden);
    let Slopes { h, c, x, norms } = slopes;
    let slopes = parts(h, rows * hidden)
        .zip(parts(c, rows * hidden))
        .zip(parts(x, rows * steps * input))
        .zip(parts(norms, rows * NORMS * hidden))
        .map(|(((h, c), x), norms)| Slopes { h, c, x, norms });
    run_all(traces.iter_mut().zip(slopes), |task, (trace, slopes)| {
        let (range, sizes) = saved.sizes.task(task, rows);
        let part = |width: usize| range.start * width..range.end * width;
        let saved = Saved {
            sizes,
            c0: &saved.c0[part(hidden)],
            g: &saved.g[part(steps * hidden)],
            mask: saved.mask.part(part(steps)),
            ..saved
        };
        backward_rows(isa, saved, trace, slopes);
    });
}

fn backward_rows(isa: Isa, saved: Saved<'_>, trace: &mut Trace, slopes: Slopes<'_>) {
    let Sizes {
        batch,
        steps,
        input,
        hidden,
    } = saved.sizes;
    let (width, step) = (4 * hidden, batch * hidden);
    let mut scratch = vec![0.0; width];
    for t in (0..steps).rev() {
        let gates = &mut trace.gates[t * batch * width..][..batch * width];
        let (earlier, cells) = trace.cells.split_at(t * step);
        let before = if t == 0 {
            saved.c0
        } else {
            &earlier[(t - 1) * step..]
        };
        for (row, gates) in gates.chunks_exact_mut(width).enumerate() {
            let state = row * hidden..(row + 1) * hidden;
            let (dh, dc) = (&mut slopes.h[state.clone()], &mut slopes.c[state.clone()]);
            let at = row * steps + t;
            let g = &saved.g[at * hidden..][..hidden];
            let is_real = saved.mask.is_real(at);
            let mut norms = saved.norms.map(|norms| {
                let all = &mut slopes.norms[row * NORMS * hidden..][..NORMS * hidden];
                (norms, NormSlopes::new(all))
            });
            if is_real {
                isa.run(CellGradient {
                    gates,
                    c_before: &before[state.clone()],
                    c: &cells[state],
                    g,
                    dh,
                    dc,
                    norm: norms.as_mut().map(|(norms, slopes)| CellNorm {
                        gain: norms.gain,
                        bias: norms.bias,
                        d_gain: slopes.gain,
                        d_bias: slopes.bias,
                        scratch: &mut scratch,
                    }),
                });
            } else {
                // The states went through as they were.
                gates.fill(0.0);
                for (dh, g) in dh.iter_mut().zip(g) {
                    *dh += g;
                }
            }
            if let Some((norms, slopes)) = norms {
                let gains = norms.products.into_iter().zip(slopes.products);
                for (product, (gain, d_gain)) in trace.products.iter_mut().zip(gains) {
                    let d = is_real.then_some(&*gates);
                    product.pull_back(isa, t * batch + row, d, gain, d_gain, &mut scratch);
                }
            }
        }
        let step = t * batch * width;
        let [to_x, to_h] = if saved.norms.is_some() {
            trace
                .products
                .each_ref()
                .map(|product| &product.rows[step..])
        } else {
            [&trace.gates[step..]; 2]
        };
        if t > 0 || saved.to_h0 {
            let dh = (&mut *slopes.h, hidden);
            saved.recurrent.add_product(isa, batch, (to_h, width), dh);
        }
        if let Some(weights) = saved.input {
            let dx = (&mut slopes.x[t * input..], steps * input);
            weights.add_product(isa, batch, (to_x, width), dx);
        }
    }
}

/// One row of one step backwards. `dh` is left at zero, for the product with `Uᵀ` to be added.
pub(super) struct CellGradient<'a> {
    pub(super) gates: &'a mut [f32],
    pub(super) c_before: &'a [f32],
    pub(super) c: &'a [f32],
    pub(super) g: &'a [f32],
    pub(super) dh: &'a mut [f32],
    pub(super) dc: &'a mut [f32],
    pub(super) norm: Option<CellNorm<'a>>,
}

/// The layer norm of the cell state.
pub(super) struct CellNorm<'a> {
    pub(super) gain: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) d_gain: &'a mut [f32],
    pub(super) d_bias: &'a mut [f32],
    pub(super) scratch: &'a mut [f32],
}

impl Task for CellGradient<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let n = self.g.len();
        let (i, rest) = self.gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let output = o.iter_mut().zip(self.g).zip(self.dh);
        if let Some(norm) = self.norm {
            let (x, rest) = norm.scratch.split_at_mut(n);
            let (d, rest) = rest.split_at_mut(n);
            x.copy_from_slice(self.c);
            let scale = normalise(x);
            let affine = x.iter().zip(norm.gain).zip(norm.bias);
            let slopes = d.iter_mut().zip(norm.d_bias);
            for ((((o, g), dh), ((x, gain), bias)), (d, d_bias)) in output.zip(affine).zip(slopes) {
                *d = output_gradient::<FMA>(o, *g, dh, fma::<FMA>(*gain, *x, *bias));
                *d_bias += *d;
            }
            let pull_back = PullBack {
                x,
                scale,
                d,
                gain: norm.gain,
                d_gain: norm.d_gain,
                scratch: &mut rest[..n],
            };
            pull_back.run::<FMA>();
            for (dc, x) in self.dc.iter_mut().zip(x) {
                *dc += *x;
            }
        } else {
            for (((o, g), dh), (c, dc)) in output.zip(self.c.iter().zip(&mut *self.dc)) {
                *dc += output_gradient::<FMA>(o, *g, dh, *c);
            }
        }
        let gates = i.iter_mut().zip(f).zip(g);
        for (((i, f), g), (c_before, dc)) in gates.zip(self.c_before.iter().zip(self.dc)) {
            let (di, df, dg) = (*dc * *g, *dc * c_before, *dc * *i);
            *dc *= *f;
            *i = di * *i * (1.0 - *i);
            *f = df * *f * (1.0 - *f);
            *g = dg * (1.0 - *g * *g);
        }
    }
}

/// From h = o·tanh y: the gradient of y, and that of o's argument in place of o.
#[inline(always)]
fn output_gradient<const FMA: bool>(o: &mut f32, g: f32, dh: &mut f32, y: f32) -> f32 {
    let d = g + *dh;
    *dh = 0.0;
    let tanh = scalar::tanh::<FMA>(y);
    let dy = d * *o * (1.0 - tanh * tanh);
    *o = d * tanh * *o * (1.0 - *o);
    dy
}
