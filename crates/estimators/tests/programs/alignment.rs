//! Hard alignment: three symbols are emitted over six steps. Where as many steps as symbols are left, emission is
//! forced; where no symbol is left, silence is.

use unbiased_estimators::{Run, Site};

use super::{Model, Theta, sum};

pub struct Alignment;

pub const STEPS: usize = 6;
const SYMBOLS: usize = 3;

impl Model for Alignment {
    fn name(&self) -> &'static str {
        "alignment"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.2, -0.4, 0.3, -0.1, 0.5, -0.2, // emission
            -0.3, // slope on the count
            0.9, 0.1, 1.4, 0.3, 1.0, 1.6, // where the n-th symbol would fit
            0.7, // pace
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let (emission, slope) = (theta.take(STEPS), theta.take(1));
        let (place, pace) = (theta.take(STEPS), theta.take(1));
        let mut count = theta.constant(&[0.0]);
        for step in 0..STEPS {
            let symbols_left = count.clone().neg() + SYMBOLS as f64;
            let slack = symbols_left.clone().neg() + (STEPS - step) as f64;
            let any_left = symbols_left.clamp(0.0, 1.0);
            let logits = emission.clone().narrow(1, step, 1) + slope.clone() * count.clone();
            let site = Site::new(logits)
                .mask(slack.clamp(0.0, 1.0) * any_left.clone())
                .forced(any_left)
                .context(count.clone());
            let emit = run.bernoulli("emit", site);

            let misfit = place.clone().narrow(1, step, 1) - pace.clone() * count.clone();
            run.cost(
                "misfit",
                sum(emit.value.clone() * misfit.square()),
                run.mark(),
            );
            count = count + emit.value;
        }
    }
}
