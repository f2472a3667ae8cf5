//! Concrete / Gumbel-Softmax: the choice replaced by its relaxation, with the densities of the relaxed variables.
//!
//! Sources: Maddison, Mnih & Teh, "The Concrete Distribution", 2017, eq. 15 and appendix C; Jang, Gu & Poole,
//! "Categorical Reparameterization with Gumbel-Softmax", 2017.
//!
//! `value = relax(z(noise, a) / t)`, log-weight `ln p_t'(value) - ln q_t(value) + ln p(x | value)`
//!
//! | unbiased                                        | f differentiable | calls of f  | extra parameters  |
//! |-------------------------------------------------|------------------|-------------|-------------------|
//! | no (yes for the relaxed model, which it bounds) | needed           | 1 (relaxed) | two temperatures  |
//!
//! Densities are taken in unbounded coordinates (logit of a bit, log of a simplex point) and of both prior and
//! posterior, so that the relaxed objective is a bound; the discrete divergence with relaxed samples is none.
//! Temperatures 2/3 (posterior) and 1/2 (prior) are the paper's for bits.

use burn::tensor::{Device, Tensor};

use super::{At, Gradient, Rule, needs_relaxation};
use crate::{
    estimator::Objective,
    trace::{Draw, Schema, SiteSchema},
};

/// The relaxed model's pathwise gradient.
#[derive(Debug, Clone)]
pub struct Concrete {
    temperature: Tensor<1>,
    prior: Tensor<1>,
}

impl Concrete {
    /// At the given temperatures of posterior and prior.
    #[must_use]
    pub fn new(temperature: f64, prior: f64, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        Self {
            temperature: Tensor::full([1], temperature, &plain),
            prior: Tensor::full([1], prior, &plain),
        }
    }
}

impl Rule for Concrete {
    fn check(&self, site: &SiteSchema, schema: &Schema, _: &Objective) -> Result<(), String> {
        needs_relaxation(site, schema)
    }

    fn draw(&self) -> Draw {
        Draw::Concrete {
            temperature: self.temperature.clone(),
            prior: self.prior.clone(),
        }
    }

    fn gradient(&mut self, _: &At<'_>) -> Option<Gradient> {
        None
    }

    fn is_biased(&self) -> bool {
        true
    }

    fn scalars(&self) -> Vec<(&'static str, Tensor<1>)> {
        vec![("temperature", self.temperature.clone())]
    }
}
