//! The expressions of one object under validation: each must compile, and be what it is for.

use super::super::field::Field;
use crate::policy::{Result, Scope};

/// What the expressions so far let the next ones see.
pub(super) struct Expressions(Scope);

impl Expressions {
    pub(super) fn new(params: bool) -> Self {
        Self(Scope::new(params))
    }

    /// Refuses what does not compile.
    pub(super) fn check(&self, field: &Field<'_>, wanted: Result) {
        if let Some(problem) = self.0.expression(field.text(), wanted).problem() {
            field.invalid(problem.to_string());
        }
    }

    /// The same, and later expressions may use its value.
    pub(super) fn declare(&mut self, name: &str, field: &Field<'_>) {
        let expression = self.0.expression(field.text(), Result::Any);
        if let Some(problem) = expression.problem() {
            field.invalid(problem.to_string());
        }
        self.0.declare(name, &expression);
    }
}
