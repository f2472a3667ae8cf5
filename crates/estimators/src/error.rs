//! Why an estimator cannot be had.

/// An estimator that cannot be built for a program, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimatorError {
    /// No estimator has this name.
    #[error("unknown estimator `{name}`; known are: {known}")]
    UnknownName {
        /// The name asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A per-site estimator names a site that the program does not have.
    #[error("no site is called `{name}`; this program has: {known}")]
    UnknownSite {
        /// The site asked for.
        name: String,
        /// The program's sites.
        known: String,
    },
    /// A setting is out of range.
    #[error("estimator setting `{setting}` = {value}: {allowed}")]
    Setting {
        /// The key.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A problem file holds something that cannot be.
    #[error("`{key}`: expected {expected}, got {got}")]
    Problem {
        /// The key, with indices counted from 0.
        key: String,
        /// What is allowed there.
        expected: String,
        /// What was found.
        got: String,
    },
    /// An estimate overflowed.
    #[error("`{estimator}` gave an estimate that is not finite")]
    NotFinite {
        /// The estimator.
        estimator: String,
    },
    /// The estimator is not defined for this program, site or objective.
    #[error("`{estimator}` is not defined for {what}: {reason}")]
    Undefined {
        /// The estimator.
        estimator: String,
        /// The site, program or objective.
        what: String,
        /// Why, and what would work.
        reason: String,
    },
}
