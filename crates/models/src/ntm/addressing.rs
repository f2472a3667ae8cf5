//! The steps of addressing and access, each one equation of Graves et al., 2014, section 3.
//!
//! Everything is a sum of products, so that it is defined and continuous for relaxed addresses too.
//!
//! Shapes: memory `M` `[rows, slots, width]`; weightings `w` `[rows, heads, slots]`; keys, erase and add vectors
//! `[rows, heads, width]`; strength, gate and sharpening `[rows, heads, 1]`; shifts `[rows, heads, 3]`.

use burn::tensor::Tensor;

/// Added to both squared norms of a cosine: a memory of equal (even zero) rows is a legitimate start.
const NORM: f64 = 1e-6;
/// Added to a weighting before its logarithm.
const TINY: f64 = 1e-12;

/// `w_c(i) = softmax_i(beta cos(k, M(i)))` (equations 5 and 6).
///
/// No maximum is subtracted: a cosine is at most 1 and `beta` at most softplus of the largest
/// [pre-activation](super::Ntm), 20, so the exponential stays below 5e8.
#[must_use]
pub fn content(keys: Tensor<3>, strength: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
    // A product: the gradient of a power calls `powf` for every number of the memory.
    let norm = |x: &Tensor<3>| ((x.clone() * x.clone()).sum_dim(2) + NORM).sqrt();
    let scale = strength / norm(&keys);
    let norms = norm(&memory);
    let products = (keys * scale).matmul(memory.swap_dims(1, 2));
    bounded_softmax(products / norms.swap_dims(1, 2))
}

/// `w_g = g w_c + (1 - g) w_{t-1}` (equation 7).
#[must_use]
pub fn interpolate(gate: Tensor<3>, content: Tensor<3>, previous: Tensor<3>) -> Tensor<3> {
    previous.clone() + gate * (content - previous)
}

/// `w_s(i) = sum_j w(j) s(i - j mod N)` (equation 8), for shifts by -1, 0 and +1 in this order.
#[must_use]
pub fn shift(weighting: Tensor<3>, shifts: Tensor<3>) -> Tensor<3> {
    let slots = weighting.dims()[2];
    let last = weighting.clone().narrow(2, slots - 1, 1);
    let first = weighting.clone().narrow(2, 0, 1);
    // Entry i + 1 is w(i).
    let around = Tensor::cat(vec![last, weighting.clone(), first], 2);
    let part = |index: usize, values: Tensor<3>| shifts.clone().narrow(2, index, 1) * values;
    part(0, around.clone().narrow(2, 2, slots))
        + part(1, weighting)
        + part(2, around.narrow(2, 0, slots))
}

/// `gamma ln w_s(i)` up to a constant: the logarithm of the sharpened weighting before it is normalised (equation 9).
/// The largest entry is 0, so that nothing underflows where all entries are alike.
#[must_use]
pub fn sharpen_log(weighting: Tensor<3>, gamma: Tensor<3>) -> Tensor<3> {
    let log = (weighting + TINY).log();
    // A constant: it cancels when the weighting is normalised, in the value as in the gradient.
    let largest = log.clone().inner().max_dim(2);
    (log - largest) * gamma
}

/// `w(i) = w_s(i)^gamma / sum_j w_s(j)^gamma` (equation 9).
#[must_use]
pub fn sharpen(weighting: Tensor<3>, gamma: Tensor<3>) -> Tensor<3> {
    bounded_softmax(sharpen_log(weighting, gamma))
}

/// `r = sum_i w(i) M(i)` (equation 2), `[rows, heads, width]`.
#[must_use]
pub fn read(weighting: Tensor<3>, memory: Tensor<3>) -> Tensor<3> {
    weighting.matmul(memory)
}

/// `M(i) = M(i) prod_h (1 - w_h(i) e_h) + sum_h w_h(i) a_h` (equations 3 and 4): all erases before all adds.
#[must_use]
pub fn write(
    memory: Tensor<3>,
    weighting: Tensor<3>,
    erase: Tensor<3>,
    add: Tensor<3>,
) -> Tensor<3> {
    let heads = weighting.dims()[1];
    let column = weighting.swap_dims(1, 2);
    let mut kept = memory;
    let one = |x: &Tensor<3>, dim, head| match heads {
        1 => x.clone(),
        _ => x.clone().narrow(dim, head, 1),
    };
    for head in 0..heads {
        let erased = one(&column, 2, head) * one(&erase, 1, head);
        kept = kept.clone() - kept * erased;
    }
    let added = match heads {
        1 => column * add,
        _ => column.matmul(add),
    };
    kept + added
}

/// `softmax(logits)` for logits that are far from overflow: no maximum is subtracted.
pub(super) fn bounded_softmax(logits: Tensor<3>) -> Tensor<3> {
    normalise(logits.exp())
}

fn normalise(weights: Tensor<3>) -> Tensor<3> {
    let sum = weights.clone().sum_dim(2);
    weights / sum
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// A memory of equal rows, the largest strength and sharpening that the network can ask for, in single precision: with 200 rows
    /// `w^21` is 5e-49, below the smallest positive number, before it is normalised.
    #[test]
    fn equal_rows_and_extreme_parameters_give_numbers() {
        const ROWS: usize = 200;
        let device = Device::flex().autodiff();
        let full = |shape: [usize; 3], x: f64| Tensor::<3>::full(shape, x, &device).require_grad();
        for entry in [0.0, 1e-6, 1.0] {
            let memory = full([1, ROWS, 20], entry);
            let keys = full([1, 1, 20], 20.0);
            let [strength, gamma] = [20.0, 21.0].map(|x| full([1, 1, 1], x));
            let found = content(keys.clone(), strength.clone(), memory.clone());
            let shifts = full([1, 1, 3], 1.0 / 3.0);
            let w = sharpen(shift(found, shifts.clone()), gamma.clone());
            let written = write(
                memory.clone(),
                w.clone(),
                full([1, 1, 20], 1.0),
                keys.clone(),
            );
            let seen = read(w.clone(), written);
            let numbers = |x: Tensor<3>| x.into_data().try_to_vec::<f32>().unwrap();
            for x in numbers(w) {
                assert!((x - 1.0 / ROWS as f32).abs() < 1e-6, "{x}");
            }
            let gradients = seen.sum().backward();
            for leaf in [memory, keys, strength, gamma, shifts] {
                let gradient = numbers(leaf.grad(&gradients).unwrap());
                assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
            }
            // The check can fail: the same without the largest entry at 0.
            let power =
                Tensor::<3>::full([1, 1, ROWS], 1.0 / ROWS as f64, &Device::flex()).powi_scalar(21);
            let naive = power.clone() / power.sum_dim(2);
            assert!(numbers(naive).iter().all(|x| x.is_nan()));
        }
    }
}
