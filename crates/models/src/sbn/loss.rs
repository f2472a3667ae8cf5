//! The network as a stochastic program.

use std::borrow::Cow;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use unbiased_estimators::{Choice, Program, Run, Site};
use unbiased_kernels::bernoulli_log_lik;

use super::{
    Sbn,
    config::{Latent, Task},
};

/// Names of the stochastic layers, from the data upwards.
const LAYERS: [&str; 8] = [
    "layer1", "layer2", "layer3", "layer4", "layer5", "layer6", "layer7", "layer8",
];

/// An [`Sbn`] on a batch of images.
#[derive(Debug, Clone)]
pub struct SbnProgram<'a> {
    model: Cow<'a, Sbn>,
    inputs: Tensor<2>,
    targets: Tensor<2>,
}

impl<'a> SbnProgram<'a> {
    /// `model` on `images` `[batch, pixels]`, which need no gradient.
    #[must_use]
    pub fn new(model: &'a Sbn, images: Tensor<2>) -> Self {
        let (inputs, targets) = model.parts(images);
        Self {
            inputs: inputs - model.mean.val().inner(),
            targets,
            model: Cow::Borrowed(model),
        }
    }

    fn choose(&self, run: &mut Run<'_>, layer: usize, site: Site) -> Choice {
        let config = self.model.config();
        let name = LAYERS[layer];
        match config.latent {
            Latent::Bernoulli => run.bernoulli(name, site),
            Latent::Categorical => run.categorical(name, config.classes, site),
            Latent::Gaussian => run.gaussian(name, site),
        }
    }
}

impl Program for SbnProgram<'_> {
    fn batch(&self) -> usize {
        self.inputs.dims()[0]
    }

    fn device(&self) -> Device {
        self.inputs.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let model = &*self.model;
        let latent_prior = model.config().task == Task::Density;
        let top = model.upwards.len() - 1;
        let context = run.rows(self.inputs.clone());
        let mut choices: Vec<Choice> = Vec::with_capacity(top + 1);

        for (layer, net) in model.upwards.iter().enumerate() {
            let (params, features) = match choices.last() {
                // The first layer is the same in every copy.
                None => {
                    let features = net.hidden(self.inputs.clone());
                    (run.rows(net.output(features.clone())), run.rows(features))
                }
                Some(below) => {
                    let features = net.hidden(model.centred(below.value.clone()));
                    (net.output(features.clone()), features)
                }
            };
            let mut site = Site::new(params).features(features);
            site = match choices.last() {
                None => site.context(context.clone()),
                Some(below) => {
                    site.context(Tensor::cat(vec![context.clone(), below.hard.clone()], 1))
                }
            };
            if latent_prior && layer == top {
                site = site.prior(model.prior.val());
            }
            let choice = self.choose(run, layer, site);
            choices.push(choice);
        }

        if latent_prior {
            for layer in (0..top).rev() {
                let above = model.centred(choices[layer + 1].value.clone());
                run.log_prior(&choices[layer], model.downwards[layer + 1].forward(above));
            }
        }
        let source = if latent_prior { 0 } else { top };
        let pixels = model.downwards[0].forward(model.centred(choices[source].value.clone()));
        run.log_lik(
            "pixels",
            bernoulli_log_lik(pixels, run.rows(self.targets.clone())),
        );
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(SbnProgram {
            model: Cow::Owned(self.model.valid()),
            inputs: self.inputs.clone(),
            targets: self.targets.clone(),
        })
    }
}
