//! Small problems with a known answer, written as TOML, on which estimators are compared.
//!
//! ```toml
//! [[site]]                            # independent bits, one logit each
//! kind = "bernoulli"
//! logits = [0.3, -0.5]
//!
//! [[site]]                            # one-hot choices side by side, one list of logits per choice
//! kind = "categorical"
//! logits = [[0.1, 0.0, -0.4]]
//! parents = [0]                       # earlier sites by index; logits += weights * (values of the parents)
//! weights = [[1.0, 0.0], [0.0, 1.0], [-0.5, 0.5]]   # a row per logit, a column per coordinate of the parents
//!
//! [[term]]                            # cost: sum over terms of coefficient * product of value^power
//! coefficient = 1.5
//! powers = [1, 0, 0, 2, 0]            # one per coordinate of all sites in order
//! ```
//!
//! The *coordinates* are the logits of all sites, in order: one per bit, one per class of a categorical choice. Each has a
//! value: the bit, or the entry of the one-hot vector; relaxed values lie in between, and powers act on them.
//!
//! A cost that is known at exact choices only is a `[table]` with `values = [..]`, one per joint state in counting order:
//! the first choice is the most significant digit, a bit counts 0, 1 and a categorical choice 0, 1, ..., classes - 1. Terms
//! and table add up, and with a table no relaxation is defined.
//!
//! With `prior = [..]`, shaped like `logits`, a site is a latent variable and its posterior and prior terms are part of the
//! cost. `objective = { kind = "log_mean_weight", k = 3 }` then minimises `-E[ln 1/k sum_k exp(-cost_k)]`; it needs a
//! prior at every site.

mod batch;
mod check;
mod file;

use serde::Deserialize;

pub use batch::ProblemBatch;
pub use file::{
    Logits, ObjectiveFile, ObjectiveKind, ProblemFile, SiteFile, SiteKind, TableFile, TermFile,
};

use crate::estimator::Objective;

/// A problem that has been checked: a program over given logits, few enough states to enumerate.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "ProblemFile")]
pub struct Problem {
    sites: Vec<ProblemSite>,
    terms: Vec<TermFile>,
    table: Option<Vec<f64>>,
    objective: Objective,
}

#[derive(Debug, Clone)]
struct ProblemSite {
    name: String,
    /// Classes of each choice; bits have none.
    classes: Option<usize>,
    /// One per coordinate.
    logits: Vec<f64>,
    prior: Option<Vec<f64>>,
    parents: Vec<usize>,
    /// `[coordinates of the parents, coordinates]`, row-major.
    weights: Vec<f64>,
}

impl ProblemSite {
    fn width(&self) -> usize {
        self.logits.len()
    }

    /// States of one choice.
    fn radix(&self) -> usize {
        self.classes.unwrap_or(2)
    }

    fn choices(&self) -> usize {
        self.width() / self.classes.unwrap_or(1)
    }
}

impl Problem {
    /// What is minimised.
    #[must_use]
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// A name for every coordinate: `site0[1]`, and `site1[0,2]` for class 2 of choice 0.
    #[must_use]
    pub fn coordinates(&self) -> Vec<String> {
        let mut names = Vec::new();
        for site in &self.sites {
            for column in 0..site.width() {
                names.push(match site.classes {
                    None => format!("{}[{column}]", site.name),
                    Some(n) => format!("{}[{},{}]", site.name, column / n, column % n),
                });
            }
        }
        names
    }

    /// Joint states.
    fn states(&self) -> Option<usize> {
        self.sites.iter().try_fold(1_usize, |states, site| {
            let choices = u32::try_from(site.choices()).ok()?;
            states.checked_mul(site.radix().checked_pow(choices)?)
        })
    }

    /// The number that each coordinate adds to the index of a joint state where its value is 1.
    fn strides(&self) -> Vec<usize> {
        let mut strides = Vec::new();
        let mut stride = 1;
        for site in self.sites.iter().rev() {
            for _ in 0..site.choices() {
                match site.classes {
                    None => strides.push(stride),
                    Some(classes) => strides.extend((0..classes).rev().map(|class| class * stride)),
                }
                stride *= site.radix();
            }
        }
        strides.reverse();
        strides
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn strides_count_with_the_first_choice_most_significant() {
        // Digits: two bits, then one choice among 3: index = 6 b0 + 3 b1 + class.
        let text = "site = [
            { kind = \"bernoulli\", logits = [0, 0] },
            { kind = \"categorical\", logits = [[0, 1, 2]] },
        ]
        table.values = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]";
        let problem: Problem = toml::from_str(text).expect("a problem");
        assert_eq!(problem.strides(), [6, 3, 0, 1, 2]);
        assert_eq!(
            problem.coordinates(),
            [
                "site0[0]",
                "site0[1]",
                "site1[0,0]",
                "site1[0,1]",
                "site1[0,2]"
            ]
        );
    }
}
