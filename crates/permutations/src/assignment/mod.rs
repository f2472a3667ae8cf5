//! The assignment problem: the matching of the largest total score.
//!
//! `M(X) = argmax_P Σ_ij P_ij X_ij` over permutation matrices, the limit of [`crate::Sinkhorn`] at temperature 0. Solved exactly, in double
//! precision, by the algorithm of Jonker and Volgenant (1987), O(n³) at worst and about n^2.3 on random scores.
//!
//! The duals certify the answer: `u_i + v_j ≥ X_ij` everywhere, with equality on matched pairs; so no matching can score more than
//! `Σu + Σv`, which is what this one scores.

mod jonker_volgenant;

use crate::Error;
use burn::tensor::{Tensor, TensorData};
use jonker_volgenant::{FREE, Matching, Problem};
use rayon::prelude::*;
use std::borrow::Cow;

/// An optimal matching of one matrix of scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The column of every row; none for rows that are left over, where there are more of them than columns.
    pub columns: Vec<Option<usize>>,
    /// Total score.
    pub value: f64,
    /// u, one for each row; 0 for rows left over, and none below 0 if there are such.
    pub row_duals: Vec<f64>,
    /// v, one for each column; 0 for columns left over, and none below 0 if there are such.
    pub column_duals: Vec<f64>,
}

impl Assignment {
    /// The list form: `list[i]` is the column of row i.
    ///
    /// # Panics
    ///
    /// If a row is left over.
    #[must_use]
    pub fn list(&self) -> Vec<usize> {
        let columns = self.columns.iter();
        columns
            .map(|column| {
                column.expect("list: a row is left over, there are fewer columns than rows")
            })
            .collect()
    }
}

/// The matching of the largest total score.
///
/// As many pairs are matched as the shorter side has lines. −∞ forbids a pair.
///
/// # Shapes
///
/// `scores`: `n·m` numbers, row after row.
///
/// # Errors
///
/// [`Error::NotANumber`] for NaN, [`Error::Unbounded`] for +∞, [`Error::Infeasible`] if forbidden pairs leave no complete matching.
///
/// # Panics
///
/// If `scores` has another length.
///
/// # Example
///
/// ```
/// use unbiased_permutations::assign;
///
/// let best = assign(&[7.0, 5.0, 1.0, 6.0, 5.0, 0.0, 2.0, 3.0, 4.0], [3, 3])?;
/// assert_eq!(best.list(), [0, 1, 2]);
/// assert_eq!(best.value, 16.0);
/// # Ok::<(), unbiased_permutations::Error>(())
/// ```
pub fn assign(scores: &[f64], dims: [usize; 2]) -> Result<Assignment, Error> {
    solve(0, scores, dims, None)
}

/// [`assign`] from guessed duals of the columns, for which [`crate::Balanced::column_duals`] are good: the answer is as exact, and sooner
/// there. Of use for square matrices only.
///
/// # Errors
///
/// As [`assign`], and [`Error::Length`] for a wrong number of duals. Duals that are not finite count as 0.
///
/// # Panics
///
/// As [`assign`].
pub fn assign_from(
    scores: &[f64],
    dims: [usize; 2],
    column_duals: &[f64],
) -> Result<Assignment, Error> {
    if column_duals.len() != dims[1] {
        return Err(Error::Length {
            what: "column duals",
            expected: dims[1],
            got: column_duals.len(),
        });
    }
    solve(0, scores, dims, Some(column_duals))
}

/// [`assign`] for a batch, in parallel, with one copy from the device.
///
/// # Shapes
///
/// `scores`: `[.., n, m]`.
///
/// # Errors
///
/// As [`assign`], for the first matrix at fault.
///
/// # Panics
///
/// If `scores` has fewer than two axes.
pub fn assign_batch<const D: usize>(scores: Tensor<D>) -> Result<Assignments<D>, Error> {
    batch(scores, None)
}

/// [`assign_from`] for a batch.
///
/// # Shapes
///
/// `scores`: `[.., n, m]`; `column_duals`: `[.., 1, m]`.
///
/// # Errors
///
/// As [`assign`].
///
/// # Panics
///
/// As [`assign_batch`], and if the duals have another shape.
pub fn assign_batch_from<const D: usize>(
    scores: Tensor<D>,
    column_duals: Tensor<D>,
) -> Result<Assignments<D>, Error> {
    let mut expected = scores.dims();
    expected[D - 2] = 1;
    assert_eq!(
        column_duals.dims(),
        expected,
        "assign_batch_from: duals of the columns must have the shape of the scores, with one row"
    );
    batch(scores, Some(host(column_duals)))
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let data = x.inner().into_data().convert::<f64>();
    data.try_into_vec().expect("converted")
}

fn batch<const D: usize>(
    scores: Tensor<D>,
    duals: Option<Vec<f64>>,
) -> Result<Assignments<D>, Error> {
    assert!(D >= 2, "assignment: scores need two axes, got {D}");
    let shape = scores.dims();
    let [n, m] = [shape[D - 2], shape[D - 1]];
    let plain = scores.inner();
    let (device, dtype) = (plain.device(), plain.dtype());
    let values = host(plain);
    let of_matrix = |k: usize| {
        let duals = duals.as_ref().map(|duals| &duals[k * m..][..m]);
        solve(k, &values[k * n * m..][..n * m], [n, m], duals)
    };
    let count = values.len() / (n * m).max(1);
    // Small matrices are not worth a task each.
    let least = (1024 / (n * m).max(1)).max(1);
    let matrices: Result<Vec<_>, Error> = (0..count)
        .into_par_iter()
        .with_min_len(least)
        .map(of_matrix)
        .collect();
    let mut plan = vec![0.0_f32; values.len()];
    let matrices = matrices?;
    for (plan, assignment) in plan.chunks_exact_mut((n * m).max(1)).zip(&matrices) {
        for (i, column) in assignment.columns.iter().enumerate() {
            if let Some(j) = column {
                plan[i * m + j] = 1.0;
            }
        }
    }
    Ok(Assignments {
        plan: Tensor::from_data(TensorData::new(plan, shape), (&device, dtype)),
        matrices,
    })
}

/// Optimal matchings of a batch.
#[derive(Clone, Debug)]
pub struct Assignments<const D: usize> {
    /// M(X), `[.., n, m]`, of zeros and ones; off the graph.
    pub plan: Tensor<D>,
    /// One for each matrix, the last axis of the batch first.
    pub matrices: Vec<Assignment>,
}

fn solve(
    matrix: usize,
    scores: &[f64],
    [n, m]: [usize; 2],
    duals: Option<&[f64]>,
) -> Result<Assignment, Error> {
    assert_eq!(
        scores.len(),
        n * m,
        "assignment: [{n}, {m}] needs {} scores",
        n * m
    );
    check(matrix, scores, m)?;
    if n == 0 || m == 0 {
        return Ok(Assignment {
            columns: vec![None; n],
            value: 0.0,
            row_duals: vec![0.0; n],
            column_duals: vec![0.0; m],
        });
    }
    // The algorithm wants no more rows than columns.
    let upright = n <= m;
    let x: Cow<'_, [f64]> = if upright {
        scores.into()
    } else {
        let columns = (0..m).flat_map(|j| scores[j..].iter().step_by(m));
        columns.copied().collect()
    };
    let problem = Problem {
        scores: &x,
        m: n.max(m),
    };
    let solved = match duals {
        Some(duals) if n == m => {
            let start = duals.iter().map(|&v| if v.is_finite() { v } else { 0.0 });
            problem.solve_from(start.collect())
        }
        _ => problem.solve(),
    };
    let Matching {
        column_of,
        row_of,
        v: long_duals,
    } = solved.map_err(|row| Error::Infeasible { matrix, row })?;
    let pairs = column_of.iter().enumerate();
    let scores_of_pairs: Vec<f64> = pairs.map(|(i, &j)| x[i * problem.m + j]).collect();
    let value = scores_of_pairs.iter().sum();
    let short_duals = column_of
        .iter()
        .zip(scores_of_pairs)
        .map(|(&j, x)| x - long_duals[j])
        .collect();
    let partners = |list: Vec<usize>| {
        let some = list.into_iter().map(|j| (j != FREE).then_some(j));
        some.collect()
    };
    Ok(if upright {
        Assignment {
            columns: partners(column_of),
            value,
            row_duals: short_duals,
            column_duals: long_duals,
        }
    } else {
        Assignment {
            columns: partners(row_of),
            value,
            row_duals: long_duals,
            column_duals: short_duals,
        }
    })
}

fn check(matrix: usize, scores: &[f64], m: usize) -> Result<(), Error> {
    let Some(at) = scores
        .iter()
        .position(|&x| x.is_nan() || x == f64::INFINITY)
    else {
        return Ok(());
    };
    let place = [matrix, at / m, at % m];
    Err(Error::not_finite("score", place, scores[at]))
}
