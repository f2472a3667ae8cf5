//! Models with so little noise that even estimators that depend on the noise itself have an exact expectation.

use burn::tensor::Tensor;
use unbiased_estimators::{Run, Site};

use crate::programs::{Model, Theta};

/// One bit: `(x - target)^2 + slope x`.
pub struct OneBit;

impl Model for OneBit {
    fn name(&self) -> &'static str {
        "one bit"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, 0.3, 0.5]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(1)).context(theta.constant(&[1.0]));
        let x = run.bernoulli("bit", site).value;
        let cost = (x.clone() - theta.take(1)).square() + theta.take(1) * x;
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}

/// One normal variable and a cost of third degree.
pub struct OneNormal;

impl Model for OneNormal {
    fn name(&self) -> &'static str {
        "one normal"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.3, 0.7, 0.2]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(2)).context(theta.constant(&[1.0]));
        let x = run.gaussian("normal", site).value;
        let cost = (x.clone() - theta.take(1)).square() + theta.take(1) * x.powf_scalar(3.0);
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}

/// Two bits of one site, which the cost does not separate.
pub struct TwoBits;

impl Model for TwoBits {
    fn name(&self) -> &'static str {
        "two bits"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.7, 0.9, -1.3, 0.8, 0.6]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(2)).context(theta.constant(&[1.0]));
        let x = run.bernoulli("bits", site).value;
        let (first, second) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
        let sum = theta.take(1) * first.clone() + theta.take(1) * second.clone();
        let cost = (sum - theta.take(1)).square() + theta.take(1) * first * second;
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}

/// Two bits, the second drawn, and its prior given, by the first; a cost after each.
pub struct Chain;

impl Model for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.3, 1.1, 0.2, 0.6, 0.7, -0.9, 0.5]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(1)).context(theta.constant(&[1.0]));
        let first = run.bernoulli("first", site).value;
        let logit = theta.take(1) + theta.take(1) * first.clone();
        let prior = theta.take(1) + theta.take(1) * first.clone();
        let site = Site::new(logit).prior(prior).context(first.clone());
        let cost = (first.clone() - theta.take(1)).square();
        run.cost("first", cost.squeeze_dim::<1>(1), run.mark());

        let second = run.bernoulli("second", site).value;
        let cost = (first + theta.take(1) * second - theta.take(1)).square() * 2.0;
        run.cost("second", cost.squeeze_dim::<1>(1), run.mark());
    }
}

/// One choice of three with a cost that is cubic in its relaxation.
pub struct OneOfThree;

impl Model for OneOfThree {
    fn name(&self) -> &'static str {
        "one of three"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.3, -0.4, 0.1, 0.9, -0.6, 0.2]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(3)).context(theta.constant(&[1.0]));
        let x = run.categorical("class", 3, site).value;
        let sum = (theta.take(3) * x).sum_dim(1);
        let cost = sum.clone().square() + sum.clone().square() * sum;
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}

/// A gate, and behind it a bit and a continuous choice, each with a prior.
pub struct Gated;

impl Model for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.2, 0.7, 0.3, -0.4, 0.1, 0.2, -0.3, 0.9, 1.2, 0.8]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let site = Site::new(theta.take(1)).context(theta.constant(&[1.0]));
        let gate = run.bernoulli("gate", site.prior(theta.take(1))).value;
        let site = Site::new(theta.take(1))
            .prior(theta.take(1))
            .mask(gate.clone());
        let bit = run
            .bernoulli("bit", site.context(theta.constant(&[1.0])))
            .value;
        let site = Site::new(theta.take(2))
            .prior(theta.take(2))
            .mask(gate.clone());
        let size = run
            .gaussian("size", site.context(theta.constant(&[1.0])))
            .value;
        let seen = theta.take(1) * gate + theta.take(1) * bit + size;
        let error = (seen - theta.take(1)).square();
        run.log_lik("seen", error.squeeze_dim::<1>(1).neg());
    }
}

/// Two bits whose logits are affine maps of what they state, each with weights of its own, and a cost without parameters: the
/// gradient at the parameters is that of the choices alone.
pub struct Affine;

impl Model for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![0.4, -0.6, -0.3, 1.1, 0.8]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let seen = theta.constant(&[0.5]);
        let logit = theta.take(1) + theta.take(1) * seen.clone();
        let site = Site::new(logit)
            .features(seen.clone())
            .context(seen.clone());
        let first = run.bernoulli("first", site).value;
        let features = Tensor::cat(vec![first.clone(), seen.clone() + 0.2], 1);
        let logit = theta.take(1) + (theta.take(2) * features.clone()).sum_dim(1);
        let site = Site::new(logit).features(features).context(seen);
        let second = run.bernoulli("second", site).value;
        let sum = first.clone() + second.clone() * 2.0 - 1.3;
        let cost = sum.clone().square() * 1.5 + sum * first * second;
        run.cost("cost", cost.squeeze_dim::<1>(1), run.mark());
    }
}
