//! A discrete variational autoencoder: two bits and one choice of three, observed through two bits.

use unbiased_estimators::{Run, Site, law::Bernoulli, law::Law};

use super::{Model, Theta, affine, log_lik_bits};

/// How often the divergence of the bits is counted.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Kl {
    #[default]
    Once,
    /// A mistake.
    Twice,
}

#[derive(Default)]
pub struct Vae {
    pub kl: Kl,
}

impl Model for Vae {
    fn name(&self) -> &'static str {
        "vae"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.4, -0.8, // q(bits)
            0.3, -0.2, 0.5, // q(class)
            -0.1, 0.6, // p(bits)
            0.2, 0.1, -0.4, // p(class)
            0.1, -0.3, // p(x | bits, class)
            1.3, -0.7, 0.5, 0.9, //
            -0.6, 0.8, 1.1, -0.9, 0.2, 0.4, //
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let x = theta.constant(&[1.0, 0.0]);
        let (bits, class) = (theta.take(2), theta.take(3));
        let (bits_prior, class_prior) = (theta.take(2), theta.take(3));
        if self.kl == Kl::Twice {
            let again = Bernoulli
                .kl(bits.clone(), bits_prior.clone())
                .expect("closed form");
            run.log_lik("again", again.neg());
        }

        let bits = Site::new(bits).prior(bits_prior).context(x.clone());
        let bits = run.bernoulli("bits", bits);
        let class = Site::new(class).prior(class_prior).context(x.clone());
        let class = run.categorical("class", 3, class);

        let logits = affine(theta.take(2), theta.take(4), bits.value);
        let logits = affine(logits, theta.take(6), class.value);
        run.log_lik("x", log_lik_bits(logits, &x));
    }
}
