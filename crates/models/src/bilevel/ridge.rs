//! Penalties of a linear model: the problem whose answer is known.

use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Key, Noise, NoiseLaw, Role};

use super::Bilevel;

/// A linear model with a penalty for each feature, chosen by its error on other examples.
///
/// `f(x, w) = 1/2n |A w - b|² + 1/2 Σ_j e^(x_j) w_j²`, `F(x, w) = 1/2n' |A' w - b'|²`
///
/// `w*(x) = (AᵀA/n + diag e^x)^-1 Aᵀb/n`, and so `dF/dx_j = -e^(x_j) w_j u_j`, `u = (AᵀA/n + diag e^x)^-1 A'ᵀ(A'w - b')/n'`.
#[derive(Debug, Clone)]
pub struct Ridge {
    /// Examples to fit: features `[n, d]` and values `[n, 1]`.
    pub fit: [Tensor<2>; 2],
    /// Examples to choose by, in the same shapes.
    pub choose: [Tensor<2>; 2],
}

impl Ridge {
    /// A problem drawn from a seed: `examples` to fit and as many to choose by, standard normal features of which the
    /// first half matter (weights 1), noise of standard deviation 1.
    #[must_use]
    pub fn random(examples: usize, features: usize, seed: u64, device: &Device) -> Self {
        let noise = Noise::new(seed, 0);
        let normal = |name: &str, rows, width| {
            let key = Key::new(name, 0);
            noise.draw(
                NoiseLaw::Normal,
                &key,
                Role::Other(0),
                1,
                1,
                rows,
                width,
                device,
            )
        };
        let set = |name: &str| {
            let a = normal(name, examples, features);
            let signal = a.clone().narrow(1, 0, features.div_ceil(2)).sum_dim(1);
            let errors = normal(&format!("{name} errors"), examples, 1);
            [a, signal + errors]
        };
        Self {
            fit: set("fit"),
            choose: set("choose"),
        }
    }
}

fn half_mean_square([a, b]: &[Tensor<2>; 2], w: Tensor<1>) -> Tensor<1> {
    let error = a.clone().matmul(w.unsqueeze_dim(1)) - b.clone();
    error.square().mean() * 0.5
}

impl Bilevel for Ridge {
    fn outer(&self, _: Tensor<1>, w: Tensor<1>) -> Tensor<1> {
        half_mean_square(&self.choose, w)
    }

    fn inner(&self, x: Tensor<1>, w: Tensor<1>) -> Tensor<1> {
        half_mean_square(&self.fit, w.clone()) + (x.exp() * w.square()).sum() * 0.5
    }
}
