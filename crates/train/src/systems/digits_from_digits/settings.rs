//! The sections of a `digits_from_digits` configuration.

use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};
use unbiased_estimators::{EstimatorConfig, Objective, Schema};
use unbiased_models::digits_from_digits::{DigitMaker, DigitsConfig, DigitsProgram};
use unbiased_models::jigsaw::Grid;

use super::DigitsTraining;
use super::reader::ReaderSettings;
use crate::config::ConfigError;
use crate::data::{DataConfig, ImageSet, Order, Split};
use crate::error::Failure;
use crate::learner::Learner;
use crate::optimizer::OptimizerConfig;
use crate::system::{BuildContext, Settings, System};
use crate::systems::matching::{self, Training};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DigitsSettings {
    pub(super) data: DataConfig,
    pub(super) model: DigitsConfig,
    pub(super) estimator: EstimatorConfig,
    pub(super) optimizer: OptimizerConfig,
    pub(super) training: Training,
    pub(super) reader: ReaderSettings,
}

impl Settings for DigitsSettings {
    fn check(&self) -> Result<(), ConfigError> {
        let Self { model, reader, .. } = self;
        for (key, value, good, expected) in [
            (
                "model.side",
                model.side,
                (2..=14).contains(&model.side),
                "2 to 14: pieces have two pixels a side at least",
            ),
            (
                "model.filters",
                model.filters,
                model.filters > 0,
                "at least 1",
            ),
            ("reader.steps", reader.steps, reader.steps > 0, "at least 1"),
            ("reader.batch", reader.batch, reader.batch > 0, "at least 1"),
        ] {
            if !good {
                return Err(ConfigError::value(key, value, expected));
            }
        }
        matching::check(&self.model.matching, &self.training)?;
        self.estimator.validate().map_err(ConfigError::other)?;
        self.optimizer.check()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let images = ImageSet::load(&self.data, context.data_dir.as_deref())?;
        check_classes(&images)?;
        let device = context.device.clone().autodiff();
        let grid = Grid::new(self.model.side, images.train.height());
        let model = DigitMaker::new(&self.model, grid, context.seed, &device);
        let schema = {
            let pieces = Tensor::zeros([1, grid.count(), grid.pixels()], &context.device);
            let class = Tensor::<1, Int>::zeros([1], &context.device);
            let law = self.model.matching.law();
            Schema::of(&DigitsProgram::new(
                &model,
                law,
                1,
                pieces.clone(),
                class,
                pieces,
            ))
        };
        let estimator = self
            .estimator
            .build(&schema, Objective::default(), &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(DigitsTraining {
            order: Order::new(context.seed, images.train.len(), self.training.batch),
            learner: Learner::new(model, estimator, &self.optimizer, false, device),
            grid,
            images,
            reader: None,
            settings: self,
            device: context.device.clone(),
            seed: context.seed,
        }))
    }
}

/// Refuses images without labels, and splits of a single class.
fn check_classes(images: &ImageSet) -> Result<(), Failure> {
    for split in [Split::Train, Split::Valid, Split::Test] {
        let images = images.split(split);
        let first = images.label(0).ok_or_else(|| {
            Failure::usage(
                "the data set has no labels; use --set data.name=glyphs, mnist or fashion-mnist",
            )
        })?;
        if (1..images.len()).all(|i| images.label(i) == Some(first)) {
            return Err(Failure::usage(format!(
                "all {split} images are of class {first}; leave out or raise data.train_limit and data.eval_limit"
            )));
        }
    }
    Ok(())
}
