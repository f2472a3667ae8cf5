//! What can be wrong with a grammar, a text or a derivation.

/// Everything that this crate refuses. Positions in grammars are lines and columns counted from 1, positions in texts are bytes
/// counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// The text of a grammar cannot be read.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The grammar as a whole makes no sense.
    #[error("{message}")]
    Grammar {
        /// What is wrong and what would be right.
        message: String,
    },
    /// A text, a grammar or a request is larger than this crate is willing to work on.
    #[error("{what} is limited to {limit}")]
    Limit {
        /// What grew too large.
        what: &'static str,
        /// The largest allowed.
        limit: usize,
    },
    /// No terminal of the grammar starts here.
    #[error("byte {at}: no terminal of the grammar starts with {found:?}")]
    Token {
        /// Bytes before it.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// The text leaves the language here.
    #[error("byte {at}: {found} where {expected} would go on")]
    Parse {
        /// Bytes before it.
        at: usize,
        /// The terminal that stands there, quoted, or `the end of the text`.
        found: String,
        /// The terminals that could stand there.
        expected: String,
    },
    /// A sequence of productions is no derivation.
    #[error("production {at} of the derivation: {message}")]
    Derivation {
        /// How many productions before it are right.
        at: usize,
        /// What is wrong.
        message: String,
    },
    /// A derivation breaks a rule of an attribute grammar.
    #[error("production {at} of the derivation: {message}")]
    Attribute {
        /// Index in the derivation, left to right.
        at: usize,
        /// Which rule.
        message: String,
    },
    /// A text is no SMILES, or what it draws is no molecule.
    #[error("byte {at}: {message}")]
    Molecule {
        /// Bytes before it.
        at: usize,
        /// What is wrong.
        message: String,
    },
    /// No name of this kind is known.
    #[error("unknown {kind} `{name}`; known are: {known}")]
    Unknown {
        /// What was named.
        kind: &'static str,
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
}
