//! A belief network of two layers of two bits, observed through one bit; the prior runs top-down.

use unbiased_estimators::{Run, Site};

use super::{Model, Theta, affine, log_lik_bits};

pub struct BeliefNet;

impl Model for BeliefNet {
    fn name(&self) -> &'static str {
        "belief net"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.3, -0.4, // q(h1)
            0.2, -0.5, 0.9, -0.7, 0.4, 1.1, // q(h2 | h1)
            -0.6, 0.5, // p(h2)
            0.1, -0.2, 0.8, -0.9, 0.6, 0.7, // p(h1 | h2)
            -0.3, 1.2, -0.8, 1.5, // p(x | h1)
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let x = theta.constant(&[1.0]);

        let bottom = Site::new(theta.take(2)).context(x.clone());
        let h1 = run.bernoulli("h1", bottom);
        let logits = affine(theta.take(2), theta.take(4), h1.value.clone());
        let top = Site::new(logits)
            .prior(theta.take(2))
            .context(h1.hard.clone());
        let h2 = run.bernoulli("h2", top);
        run.log_prior(&h1, affine(theta.take(2), theta.take(4), h2.value));

        let logits = affine(theta.take(1), theta.take(2), h1.value.clone());
        let both = h1.value.clone().narrow(1, 0, 1) * h1.value.narrow(1, 1, 1);
        let logits = logits + theta.take(1) * both;
        run.log_lik("x", log_lik_bits(logits, &x));
    }
}
