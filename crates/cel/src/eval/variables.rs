//! What the variables of a program are, for one evaluation or several of the same thing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::error::EvalError;
use crate::program::Program;
use crate::value::Value;

/// Variables by name. Values of programs are kept once they were asked for, so use the same
/// variables for all expressions that are about the same things, and new ones for others.
#[derive(Default)]
pub struct Variables<'a> {
    bound: BTreeMap<&'a str, Bound<'a>>,
    programs: BTreeMap<&'a str, &'a Program>,
    known: RefCell<BTreeMap<String, Result<Value<'a>, EvalError>>>,
}

/// What a name stands for.
pub(crate) enum Bound<'a> {
    Json(&'a serde_json::Value),
    Value(Value<'a>),
    /// The programs, as fields.
    Programs,
}

impl<'a> Variables<'a> {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A variable that is JSON, seen through its declaration.
    pub fn json(&mut self, name: &'a str, json: &'a serde_json::Value) {
        self.bound.insert(name, Bound::Json(json));
    }

    /// A variable that is a value.
    pub fn value(&mut self, name: &'a str, value: Value<'a>) {
        self.bound.insert(name, Bound::Value(value));
    }

    /// A variable whose fields are the values of programs, which see these same variables.
    /// There is one such variable.
    pub fn programs(
        &mut self,
        name: &'a str,
        programs: impl IntoIterator<Item = (&'a str, &'a Program)>,
    ) {
        self.bound.insert(name, Bound::Programs);
        self.programs = programs.into_iter().collect();
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Bound<'a>> {
        self.bound.get(name)
    }

    pub(crate) fn program(&self, name: &str) -> Option<&'a Program> {
        self.programs.get(name).copied()
    }

    pub(crate) fn known(&self, name: &str) -> Option<Result<Value<'a>, EvalError>> {
        self.known.borrow().get(name).cloned()
    }

    /// Limits are of the evaluation, not of the value.
    pub(crate) fn remember(&self, name: &str, value: &Result<Value<'a>, EvalError>) {
        if !value.as_ref().is_err_and(EvalError::is_limit) {
            self.known.borrow_mut().insert(name.to_owned(), value.clone());
        }
    }
}
