//! Images with labels, some of them wrong.

use burn::tensor::{Device, Tensor, TensorData};
use unbiased_estimators::{Key, Noise, NoiseLaw, Role};
use unbiased_models::bilevel::{Cleaning, Solver};

use super::settings::ModelSettings;
use crate::data::{ImageSet, Split};
use crate::error::Failure;
use crate::transfer::host;

/// Images with labels, some of them wrong.
pub(super) struct Labelled {
    pub(super) cleaning: Cleaning,
    /// Which training labels are right, as a fact that only evaluation sees.
    pub(super) clean: Vec<bool>,
    pub(super) test: [Tensor<2>; 2],
}

const CLASSES: usize = 10;

impl Labelled {
    pub(super) fn new(
        images: &ImageSet,
        settings: &ModelSettings,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Failure> {
        let n = settings.examples;
        for split in [Split::Train, Split::Valid] {
            let there = images.split(split).len();
            if there < n {
                return Err(Failure::usage(format!(
                    "model.examples is {n}, but the {split} split has {there} images"
                )));
            }
        }
        let mut clean = vec![true; n];
        let uniforms = Noise::new(seed, 0).draw(
            NoiseLaw::Uniform,
            &Key::new("labels", 0),
            Role::Other(0),
            1,
            1,
            n,
            2,
            device,
        );
        let uniforms = host(uniforms).map_err(Failure::from)?;
        let corrupted: Vec<u8> = (0..n)
            .map(|i| {
                let label = class(images, Split::Train, i)?;
                if f64::from(uniforms[2 * i]) >= settings.corrupted {
                    return Ok(label);
                }
                clean[i] = false;
                // Any of the other classes.
                let by = 1 + (uniforms[2 * i + 1] * (CLASSES - 1) as f32) as u8;
                Ok((label + by) % CLASSES as u8)
            })
            .collect::<Result<_, Failure>>()?;
        let right = |split, n: usize| -> Result<Vec<u8>, Failure> {
            (0..n).map(|i| class(images, split, i)).collect()
        };
        let features = |split, n: usize| {
            let indices: Vec<usize> = (0..n).collect();
            let pixels = images.pixels(split, &indices, 0);
            let width = pixels.len() / n;
            Tensor::<2>::from_data(TensorData::new(pixels, [n, width]), device)
        };
        let test = images.test.len();
        Ok(Self {
            cleaning: Cleaning {
                fit: [features(Split::Train, n), one_hot(&corrupted, device)],
                choose: [
                    features(Split::Valid, n),
                    one_hot(&right(Split::Valid, n)?, device),
                ],
                penalty: settings.penalty,
            },
            clean,
            test: [
                features(Split::Test, test),
                one_hot(&right(Split::Test, test)?, device),
            ],
        })
    }

    /// How well weights above one half pick the right labels.
    pub(super) fn f1(&self, x: &[f32]) -> f64 {
        let count = |f: &dyn Fn(bool, bool) -> bool| {
            let pairs = x.iter().zip(&self.clean);
            pairs.filter(|(x, clean)| f(**x > 0.0, **clean)).count() as f64
        };
        let hits = count(&|kept, clean| kept && clean);
        let misses = count(&|kept, clean| kept != clean);
        2.0 * hits / (2.0 * hits + misses).max(1.0)
    }

    /// Test accuracy of a fit to the training images that `keep` names and to all that were chosen by.
    pub(super) fn retrained(
        &self,
        solver: Solver,
        keep: impl Fn(usize) -> bool,
    ) -> anyhow::Result<f64> {
        let kept: Vec<f32> = (0..self.clean.len())
            .map(|i| if keep(i) { 1.0 } else { 0.0 })
            .collect();
        let Cleaning {
            fit,
            choose,
            penalty,
        } = self.cleaning.clone();
        let device = fit[0].device();
        let others = vec![1.0; choose[0].dims()[0]];
        let weights = [kept, others].concat();
        let n = weights.len();
        // Labels of rows that are left out are zero, so that the rows add nothing.
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [n, 1]), &device);
        let [features, labels] =
            [0, 1].map(|i| Tensor::cat(vec![fit[i].clone(), choose[i].clone()], 0));
        let all = Cleaning {
            fit: [features, labels * weights],
            choose,
            penalty,
        };
        let x = Tensor::full([n], 30.0, &device);
        let start = Tensor::zeros([all.parameters()], &device);
        let y = solver.solve(&all, &x, &start)?;
        Ok(Cleaning::accuracy(&self.test, &y))
    }
}

fn class(images: &ImageSet, split: Split, i: usize) -> Result<u8, Failure> {
    images.split(split).label(i).ok_or_else(|| {
        Failure::usage(
            "the data set has no labels; use --set data.name=mnist or fashion-mnist".to_owned(),
        )
    })
}

fn one_hot(labels: &[u8], device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; labels.len() * CLASSES];
    for (row, &label) in values.chunks_exact_mut(CLASSES).zip(labels) {
        row[usize::from(label)] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), CLASSES]), device)
}
