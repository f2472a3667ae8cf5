//! Attend, infer, repeat: up to three objects, each with a presence bit and a Gaussian appearance. The first absent
//! object ends the scene, so the mask is the running product of the presence values.

use burn::tensor::Tensor;
use unbiased_estimators::{Run, Site};

use super::{Model, Theta, sum};

pub struct Air;

/// How each object is drawn on a canvas of two pixels.
const SHAPES: [[f64; 2]; 3] = [[1.0, 0.5], [-0.4, 1.2], [0.7, -0.9]];

impl Model for Air {
    fn name(&self) -> &'static str {
        "air"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.8, 0.2, -0.3, // q(present)
            0.4,  // p(present)
            0.3, -0.2, // q(what): mean, slope on the canvas
            -0.5, // ln standard deviation
            0.1, 0.2, // p(what)
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let image = theta.constant(&[1.4, 0.6]);
        let presence = theta.take(3);
        let prior = theta.take(1);
        let (mean, slope, log_std) = (theta.take(1), theta.take(1), theta.take(1));
        let what_prior = theta.take(2);

        let mut going = theta.constant(&[1.0]);
        let mut canvas = image.zeros_like();
        for (step, shape) in SHAPES.iter().enumerate() {
            let site = Site::new(presence.clone().narrow(1, step, 1))
                .prior(prior.clone())
                .mask(going)
                .context(canvas.clone());
            let present = run.bernoulli("present", site);
            going = present.value;

            let mean = mean.clone() + slope.clone() * canvas.clone().narrow(1, 0, 1);
            let site = Site::new(Tensor::cat(vec![mean, log_std.clone()], 1))
                .prior(what_prior.clone())
                .mask(going.clone())
                .context(canvas.clone());
            let what = run.gaussian("what", site);
            canvas = canvas + what.value * theta.constant(shape);
        }
        run.log_lik("image", sum((image - canvas).square()) * -0.5);
    }
}
