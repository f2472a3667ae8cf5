//! A decision process of two steps in an environment that is a black box: the first action leads to one of three
//! places, the second is taken there; each step has a cost.

use burn::tensor::Tensor;
use unbiased_estimators::{Abilities, Run, Site};

use super::{Model, Theta, sum};

/// Where the cost of the second step is marked.
#[derive(Clone, Copy, PartialEq)]
pub enum Marks {
    /// After the second action.
    Right,
    /// After the first, as if the second had no say: a mistake.
    TooEarly,
}

pub struct Decision {
    pub marks: Marks,
    pub abilities: Abilities,
}

impl Decision {
    pub fn new(abilities: Abilities) -> Self {
        Self {
            marks: Marks::Right,
            abilities,
        }
    }
}

pub const FIRST_COST: [f64; 3] = [0.4, -0.3, 0.9];
pub const SECOND_COST: [[f64; 2]; 3] = [[1.5, -0.7], [0.2, 2.1], [-1.2, 0.6]];

impl Model for Decision {
    fn name(&self) -> &'static str {
        "decision"
    }

    fn parameters(&self) -> Vec<f64> {
        vec![
            0.2, -0.4, 0.1, // first action
            0.3, -0.6, -0.2, 0.5, 0.7, 0.1, // second action, by place
        ]
    }

    fn run(&self, theta: &mut Theta, run: &mut Run<'_>) {
        let rows = theta.rows();
        let first = Site::new(theta.take(3)).context(theta.constant(&[1.0]));
        let place = run.categorical("first", 3, first);
        let after_first = run.mark();
        let cost = place.hard.clone() * theta.constant(&FIRST_COST);
        run.cost("first", sum(cost), after_first);

        let logits = place.select(theta.take(6).reshape([rows, 3, 2]));
        let second = Site::new(logits).context(place.hard.clone());
        let action = run.categorical("second", 2, second).hard;
        let table: Tensor<2> = theta.constant(SECOND_COST.as_flattened());
        let here = (place.hard.reshape([rows, 3, 1]) * table.reshape([rows, 3, 2])).sum_dim(1);
        let cost = sum(here.reshape([rows, 2]) * action);
        let mark = match self.marks {
            Marks::Right => run.mark(),
            Marks::TooEarly => after_first,
        };
        run.cost("second", cost, mark);
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}
