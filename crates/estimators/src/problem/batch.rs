//! A problem as a program over a batch of independent estimates.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{Problem, ProblemSite};
use crate::{
    estimator::Objective,
    law::row_sum,
    program::{Abilities, Program, Run, Site},
};

/// A batch of rows with logits of their own, all equal: the gradient at a row is one estimate.
#[derive(Debug, Clone)]
pub struct ProblemBatch<'a> {
    problem: &'a Problem,
    batch: usize,
    device: Device,
    dtype: DType,
    /// Per site, `[batch, width]`.
    logits: Vec<Tensor<2>>,
}

impl Problem {
    /// `batch` rows of the problem on `device`, in precision `dtype`, with gradients at the logits.
    #[must_use]
    pub fn batch(&self, batch: usize, device: &Device, dtype: DType) -> ProblemBatch<'_> {
        let logits = self.sites.iter().map(|site| {
            constant(&site.logits, [1, site.width()], device, dtype)
                .repeat_dim(0, batch)
                .autodiff()
                .require_grad()
        });
        ProblemBatch {
            logits: logits.collect(),
            problem: self,
            batch,
            device: device.clone().autodiff(),
            dtype,
        }
    }
}

fn constant(values: &[f64], shape: [usize; 2], device: &Device, dtype: DType) -> Tensor<2> {
    let plain = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&plain, dtype))
}

impl ProblemBatch<'_> {
    /// The logits of each site, `[batch, width]`, with gradient.
    #[must_use]
    pub fn logits(&self) -> &[Tensor<2>] {
        &self.logits
    }

    /// The same problem without gradients.
    #[must_use]
    pub fn without_gradients(&self) -> Self {
        Self {
            logits: self
                .logits
                .iter()
                .map(|logits| logits.clone().inner())
                .collect(),
            ..self.clone()
        }
    }

    fn constant(&self, values: &[f64], shape: [usize; 2]) -> Tensor<2> {
        constant(values, shape, &self.device, self.dtype)
    }

    /// Logits of `site` given the `parents`' values, `[rows, width]`.
    fn conditional(&self, site: &ProblemSite, own: Tensor<2>, parents: Tensor<2>) -> Tensor<2> {
        let inputs = parents.dims()[1];
        own + parents.matmul(self.constant(&site.weights, [inputs, site.width()]))
    }

    /// Sum of the terms at `values`, `[rows, coordinates] -> [rows]`.
    fn polynomial(&self, values: &Tensor<2>) -> Option<Tensor<1>> {
        let rows = values.dims()[0];
        let column = |j: usize| values.clone().narrow(1, j, 1).squeeze_dim::<1>(1);
        let columns: Vec<_> = (0..values.dims()[1]).map(column).collect();
        let term = |term: &super::TermFile| {
            let factors = columns.iter().zip(&term.powers);
            let product = factors
                .flat_map(|(column, &power)| std::iter::repeat_n(column.clone(), power as usize))
                .reduce(|a, b| a * b);
            match product {
                Some(product) => product * term.coefficient,
                None => self
                    .constant(&[term.coefficient], [1, 1])
                    .repeat_dim(0, rows)
                    .squeeze_dim(1),
            }
        };
        self.problem.terms.iter().map(term).reduce(|a, b| a + b)
    }

    /// The table's entry at the exact choices `hard`, `[rows, coordinates] -> [rows]`.
    fn lookup(&self, values: &[f64], hard: Tensor<2>) -> Tensor<1> {
        let strides: Vec<f64> = self.problem.strides().iter().map(|&s| s as f64).collect();
        let strides = self.constant(&strides, [1, strides.len()]);
        // Every product and sum is a small whole number, so the index is exact.
        let index = (row_sum(hard * strides) + 0.5).int();
        self.constant(values, [values.len(), 1])
            .select(0, index)
            .squeeze_dim(1)
    }
}

impl Program for ProblemBatch<'_> {
    fn batch(&self) -> usize {
        self.batch
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn run(&self, run: &mut Run<'_>) {
        let mut values: Vec<Tensor<2>> = Vec::new();
        let mut hard: Vec<Tensor<2>> = Vec::new();
        for (site, logits) in self.problem.sites.iter().zip(&self.logits) {
            let own = run.rows(logits.clone());
            let gather = |of: &[Tensor<2>]| {
                Tensor::cat(
                    site.parents
                        .iter()
                        .map(|&parent| of[parent].clone())
                        .collect(),
                    1,
                )
            };
            // A baseline of a site without inputs still learns a constant.
            let (logits, context) = if site.parents.is_empty() {
                let ones = self.constant(&[1.0], [1, 1]).repeat_dim(0, own.dims()[0]);
                (own, ones)
            } else {
                (self.conditional(site, own, gather(&values)), gather(&hard))
            };
            let mut request = Site::new(logits).context(context);
            if let Some(prior) = &site.prior {
                request = request.prior(self.constant(prior, [1, site.width()]));
            }
            let choice = match site.classes {
                None => run.bernoulli(&site.name, request),
                Some(classes) => run.categorical(&site.name, classes, request),
            };
            values.push(choice.value);
            hard.push(choice.hard);
        }
        let polynomial = self.polynomial(&Tensor::cat(values, 1));
        let table = self
            .problem
            .table
            .as_ref()
            .map(|table| self.lookup(table, Tensor::cat(hard, 1)));
        let cost = match (polynomial, table) {
            (Some(polynomial), Some(table)) => polynomial + table,
            (polynomial, table) => polynomial.or(table).expect("checked: a problem has a cost"),
        };
        match self.problem.objective {
            Objective::Expected { .. } => run.cost("cost", cost, run.mark()),
            Objective::LogMeanWeight { .. } => run.log_lik("cost", cost.neg()),
        }
    }

    fn frozen(&self) -> Box<dyn Program + '_> {
        Box::new(self.without_gradients())
    }

    fn abilities(&self) -> Abilities {
        match self.problem.table {
            None => Abilities::TENSORS,
            Some(_) => Abilities::TABLE,
        }
    }
}
