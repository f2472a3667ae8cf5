//! Masks as tensors, and choices drawn from masked logits, on any device of Burn (feature `burn`).
//!
//! `log p(r) = logits(r) - log sum_{allowed r'} exp logits(r')`, minus infinity where `r` is forbidden. A choice is the largest of `logits + Gumbel noise`
//! among what is allowed (Gumbel-max), with the noise as an argument; without noise it is the mode. Only stacks stay on the host.
//!
//! Shapes: logits, masks and noise `[rows, choices]`; choices `[rows]`. Masks are true where allowed.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::bits;
use crate::codec::Codec;

/// Logits are cut here before choices are made, so that a forbidden one, at minus infinity, is smaller than any other.
const LARGEST: f32 = 1e30;

/// The masks of all nonterminals on a device; a step sends one number per row.
#[derive(Debug, Clone)]
pub struct MaskRows {
    /// `[nonterminals + 1, choices]`, 1 where allowed; the last row is that of padding.
    table: Tensor<2>,
}

impl MaskRows {
    /// Sends the masks of a codec.
    #[must_use]
    pub fn new(codec: &Codec<'_>, device: &Device) -> Self {
        let rows = 0..=codec.mask_of(codec.padding());
        let words: Vec<u64> = rows
            .clone()
            .flat_map(|row| codec.mask(row).to_vec())
            .collect();
        let allowed: Vec<f32> = unpacked(&words, codec.words(), codec.width())
            .into_iter()
            .map(|allowed| f32::from(u8::from(allowed)))
            .collect();
        let shape = [rows.len(), codec.width()];
        Self {
            table: Tensor::from_data(TensorData::new(allowed, shape), device),
        }
    }

    /// The masks of these nonterminals: `[rows, choices]`. With [`Codec::mask_of`] those of a known derivation, with
    /// [`Decoder::nonterminal`](crate::Decoder::nonterminal) those of a decoder.
    ///
    /// # Panics
    /// When a number is above that of padding.
    #[must_use]
    pub fn select(&self, nonterminals: &[u16]) -> Tensor<2, Bool> {
        let rows = self.table.dims()[0];
        let largest = nonterminals.iter().copied().max().map_or(0, usize::from);
        assert!(
            largest < rows,
            "expected numbers of nonterminals below {rows}, got {largest}"
        );
        let numbers: Vec<i32> = nonterminals.iter().map(|&n| i32::from(n)).collect();
        let shape = [numbers.len()];
        let device = self.table.device();
        let numbers = Tensor::<1, Int>::from_data(TensorData::new(numbers, shape), &device);
        self.table.clone().select(0, numbers).greater_scalar(0.5)
    }
}

fn unpacked(masks: &[u64], words: usize, width: usize) -> Vec<bool> {
    let rows = masks.chunks_exact(words);
    rows.flat_map(|row| (0..width).map(|choice| bits::contains(row, choice)))
        .collect()
}

/// Sends masks of any kind, `words` for each row: `[rows, width]`.
///
/// # Panics
/// When the masks are no whole number of rows, or a row has fewer bits than `width`.
#[must_use]
pub fn upload(masks: &[u64], words: usize, width: usize, device: &Device) -> Tensor<2, Bool> {
    assert!(
        masks.len().is_multiple_of(words) && width <= words * 64,
        "expected rows of {words} words for {width} choices, got {} words",
        masks.len()
    );
    let shape = [masks.len() / words, width];
    Tensor::from_data(
        TensorData::new(unpacked(masks, words, width), shape),
        device,
    )
}

/// `log softmax` over what is allowed, minus infinity elsewhere, in nats. Take entries with `gather`: a product with a one-hot would be `0 * -inf`.
///
/// # Panics
/// When the shapes differ.
#[must_use]
pub fn log_probs(logits: Tensor<2>, allowed: Tensor<2, Bool>) -> Tensor<2> {
    same_shape(&logits, &allowed);
    log_softmax(logits.mask_fill(allowed.bool_not(), f32::NEG_INFINITY), 1)
}

/// The largest of `logits + noise` in each row among what is allowed: with standard Gumbel noise a draw, with zeros the mode. What is forbidden
/// is never picked; logits beyond 1e30 are cut, those that are no number count as smallest.
///
/// # Panics
/// When the shapes differ.
#[must_use]
pub fn pick(logits: Tensor<2>, allowed: Tensor<2, Bool>, noise: Tensor<2>) -> Tensor<1, Int> {
    same_shape(&logits, &allowed);
    let scores = logits + noise;
    let unknown = scores.clone().is_nan();
    let scores = scores.mask_fill(unknown, -LARGEST).clamp(-LARGEST, LARGEST);
    let scores = scores.mask_fill(allowed.bool_not(), f32::NEG_INFINITY);
    scores.argmax(1).squeeze_dim::<1>(1)
}

fn same_shape(logits: &Tensor<2>, allowed: &Tensor<2, Bool>) {
    let (logits, allowed) = (logits.dims(), allowed.dims());
    assert_eq!(
        logits, allowed,
        "expected a mask of shape {logits:?}, got {allowed:?}"
    );
}
