//! Why an evaluation has no value.

/// The expression failed, or took more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// In the language's own words: `no such key: x`.
    #[error("{0}")]
    Failed(String),
    /// More than the cost that was allowed.
    #[error("operation cancelled: actual cost limit exceeded")]
    CostLimit,
    /// Cheap by its cost, and yet more work or memory than any expression may take.
    #[error("operation cancelled: work limit exceeded")]
    WorkLimit,
}

impl EvalError {
    /// A failure in so many words.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Nothing is defined for such values.
    pub fn no_overload() -> Self {
        Self::new("no such overload")
    }

    /// Is the evaluation over, whatever else the expression says?
    pub fn is_limit(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}
