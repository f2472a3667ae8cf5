//! Independent bits from logits.
//!
//! `z = a + logit(u)`, `b = 1[z > 0]`, relaxed `sigma(z / t)`. Conditional latent and its Jacobian: Tucker et al.,
//! "REBAR", 2017, appendix, in forms that are stable in f32. Concrete density: Maddison, Mnih & Teh, "The Concrete
//! Distribution", 2017, appendix B.

use burn::tensor::Tensor;
use unbiased_kernels::{bernoulli_kl, bernoulli_log_lik, sigmoid, softplus};

use super::{
    Antithesis, Decomposition, Law, Relaxation, log_probability, one_by_one, row_sum, scalar,
};
use crate::noise::NoiseLaw;

/// Independent bits; parameters are logits `[rows, n]`, values are 0 or 1.
#[derive(Debug, Clone, Copy)]
pub struct Bernoulli;

impl Law for Bernoulli {
    fn name(&self) -> &'static str {
        "bernoulli"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Logistic
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        self.harden(self.latent(params, noise))
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        sigmoid(params)
    }

    fn link(&self) -> Option<fn(Tensor<2>) -> Tensor<2>> {
        Some(|mean| log_probability(mean.clone()) - log_probability(mean.neg() + 1.0))
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        bernoulli_log_lik(params, value)
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        value - sigmoid(params)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        Some(row_sum(
            sigmoid(params.clone()) * params.clone() - softplus(params),
        ))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        Some(bernoulli_kl(params, prior))
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        if params >= usize::BITS as usize || 1 << params > limit {
            return None;
        }
        // Binary counting order, first bit most significant.
        let bit = |state: usize, i: usize| f64::from(u8::from(state >> (params - 1 - i) & 1 == 1));
        Some(
            (0..1 << params)
                .map(|state| (0..params).map(|i| bit(state, i)).collect())
                .collect(),
        )
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }

    fn decomposition(&self) -> Option<&dyn Decomposition> {
        Some(self)
    }

    fn antithesis(&self) -> Option<&dyn Antithesis> {
        Some(self)
    }
}

/// `2b - 1`.
fn sign(bits: Tensor<2>) -> Tensor<2> {
    bits * 2.0 - 1.0
}

/// `dz~/da = sigma(+-a) (1 - e^-|z~|)`, the sign that of the bit.
fn jacobian(params: Tensor<2>, hard: Tensor<2>, latent: Tensor<2>) -> Tensor<2> {
    sigmoid(sign(hard) * params) * (latent.abs().neg().exp().neg() + 1.0)
}

impl Relaxation for Bernoulli {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        params + noise
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        latent.greater_scalar(0.0).float()
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        sigmoid(self.coordinates(latent, temperature))
    }

    fn relax_tangent(
        &self,
        latent: Tensor<2>,
        direction: Tensor<2>,
        temperature: Tensor<1>,
    ) -> (Tensor<2>, Tensor<2>) {
        let x = self.relax(latent, temperature.clone());
        let slope = x.clone() * (x.clone().neg() + 1.0) * (direction / scalar(temperature));
        (x, slope)
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        // z~ = +- softplus(+-l + softplus(+-a)), the sign that of the bit and l = logit(v).
        let sign = sign(hard);
        sign.clone() * softplus(sign.clone() * noise + softplus(sign * params))
    }

    fn pull(&self, _params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        h
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        jacobian(params, hard, latent) * h
    }

    fn push(&self, _params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        g
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        jacobian(params, hard, latent) * g
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        // y ~ Logistic(a / t, 1 / t): ln p = ln t - t y + a - 2 softplus(a - t y).
        let t = scalar(temperature);
        let residual = params - t.clone() * y;
        row_sum(t.log() + residual.clone() - softplus(residual) * 2.0)
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        latent / scalar(temperature)
    }
}

impl Decomposition for Bernoulli {
    fn others(&self, _: Tensor<2>, value: Tensor<2>, _: Option<Tensor<2>>) -> Tensor<2> {
        one_by_one(value.clone(), value.neg() + 1.0)
    }

    fn gradient(&self, params: Tensor<2>, value: Tensor<2>, change: Tensor<2>) -> Tensor<2> {
        // p (1 - p) (f(1) - f(0)).
        let p = sigmoid(params);
        p.clone() * (p.neg() + 1.0) * sign(value).neg() * change
    }
}

impl Antithesis for Bernoulli {
    fn opposite(&self, noise: Tensor<2>) -> Tensor<2> {
        noise.neg()
    }

    fn factor(&self, params: Tensor<2>, value: Tensor<2>, opposite: Tensor<2>) -> Tensor<2> {
        // Dong, Mnih & Tucker, "DisARM", 2020, eq. 5: (b - b~) sigma(|a|) / 2; b - b~ is (-1)^b~ 1[b != b~].
        (value - opposite) * sigmoid(params.abs()) * 0.5
    }
}
