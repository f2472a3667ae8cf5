//! Independent one-hot choices among `classes`, side by side in a row.
//!
//! `z = log_softmax(a) + Gumbel`, `b = onehot(argmax z)`, relaxed `softmax(z / t)`. Conditional latent: Tucker et al.,
//! 2017; Concrete density: Maddison, Mnih & Teh, 2017, appendix C (log-space form).

use burn::tensor::{Tensor, activation};

use super::{Decomposition, Law, Relaxation, log_probability, scalar};
use crate::noise::NoiseLaw;

/// `n` independent one-hot choices; parameters are unnormalised logits `[rows, n * classes]`, values one-hot blocks.
#[derive(Debug, Clone, Copy)]
pub struct Categorical {
    /// Number of classes of each choice, at least 2.
    pub classes: usize,
}

impl Categorical {
    /// `[rows, n * classes] -> [rows, n, classes]`.
    fn split(self, x: Tensor<2>) -> Tensor<3> {
        let [rows, width] = x.dims();
        assert!(
            width % self.classes == 0,
            "a categorical site of {} classes got {width} columns",
            self.classes
        );
        x.reshape([rows, width / self.classes, self.classes])
    }

    fn join(x: Tensor<3>) -> Tensor<2> {
        let [rows, n, classes] = x.dims();
        x.reshape([rows, n * classes])
    }

    fn log_probs(self, params: Tensor<2>) -> Tensor<3> {
        activation::log_softmax(self.split(params), 2)
    }

    /// `h - p sum(h)`: a gradient to normalised log-probabilities as one to the logits.
    fn project(self, params: Tensor<2>, h: Tensor<3>) -> Tensor<2> {
        Self::join(h.clone() - self.log_probs(params).exp() * h.sum_dim(2))
    }

    /// `g - sum(p g)`: a direction in the logits as one in the normalised log-probabilities.
    fn tangent(self, params: Tensor<2>, g: Tensor<2>) -> Tensor<3> {
        let g = self.split(g);
        let mean = (self.log_probs(params).exp() * g.clone()).sum_dim(2);
        g - mean
    }

    /// `dz~_i / dl_i = 1 - e^(z~_i - z~_b)`; zero at the chosen class.
    fn jacobian(self, hard: Tensor<2>, latent: Tensor<2>) -> Tensor<3> {
        let latent = self.split(latent);
        let chosen = (self.split(hard) * latent.clone()).sum_dim(2);
        (latent - chosen).exp().neg() + 1.0
    }
}

fn choice_sum(x: Tensor<3>) -> Tensor<1> {
    let rows = x.dims()[0];
    x.reshape([rows as i32, -1]).sum_dim(1).squeeze_dim::<1>(1)
}

impl Law for Categorical {
    fn name(&self) -> &'static str {
        "categorical"
    }

    fn noise(&self) -> NoiseLaw {
        NoiseLaw::Gumbel
    }

    fn sample(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        self.harden(params + noise)
    }

    fn mean(&self, params: Tensor<2>) -> Tensor<2> {
        Self::join(self.log_probs(params).exp())
    }

    fn link(&self) -> Option<fn(Tensor<2>) -> Tensor<2>> {
        Some(log_probability)
    }

    fn log_prob(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<1> {
        choice_sum(self.log_probs(params) * self.split(value))
    }

    fn score(&self, params: Tensor<2>, value: Tensor<2>) -> Tensor<2> {
        value - self.mean(params)
    }

    fn negative_entropy(&self, params: Tensor<2>) -> Option<Tensor<1>> {
        let log_probs = self.log_probs(params);
        Some(choice_sum(log_probs.clone().exp() * log_probs))
    }

    fn kl(&self, params: Tensor<2>, prior: Tensor<2>) -> Option<Tensor<1>> {
        let (log_q, log_p) = (self.log_probs(params), self.log_probs(prior));
        Some(choice_sum(log_q.clone().exp() * (log_q - log_p)))
    }

    fn support(&self, params: usize, limit: usize) -> Option<Vec<Vec<f64>>> {
        let n = params / self.classes;
        let states = self.classes.checked_pow(u32::try_from(n).ok()?)?;
        if states > limit {
            return None;
        }
        // Counting order in base `classes`, first choice most significant.
        let entry = |state: usize, column: usize| {
            let digit = state / self.classes.pow((n - 1 - column / self.classes) as u32);
            f64::from(u8::from(digit % self.classes == column % self.classes))
        };
        Some(
            (0..states)
                .map(|state| (0..params).map(|column| entry(state, column)).collect())
                .collect(),
        )
    }

    fn classes(&self) -> Option<usize> {
        Some(self.classes)
    }

    fn relaxation(&self) -> Option<&dyn Relaxation> {
        Some(self)
    }

    fn decomposition(&self) -> Option<&dyn Decomposition> {
        Some(self)
    }
}

impl Categorical {
    /// One-hot choices moved on by `by` classes, `[rows, n, classes]`.
    fn moved(self, value: Tensor<2>, by: usize) -> Tensor<3> {
        let value = self.split(value);
        let stay = self.classes - by;
        Tensor::cat(
            vec![value.clone().narrow(2, stay, by), value.narrow(2, 0, stay)],
            2,
        )
    }
}

impl Decomposition for Categorical {
    fn others(&self, _: Tensor<2>, value: Tensor<2>, _: Option<Tensor<2>>) -> Tensor<2> {
        // Every choice in turn, moved on by 1, 2, .. classes.
        let [rows, width] = value.dims();
        let n = width / self.classes;
        let blocks = (1..self.classes).flat_map(|by| {
            let (from, to) = (self.split(value.clone()), self.moved(value.clone(), by));
            (0..n).map(move |i| {
                let moved = to.clone().narrow(1, i, 1);
                let range = [0..rows, i..i + 1, 0..self.classes];
                Self::join(from.clone().slice_assign(range, moved))
            })
        });
        Tensor::cat(blocks.collect(), 0)
    }

    fn gradient(&self, params: Tensor<2>, value: Tensor<2>, change: Tensor<2>) -> Tensor<2> {
        // g_k = p_k (f(k) - sum_j p_j f(j)), with costs relative to that of the choice.
        let n = value.dims()[1] / self.classes;
        let costs = (1..self.classes).map(|by| {
            let change = change.clone().narrow(1, (by - 1) * n, n);
            self.moved(value.clone(), by) * change.unsqueeze_dim::<3>(2)
        });
        let costs = costs.reduce(|a, b| a + b).expect("two classes or more");
        self.project(params.clone(), self.log_probs(params).exp() * costs)
    }
}

impl Relaxation for Categorical {
    fn latent(&self, params: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        Self::join(self.log_probs(params)) + noise
    }

    fn harden(&self, latent: Tensor<2>) -> Tensor<2> {
        // The first class that reaches the maximum, so that a tie still gives exactly one.
        let latent = self.split(latent);
        let index = latent.clone().argmax(2);
        let classes =
            Tensor::<1, burn::tensor::Int>::arange(0..self.classes as i64, &latent.device());
        Self::join(
            classes
                .reshape([1, 1, self.classes])
                .expand(latent.dims())
                .equal(index.expand(latent.dims()))
                .float(),
        )
    }

    fn relax(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        Self::join(activation::softmax(
            self.split(latent / scalar(temperature)),
            2,
        ))
    }

    fn relax_tangent(
        &self,
        latent: Tensor<2>,
        direction: Tensor<2>,
        temperature: Tensor<1>,
    ) -> (Tensor<2>, Tensor<2>) {
        let x = self.relax(latent, temperature.clone());
        let along = self.split(direction / scalar(temperature));
        let p = self.split(x.clone());
        let mean = (p.clone() * along.clone()).sum_dim(2);
        (x, Self::join(p * (along - mean)))
    }

    fn conditional(&self, params: Tensor<2>, hard: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        // With unit exponentials E = e^-G: z~_b = -ln E_b, z~_i = -ln(E_i e^-l_i + E_b), one formula with the first
        // term masked at b. In log space: -lse(G-form), since ln E = -G.
        let hard = self.split(hard);
        let noise = self.split(noise);
        let chosen = (hard.clone() * noise.clone()).sum_dim(2);
        let rate = noise.neg() - self.log_probs(params);
        // -ln(e^rate + e^-chosen) = chosen - softplus(rate + chosen).
        let other = chosen.clone() - activation::softplus(rate + chosen.clone(), 1.0);
        Self::join(hard.clone() * chosen + (hard.neg() + 1.0) * other)
    }

    fn pull(&self, params: Tensor<2>, h: Tensor<2>) -> Tensor<2> {
        self.project(params, self.split(h))
    }

    fn pull_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        h: Tensor<2>,
    ) -> Tensor<2> {
        self.project(params, self.jacobian(hard, latent) * self.split(h))
    }

    fn push(&self, params: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        Self::join(self.tangent(params, g))
    }

    fn push_conditional(
        &self,
        params: Tensor<2>,
        hard: Tensor<2>,
        latent: Tensor<2>,
        g: Tensor<2>,
    ) -> Tensor<2> {
        Self::join(self.jacobian(hard, latent) * self.tangent(params, g))
    }

    fn log_density(&self, params: Tensor<2>, temperature: Tensor<1>, y: Tensor<2>) -> Tensor<1> {
        // ln (K-1)! + (K-1) ln t + sum_k r_k - K lse(r), r = a - t y.
        let k = self.classes as f64;
        let residual = self.split(params - scalar(temperature.clone()) * y);
        // sum r - K lse(r) = sum log_softmax(r).
        let shape = choice_sum(activation::log_softmax(residual.clone(), 2));
        let n = residual.dims()[1] as f64;
        shape + (temperature.log() * (k - 1.0) + libm::lgamma(k)) * n
    }

    fn coordinates(&self, latent: Tensor<2>, temperature: Tensor<1>) -> Tensor<2> {
        Self::join(activation::log_softmax(
            self.split(latent / scalar(temperature)),
            2,
        ))
    }
}
