//! Laws: densities, scores, conditional latents and their Jacobians, Concrete densities, divergences. Plackett-Luce, which
//! the library does not know, goes through the same checks.

mod closed_forms;
mod continuous;
mod latents;
mod probabilities;
mod relaxed_values;
mod sites;

use burn::tensor::{Tensor, TensorData};
use unbiased_estimators::{
    Key, Noise, Role,
    law::{Bernoulli, Categorical, Law},
};

use crate::{estimate::device, programs::PlackettLuce};

fn tensor(values: &[f64], rows: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [rows, values.len() / rows]);
    Tensor::from_data(data, &device().without_autodiff())
}

fn scalar(value: f64) -> Tensor<1> {
    Tensor::from_data([value], &device().without_autodiff())
}

/// Discrete laws at parameters.
fn discrete() -> Vec<(Box<dyn Law>, Vec<f64>)> {
    vec![
        (Box::new(Bernoulli), vec![0.4, -1.2, 2.5]),
        (
            Box::new(Categorical { classes: 3 }),
            vec![0.3, -0.4, 1.1, 0.2, -2.0, 0.5],
        ),
        (
            Box::new(Categorical { classes: 4 }),
            vec![1.3, -0.4, 0.1, 0.2],
        ),
        (Box::new(PlackettLuce), vec![0.5, -0.3, 0.2, 1.4]),
    ]
}

fn noise_of(law: &dyn Law, role: Role, rows: usize, width: usize) -> Tensor<2> {
    let plain = device().without_autodiff();
    Noise::new(3, 0).draw(
        law.noise(),
        &Key::new("x", 0),
        role,
        1,
        1,
        rows,
        width,
        &plain,
    )
}

/// `params` in every row, a draw of each, and a conditional latent from further noise.
struct Draws {
    params: Tensor<2>,
    hard: Tensor<2>,
    noise: Tensor<2>,
    latent: Tensor<2>,
}

fn draws(law: &dyn Law, params: &[f64], rows: usize) -> Draws {
    let params = tensor(&params.repeat(rows), rows);
    let width = params.dims()[1];
    let hard = law.sample(params.clone(), noise_of(law, Role::Choice, rows, width));
    let noise = noise_of(law, Role::Conditional, rows, width);
    let relaxation = law.relaxation().expect("a relaxation");
    let latent = relaxation.conditional(params.clone(), hard.clone(), noise.clone());
    Draws {
        params,
        hard,
        noise,
        latent,
    }
}
