//! What an evaluation may take.
//!
//! The *cost* is upstream's: a unit for each step, and for texts and lists by their size, so that
//! the same expressions are refused. It leaves out what upstream holds to be cheap: joining
//! lists, comparing what is nested. So there is the *work* as well: every byte and element that
//! is touched, copied or made. Both are checked before the step is done. An evaluation thus ends
//! in bounded time, and holds at most [`WORK_MAX`] bytes and elements.

use crate::error::EvalError;

/// Bytes and elements; about a tenth of a second.
pub const WORK_MAX: u64 = 20_000_000;

/// What is left, for one or more evaluations.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: u64,
    spent: u64,
    work: u64,
}

impl Budget {
    /// So much cost may be spent.
    pub fn new(limit: u64) -> Self {
        Self { limit, spent: 0, work: 0 }
    }

    /// How much cost was spent.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// How much work was done.
    pub fn worked(&self) -> u64 {
        self.work
    }

    /// How much cost is left.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.spent)
    }

    /// Takes cost.
    pub fn spend(&mut self, cost: u64) -> Result<(), EvalError> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(EvalError::CostLimit) } else { Ok(()) }
    }

    /// Takes work: bytes and elements that are about to be touched or made.
    pub fn work(&mut self, amount: u64) -> Result<(), EvalError> {
        self.work = self.work.saturating_add(amount);
        if self.work > WORK_MAX { Err(EvalError::WorkLimit) } else { Ok(()) }
    }
}
