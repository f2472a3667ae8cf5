//! Training of variational autoencoders of texts; the model and its paper are in [`unbiased_models::gvae`].

mod evaluation;
mod filter;
mod pictures;
mod rows;
mod search;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::module::Module;
use burn::tensor::Device;
use unbiased_estimators::{Noise, Schema};
use unbiased_kernels::{substream, uniforms};
use unbiased_models::gvae::{Batch, DecoderKind, Gvae, GvaeProgram, Loss, Sizes};

use crate::bundle::Bundle;
use crate::config::ConfigError;
use crate::data::{Order, Split, TextSet};
use crate::error::Failure;
use crate::learner::Learner;
use crate::system::{BuildContext, Metrics, Settings, StepError, System};
use crate::transfer::Average;
use rows::{Kept, Rows};

pub(super) use settings::GvaeSettings;

impl Settings for GvaeSettings {
    fn check(&self) -> Result<(), ConfigError> {
        self.check_all()
    }

    fn build(self, context: &BuildContext) -> Result<Box<dyn System>, Failure> {
        let plain = context.device.clone();
        let device = plain.clone().autodiff();
        let texts = TextSet::load(&self.data, context.data_dir.as_deref())?;
        let notation = rows::notation(&self.notation, &texts)?;
        let steps = self.notation.steps;
        let read = |split| Rows::read(texts.split(split), &*notation, steps);
        let rows = [read(Split::Train)?, read(Split::Valid)?, read(Split::Test)?];
        if self.search.seeds > 0 && self.search.points > rows[0].len() {
            let (points, texts) = (self.search.points, rows[0].len());
            let allowed =
                format!("at most the {texts} training texts; set it, or data.train_limit");
            return Err(ConfigError::value("search.points", points, allowed).into());
        }
        let sizes = Sizes {
            steps,
            width: notation.width(),
            contexts: notation.contexts(),
        };
        let model = Gvae::new(&self.model, sizes, context.seed, &device);
        let first = rows[0]
            .batch(&[0], &*notation, self.notation.masks, &plain)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let schema = Schema::of(&GvaeProgram::new(&model, &first, 1.0));
        let estimator = self
            .estimator
            .build(&schema, self.model.objective, &device)
            .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Box::new(GvaeTraining {
            order: Order::new(context.seed, rows[0].len(), self.training.batch),
            learner: Learner::new(
                model,
                estimator,
                &self.optimizer,
                self.training.gradient_variance,
                device,
            ),
            recent: Average::new(&plain),
            found: None,
            settings: self,
            texts,
            notation,
            rows,
            device: plain,
            seed: context.seed,
        }))
    }
}

struct GvaeTraining {
    settings: GvaeSettings,
    texts: TextSet,
    notation: Kept,
    /// Of the training, validation and test texts.
    rows: [Rows; 3],
    order: Order,
    learner: Learner<Gvae>,
    /// Cost since the figures were last asked for.
    recent: Average,
    /// What the last search found, as a text.
    found: Option<String>,
    /// Without autodiff.
    device: Device,
    seed: u64,
}

/// Numbers of a run that are no noise of its choices.
const WORD_DROPOUT: u64 = 1;

impl System for GvaeTraining {
    fn step(&mut self, step: u64, wanted: bool) -> Result<Option<Metrics>, StepError> {
        let indices = self.order.batch(step - 1);
        let batch = self.batch(Split::Train, &indices)?;
        let batch = self.with_word_dropout(batch, step);
        let kl_weight = self.settings.model.kl.at(step);
        let (model, estimator) = self.learner.parts();
        let program = GvaeProgram::new(model, &batch, kl_weight);
        let estimate = estimator.estimate(&program, &Noise::new(self.seed, step));
        drop(program);
        self.learner.follow(&estimate);
        self.recent.add(&estimate.cost);
        if !wanted {
            return Ok(None);
        }
        let epochs = step as f64 / self.order.steps_per_epoch() as f64;
        let loss = self.recent.read();
        self.recent.reset();
        let metrics = Metrics::new().figure("epoch", epochs);
        let metrics = match self.settings.model.loss {
            Loss::Paper => metrics
                .loss("loss_nats", loss)
                .figure("kl_weight", kl_weight),
            Loss::OriginalCode => metrics.loss("loss_of_the_code", loss),
        };
        Ok(Some(metrics.with(self.learner.figures(&estimate))))
    }

    fn evaluate(&mut self, split: Split, full: bool) -> anyhow::Result<Metrics> {
        let model = self.learner.model().valid();
        let metrics = evaluation::bound(self, &model, split)?
            .with(evaluation::reconstruction(self, &model, split)?);
        if !full && split != Split::Valid {
            return Ok(metrics);
        }
        let mut metrics = metrics.with(evaluation::prior(self, &model)?);
        self.found = None;
        if full && split == Split::Test && self.settings.search.seeds > 0 {
            let (figures, text) = search::search(self, &model)?;
            metrics = metrics.with(figures);
            self.found = Some(text);
        }
        Ok(metrics)
    }

    fn samples(&mut self, dir: &Path, step: u64, n: usize) -> anyhow::Result<Vec<PathBuf>> {
        let model = self.learner.model().valid();
        pictures::write(self, &model, dir, step, n)
    }

    fn findings(&self) -> Option<(&'static str, &str)> {
        self.found.as_deref().map(|text| ("search", text))
    }

    fn save(&self, dir: &Path) -> Result<(), StepError> {
        self.learner.save(dir)?;
        let mut averages = Bundle::new();
        self.recent.put("recent", &mut averages);
        averages.write(&dir.join("averages.bpk"))
    }

    fn load(&mut self, dir: &Path) -> anyhow::Result<()> {
        self.learner.load(dir)?;
        Average::load_all(
            Bundle::read(&dir.join("averages.bpk"))?,
            &mut [("recent", &mut self.recent)],
        )
    }

    fn warnings(&self) -> Vec<String> {
        self.learner.warnings()
    }

    fn data(&self) -> String {
        let [train, valid, test] = self.rows.each_ref().map(Rows::len);
        format!(
            "{}: {train} training, {valid} validation, {test} test texts",
            self.settings.data.name
        )
    }
}

impl GvaeTraining {
    fn rows(&self, split: Split) -> &Rows {
        match split {
            Split::Train => &self.rows[0],
            Split::Valid => &self.rows[1],
            Split::Test => &self.rows[2],
        }
    }

    fn batch(&self, split: Split, indices: &[usize]) -> anyhow::Result<Batch> {
        let masks = self.settings.notation.masks;
        self.rows(split)
            .batch(indices, &*self.notation, masks, &self.device)
            .context("the masks of a text")
    }

    fn with_word_dropout(&self, batch: Batch, step: u64) -> Batch {
        let dropout = self.settings.training.word_dropout;
        if dropout == 0.0 || self.settings.model.decoder == DecoderKind::Parallel {
            return batch;
        }
        let mut u = vec![0.0; batch.rows() * self.settings.notation.steps];
        let stream = substream(substream(self.seed, WORD_DROPOUT), step);
        uniforms(stream, &mut u);
        let shown = u.into_iter().map(|u| f32::from(u8::from(u >= dropout)));
        batch.showing(shown.collect())
    }
}
