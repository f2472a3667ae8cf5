//! A window of truncated back-propagation through time: a recurrent net with a bit at every step, whose state comes in as
//! a constant.

use unbiased_estimators::{Run, Site, law::Bernoulli, law::Law};

use super::{Model, Theta, sum};

pub struct Window {
    /// Weight of an entropy bonus outside of the objective.
    pub bonus: f64,
}

pub const CARRIED: f64 = 0.7;

impl Model for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.3, -0.8, // logit of the bit
            0.6, 0.9, -0.2, // next state
            0.5,  // wanted
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let (bias, slope) = (theta.take(1), theta.take(1));
        let (from_state, from_bit, shift) = (theta.take(1), theta.take(1), theta.take(1));
        let wanted = theta.take(1);
        let mut state = theta.constant(&[CARRIED]);
        for _ in 0..3 {
            let logits = bias.clone() + slope.clone() * state.clone();
            let entropy = Bernoulli
                .negative_entropy(logits.clone())
                .expect("closed form");
            run.outside("entropy", entropy * self.bonus);
            let bit = run.bernoulli("bit", Site::new(logits).context(state.clone()));
            let drive = from_state.clone() * state + from_bit.clone() * bit.value;
            state = (drive + shift.clone()).tanh();
            let error = sum((state.clone() - wanted.clone()).square());
            run.cost("error", error * 4.0, run.mark());
        }
    }
}
