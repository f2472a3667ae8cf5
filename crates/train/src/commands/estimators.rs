//! `unbiased estimators`: bias, variance and cost of every estimator on one problem.

use crate::cli::EstimatorsArgs;
use crate::error::Failure;

/// Compares estimators with the exact gradient.
///
/// # Errors
/// The problem cannot be read, or an estimator is unknown.
pub fn run(args: &EstimatorsArgs) -> Result<(), Failure> {
    Err(Failure::usage(format!(
        "cannot compare estimators on {}",
        args.problem.display()
    )))
}
