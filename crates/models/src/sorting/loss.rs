//! Lists and their network as a stochastic program.

use core::f64::consts::TAU;
use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use unbiased_estimators::{Objective, Program, Run, Site};
use unbiased_permutations::{PlackettLuce, rank_matrix};

use super::config::{OrderLaw, SortingConfig};
use super::model::Sorter;

/// A batch of lists. The choice of the site `order` is a matrix, row i for element i, or the ranks of the elements.
#[derive(Debug, Clone)]
pub struct SortingProgram<'a> {
    model: Cow<'a, Sorter>,
    config: &'a SortingConfig,
    /// `[batch, n]`
    x: Tensor<2>,
    /// `x`, every list in ascending order.
    sorted: Tensor<2>,
}

impl<'a> SortingProgram<'a> {
    /// Lists `[batch, config.n]`.
    ///
    /// # Panics
    /// If the lists have another length.
    #[must_use]
    pub fn new(model: &'a Sorter, config: &'a SortingConfig, x: Tensor<2>) -> Self {
        assert_eq!(x.dims()[1], config.n, "SortingProgram: numbers in a list");
        Self {
            model: Cow::Borrowed(model),
            config,
            sorted: x.clone().sort(1),
            x,
        }
    }
}

impl Program for SortingProgram<'_> {
    fn batch(&self) -> usize {
        self.x.dims()[0]
    }

    fn device(&self) -> Device {
        self.x.device()
    }

    fn run(&self, run: &mut Run<'_>) {
        let scores = run.rows(self.model.scores(self.x.clone()));
        let x = run.rows(self.x.clone());
        let [rows, n] = x.dims();
        let config = self.config;
        let p = match config.law {
            OrderLaw::GumbelSinkhorn => {
                let order = run.law("order", config.matching.law(), Site::new(scores));
                order.value.reshape([rows, n, n])
            }
            OrderLaw::PlackettLuce => {
                // The law puts great scores first; here they belong last.
                let site = Site::new(scores.neg()).context(x.clone());
                rank_matrix(run.law("order", PlackettLuce, site).value)
            }
        };
        // yᵀ = xᵀ P
        let y = x.unsqueeze_dim::<3>(1).matmul(p).squeeze_dim::<2>(1);
        let off = (y - run.rows(self.sorted.clone())).square();
        match config.objective {
            Objective::Expected { .. } => {
                let distance = off.mean_dim(1).squeeze_dim::<1>(1);
                run.cost("distance", distance, run.mark());
            }
            Objective::LogMeanWeight { .. } => {
                let squares = off.sum_dim(1).squeeze_dim::<1>(1) / (-2.0 * config.variance);
                let constant = 0.5 * n as f64 * (TAU * config.variance).ln();
                run.log_lik("sorted", squares - constant);
            }
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(SortingProgram {
            model: Cow::Owned(self.model.valid()),
            ..self.clone()
        })
    }
}
