//! What can be wrong with scores, settings and permutations that come from outside.

/// Why something about permutations cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A score or a cost is NaN.
    #[error("{what} [{row}, {column}] of matrix {matrix} is not a number")]
    NotANumber {
        /// What the matrix holds.
        what: &'static str,
        /// Its number in the batch.
        matrix: usize,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
    },
    /// A score is +∞, which no finite score could outweigh.
    #[error("{what} [{row}, {column}] of matrix {matrix} is {value}")]
    Unbounded {
        /// What the matrix holds.
        what: &'static str,
        /// Its number in the batch.
        matrix: usize,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// Every complete matching of a matrix needs a forbidden pair.
    #[error(
        "matrix {matrix} allows no complete matching: forbidden pairs leave none for row {row}"
    )]
    Infeasible {
        /// Its number in the batch.
        matrix: usize,
        /// A row that cannot be matched together with those before it.
        row: usize,
    },
    /// A list is not a permutation of 0, …, n − 1.
    #[error("not a permutation of 0..{n}: entry {index} is {value}")]
    NotAPermutation {
        /// Length of the list.
        n: usize,
        /// The first entry that is out of range or was there before.
        index: usize,
        /// What it is.
        value: usize,
    },
    /// A matrix is not that of a permutation.
    #[error("not the matrix of a permutation: row {row} must have one 1 and otherwise 0")]
    NotAMatrix {
        /// The first such row.
        row: usize,
    },
    /// A matrix that must be square is not.
    #[error("expected a square matrix, got [{rows}, {columns}]")]
    NotSquare {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// Lengths that must agree do not.
    #[error("{what} must have length {expected}, got {got}")]
    Length {
        /// What has a length.
        what: &'static str,
        /// As it must be.
        expected: usize,
        /// As it is.
        got: usize,
    },
    /// Too many elements for an exact computation over all permutations.
    #[error("{what} is limited to n = {limit}, got {n}")]
    TooLarge {
        /// The computation.
        what: &'static str,
        /// The largest n.
        limit: usize,
        /// The n asked for.
        n: usize,
    },
    /// A setting is out of range.
    #[error("{setting} = {value}: {allowed}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// The value given.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// An iteration did not reach its tolerance.
    #[error("{what} stopped after {iterations} iterations with error {error:e}")]
    NotConverged {
        /// The computation.
        what: &'static str,
        /// Iterations done.
        iterations: usize,
        /// Error reached.
        error: f64,
    },
}

impl Error {
    /// What is wrong with an entry that is no finite number.
    pub(crate) fn not_finite(
        what: &'static str,
        [matrix, row, column]: [usize; 3],
        value: f64,
    ) -> Self {
        if value.is_nan() {
            Self::NotANumber {
                what,
                matrix,
                row,
                column,
            }
        } else {
            Self::Unbounded {
                what,
                matrix,
                row,
                column,
                value,
            }
        }
    }
}
