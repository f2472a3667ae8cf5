//! Rows of choices on a device, with the masks they are trained under.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use unbiased_grammar::{GrammarError, bits, device};

use super::notation::{Masks, Notation};

/// Texts as a model sees them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One-hot, `[rows, steps, width]`.
    pub choices: Tensor<3>,
    /// What every step is about, one-hot, `[rows, steps, contexts]`.
    pub contexts: Tensor<3>,
    /// What a step must not choose, `[rows * steps, width]`.
    pub forbidden: Tensor<2, Bool>,
    /// Steps before the padding, `[rows, steps]`; of an empty text the first.
    pub present: Tensor<2, Bool>,
    /// 0 where the decoder is not shown the choice before a step, `[rows, steps, 1]`: word dropout.
    pub shown: Option<Tensor<3>>,
}

impl Batch {
    /// Rows padded to one length, each a text that was read by `notation`.
    ///
    /// # Errors
    /// Nothing can be finished within that many steps under `masks`.
    ///
    /// # Panics
    /// If there is no row, the rows differ in length, or one holds a choice that its mask does not.
    pub fn new(
        notation: &dyn Notation,
        masks: Masks,
        rows: &[&[u16]],
        device: &Device,
    ) -> Result<Self, GrammarError> {
        let steps = rows.first().expect("at least one row").len();
        let (width, contexts) = (notation.width(), notation.contexts());
        let places = rows.len() * steps;
        let mut choices = vec![0.0_f32; places * width];
        let mut abouts = vec![0.0_f32; places * contexts];
        let mut allowed = Vec::with_capacity(places * bits::words(width));
        let mut present = Vec::with_capacity(places);
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(
                row.len(),
                steps,
                "expected rows of {steps} choices, got {}",
                row.len()
            );
            let mut writer = notation.writer(steps, masks)?;
            for (step, &choice) in row.iter().enumerate() {
                let place = at * steps + step;
                present.push(step == 0 || !writer.is_finished() && usize::from(choice) + 1 < width);
                abouts[place * contexts + usize::from(writer.context())] = 1.0;
                allowed.extend_from_slice(writer.mask());
                writer.push(choice);
                choices[place * width + usize::from(choice)] = 1.0;
            }
        }
        let upload = |values: Vec<f32>, columns| {
            let data = TensorData::new(values, [rows.len(), steps, columns]);
            Tensor::<3>::from_data(data, device)
        };
        Ok(Self {
            choices: upload(choices, width),
            contexts: upload(abouts, contexts),
            forbidden: device::upload(&allowed, bits::words(width), width, device).bool_not(),
            present: Tensor::from_data(TensorData::new(present, [rows.len(), steps]), device),
            shown: None,
        })
    }

    /// The same with word dropout: `shown` holds, row by row, 1 where the decoder sees the choice before a step and 0 where not.
    ///
    /// # Panics
    /// If there is not one number per step.
    #[must_use]
    pub fn showing(mut self, shown: Vec<f32>) -> Self {
        let [rows, steps, _] = self.choices.dims();
        let data = TensorData::new(shown, [rows, steps, 1]);
        self.shown = Some(Tensor::from_data(data, &self.choices.device()));
        self
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.choices.dims()[0]
    }

    /// The choice before every step, one-hot, nothing before the first, `[rows, steps, width]`.
    #[must_use]
    pub fn previous(&self) -> Tensor<3> {
        let [rows, steps, width] = self.choices.dims();
        let first = Tensor::zeros(
            [rows, 1, width],
            (&self.choices.device(), self.choices.dtype()),
        );
        let rest = self.choices.clone().narrow(1, 0, steps - 1);
        let previous = Tensor::cat(vec![first, rest], 1);
        match &self.shown {
            Some(shown) => previous * shown.clone(),
            None => previous,
        }
    }
}
