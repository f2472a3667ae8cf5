//! Texts from latents.

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_grammar::{Draws, GrammarError, argmax, sample};
use unbiased_kernels::substream;

use super::model::Gvae;
use super::notation::{Masks, Notation, Writer};

/// How a choice is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// Drawn; what a row draws depends on the seed and on its place.
    Draw {
        /// The seed.
        seed: u64,
    },
    /// The most probable one at every step.
    Mode,
}

/// One text per latent, `z` `[rows, latents]` without gradient; `None` where the steps were over before the text was.
///
/// # Errors
/// Nothing can be finished within the steps, where that is asked for.
///
/// # Panics
/// If the device fails to give back its numbers.
pub fn write(
    model: &Gvae,
    z: Tensor<2>,
    notation: &dyn Notation,
    masks: Masks,
    pick: Pick,
) -> Result<Vec<Option<String>>, GrammarError> {
    let sizes = model.sizes();
    let (rows, device) = (z.dims()[0], z.device());
    let writer = |_| notation.writer(sizes.steps, masks);
    let mut writers: Vec<Box<dyn Writer + '_>> = (0..rows).map(writer).collect::<Result<_, _>>()?;
    let stream = |row| match pick {
        Pick::Draw { seed } => Draws::new(substream(seed, row as u64)),
        Pick::Mode => Draws::new(0),
    };
    let mut draws: Vec<Draws> = (0..rows).map(stream).collect();
    let mut decoder = model.decoder.unroll(z);
    let mut previous = Tensor::zeros([rows, sizes.width], &device);
    for _ in 0..sizes.steps {
        if writers.iter().all(|writer| writer.is_finished()) {
            break;
        }
        let about: Vec<u16> = writers.iter().map(|writer| writer.context()).collect();
        let logits = decoder.next(previous, one_hot(&about, sizes.contexts, &device));
        let logits = logits.into_data_as::<f32>().try_to_vec::<f32>();
        let logits = logits.expect("converted to f32");
        let mut choices = Vec::with_capacity(rows);
        for (row, writer) in writers.iter_mut().enumerate() {
            let logits = &logits[row * sizes.width..][..sizes.width];
            let choice = match pick {
                Pick::Draw { .. } => sample(logits, writer.mask(), &mut draws[row]),
                Pick::Mode => argmax(logits, writer.mask()),
            };
            writer.push(choice);
            choices.push(choice);
        }
        previous = one_hot(&choices, sizes.width, &device);
    }
    Ok(writers.iter().map(|writer| writer.text()).collect())
}

fn one_hot(numbers: &[u16], width: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; numbers.len() * width];
    for (row, &number) in values.chunks_exact_mut(width).zip(numbers) {
        row[usize::from(number)] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [numbers.len(), width]), device)
}
