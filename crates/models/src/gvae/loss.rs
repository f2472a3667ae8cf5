//! The model as a stochastic program.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Device, Tensor, activation::log_softmax};
use unbiased_estimators::{Program, Run, Site};

use super::batch::Batch;
use super::config::{CODE_NOISE, Loss, Sizes};
use super::model::Gvae;
use crate::sbn::Latent;

/// Probabilities are kept this far from 0 and 1 in the published code.
const CLIP: f64 = 1e-7;

/// A [`Gvae`] on a batch.
#[derive(Debug, Clone)]
pub struct GvaeProgram<'a> {
    model: Cow<'a, Gvae>,
    batch: Cow<'a, Batch>,
    kl_weight: f64,
}

impl<'a> GvaeProgram<'a> {
    /// `model` on `batch`, which needs no gradient, with the divergence weighted by `kl_weight` in the paper's loss.
    #[must_use]
    pub fn new(model: &'a Gvae, batch: &'a Batch, kl_weight: f64) -> Self {
        Self {
            model: Cow::Borrowed(model),
            batch: Cow::Borrowed(batch),
            kl_weight,
        }
    }
}

/// The batch once per copy.
fn copies(run: &Run<'_>, batch: &Batch) -> Batch {
    Batch {
        choices: run.rows(batch.choices.clone()),
        contexts: run.rows(batch.contexts.clone()),
        forbidden: batch.forbidden.clone().repeat_dim(0, run.copies()),
        present: batch.present.clone().repeat_dim(0, run.copies()),
        shown: batch.shown.clone().map(|shown| run.rows(shown)),
    }
}

impl Program for GvaeProgram<'_> {
    fn batch(&self) -> usize {
        self.batch.rows()
    }

    fn device(&self) -> Device {
        self.batch.choices.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let model = &*self.model;
        let config = model.config();
        let features = model.encoder.forward(&self.batch);
        let params = run.rows(model.posterior.forward(features.clone()));
        let features = run.rows(features);
        let kl = model.kl(params.clone());
        let batch = copies(run, &self.batch);
        let site = |params| {
            Site::new(params)
                .features(features.clone())
                .context(features.clone())
        };
        let before = run.mark();
        match config.loss {
            Loss::Paper => {
                let site = site(params).prior(model.prior.val());
                let choice = match config.latent {
                    Latent::Bernoulli => run.bernoulli("z", site),
                    Latent::Categorical => run.categorical("z", config.classes, site),
                    Latent::Gaussian => run.gaussian("z", site),
                };
                if self.kl_weight != 1.0 {
                    // What the bound has too much of it; it depends on no choice.
                    run.cost("warm_up", kl * (self.kl_weight - 1.0), before);
                }
                run.log_lik("choices", model.log_lik(choice.value, &batch));
            }
            Loss::OriginalCode => {
                run.cost("kl", kl / config.latents as f64, before);
                let [rows, width] = params.dims();
                let log_std = params.clone().narrow(1, width / 2, width / 2) + CODE_NOISE.ln();
                let narrow = Tensor::cat(vec![params.narrow(1, 0, width / 2), log_std], 1);
                let choice = run.gaussian("z", site(narrow));
                let Sizes { steps, width, .. } = model.sizes();
                let p = log_softmax(model.masked_logits(choice.value, &batch), 1)
                    .exp()
                    .clamp(CLIP, 1.0 - CLIP);
                let x = batch.choices.reshape([rows * steps, width]);
                let against = (x.clone().neg() + 1.0) * (p.clone().neg() + 1.0).log();
                let entropy = (x * p.log() + against).neg();
                let entropy = entropy.reshape([rows, steps * width]).sum_dim(1);
                run.cost(
                    "choices",
                    entropy.squeeze_dim::<1>(1) / width as f64,
                    run.mark(),
                );
            }
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(GvaeProgram {
            model: Cow::Owned(self.model.valid()),
            batch: self.batch.clone(),
            kl_weight: self.kl_weight,
        })
    }
}
