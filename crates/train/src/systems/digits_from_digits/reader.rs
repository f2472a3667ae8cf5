//! The judge: taught to read whole digits once, then left as it is.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use unbiased_kernels::log_softmax;
use unbiased_models::digits_from_digits::{CLASSES, Judge};
use unbiased_models::jigsaw::Grid;

use crate::data::{ImageSet, Order, Split};
use crate::optimizer::OptimizerConfig;
use crate::transfer::host;

/// The `[reader]` section: how the judge is taught, by Adam at a rate of 1e-3.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReaderSettings {
    /// Steps.
    pub(super) steps: usize,
    /// Images per step.
    pub(super) batch: usize,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        Self {
            steps: 1500,
            batch: 64,
        }
    }
}

/// A [`Judge`] that can read. It depends on the data and its settings, not on the run's seed, so it is the same for all runs.
#[derive(Clone)]
pub(super) struct Reader(Judge);

/// Seed of the judge.
const SEED: u64 = 0;

impl Reader {
    /// A judge that has learnt from the training images, at the size to which `grid` brings them.
    pub(super) fn taught(
        settings: &ReaderSettings,
        grid: Grid,
        images: &ImageSet,
        device: &Device,
    ) -> Self {
        let side = grid.side * grid.piece;
        let mut judge = Judge::new(side, SEED, &device.clone().autodiff());
        let mut optimizer = OptimizerConfig::default().for_model();
        let mut order = Order::new(SEED, images.train.len(), settings.batch);
        let size = [images.train.height(), images.train.width()];
        // A grid of one piece resizes and does not cut.
        let whole = Grid {
            side: 1,
            piece: side,
        };
        for step in 0..settings.steps as u64 {
            let indices = order.batch(step);
            let pixels = images.pixels(Split::Train, &indices, 0);
            let pictures: Vec<f32> = pixels
                .chunks_exact(images.train.size())
                .flat_map(|image| whole.cut(image, size))
                .collect();
            let pictures = TensorData::new(pictures, [indices.len(), side, side]);
            let mut wanted = vec![0.0_f32; indices.len() * CLASSES];
            for (row, &i) in wanted.chunks_exact_mut(CLASSES).zip(&indices) {
                if let Some(label) = images.train.label(i) {
                    row[usize::from(label)] = 1.0;
                }
            }
            let wanted = TensorData::new(wanted, [indices.len(), CLASSES]);
            let logits = judge.logits(Tensor::from_data(pictures, device));
            let log_p = log_softmax(logits) * Tensor::from_data(wanted, device);
            let loss = log_p.sum_dim(1).mean().neg();
            let gradients = GradientsParams::from_grads(loss.backward(), &judge);
            judge = optimizer.step(judge, gradients);
        }
        Self(judge.valid())
    }

    /// How many of the pictures `[digits, height, width]` it reads as what they should be.
    pub(super) fn right(&self, pictures: Tensor<3>, classes: &[u8]) -> anyhow::Result<f64> {
        let logits = host(self.0.logits(pictures))?;
        let read = logits.chunks_exact(CLASSES).map(|logits| {
            let best = (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            best.unwrap_or_default()
        });
        let right = read
            .zip(classes)
            .filter(|&(read, &class)| read == usize::from(class));
        Ok(right.count() as f64)
    }
}
