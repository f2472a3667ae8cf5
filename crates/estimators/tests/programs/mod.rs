//! Nine programs on which the shape of [`Program`] was worked through, each small enough to enumerate.
//!
//! All parameters of a program are one leaf `theta` `[batch, p]`, a row per example: the gradient of a surrogate (a mean
//! over examples) in `theta`, times `batch`, is every example's own estimate.

mod air;
mod alignment;
mod belief_net;
mod decision;
mod machine;
mod permutation;
mod sequence_gan;
mod vae;
mod window;

use burn::tensor::{Device, Tensor, TensorData, activation::softplus};
use unbiased_estimators::{Abilities, Program, Run};

pub use air::Air;
pub use alignment::{Alignment, STEPS};
pub use belief_net::BeliefNet;
pub use decision::{Decision, FIRST_COST, Marks, SECOND_COST};
pub use machine::Machine;
pub use permutation::{Permutation, PlackettLuce};
pub use sequence_gan::{Returns, SequenceGan};
pub use vae::{Kl, Vae};
pub use window::Window;

/// A program but for its parameters.
pub trait Model {
    fn name(&self) -> &'static str;
    /// Where the gradient is taken.
    fn parameters(&self) -> Vec<f64>;
    fn run(&self, theta: &mut Theta, run: &mut Run<'_>);
    fn abilities(&self) -> Abilities {
        Abilities::TENSORS
    }
}

/// All nine, in their plain form.
pub fn all() -> Vec<Box<dyn Model>> {
    vec![
        Box::new(BeliefNet),
        Box::new(Vae::default()),
        Box::new(Air),
        Box::new(Machine),
        Box::new(Alignment),
        Box::new(SequenceGan::new(Returns::Cost)),
        Box::new(Decision::new(Abilities::BLACK_BOX)),
        Box::new(Permutation),
        Box::new(Window { bonus: 0.1 }),
    ]
}

/// A model at the rows of `theta`.
pub struct Example<'a> {
    pub model: &'a dyn Model,
    pub theta: Tensor<2>,
}

impl Program for Example<'_> {
    fn batch(&self) -> usize {
        self.theta.dims()[0]
    }

    fn device(&self) -> Device {
        self.theta.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let mut theta = Theta {
            rows: run.rows(self.theta.clone()),
            next: 0,
        };
        self.model.run(&mut theta, run);
        assert_eq!(theta.next, theta.rows.dims()[1], "unused parameters");
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(Example {
            model: self.model,
            theta: self.theta.clone().inner(),
        })
    }

    fn abilities(&self) -> Abilities {
        self.model.abilities()
    }
}

/// The parameters `[rows, p]`, taken one after the other.
pub struct Theta {
    rows: Tensor<2>,
    next: usize,
}

impl Theta {
    /// The next `width` of them, `[rows, width]`.
    pub fn take(&mut self, width: usize) -> Tensor<2> {
        let taken = self.rows.clone().narrow(1, self.next, width);
        self.next += width;
        taken
    }

    pub fn rows(&self) -> usize {
        self.rows.dims()[0]
    }

    /// A constant row for every row, `[rows, n]`.
    pub fn constant(&self, values: &[f64]) -> Tensor<2> {
        constant(values, &self.rows.device().without_autodiff())
            .unsqueeze::<2>()
            .expand([self.rows(), values.len()])
    }
}

/// Constants `[n]`.
pub fn constant(values: &[f64], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// `bias + x W`, every row with its own `W` `[rows, n * m]`.
fn affine(bias: Tensor<2>, weight: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    let ([rows, m], n) = (bias.dims(), x.dims()[1]);
    let product = x.reshape([rows, n, 1]) * weight.reshape([rows, n, m]);
    bias + product.sum_dim(1).squeeze_dim::<2>(1)
}

/// `ln p(bits)` under logits `[rows, n]`, `[rows]`.
fn log_lik_bits(logits: Tensor<2>, bits: &Tensor<2>) -> Tensor<1> {
    let sign = bits.clone() * 2.0 - 1.0;
    sum(softplus(sign.neg() * logits, 1.0).neg())
}

/// `[rows, n] -> [rows]`.
fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim::<1>(1)
}
