//! The rules of a schema in CEL (`x-kubernetes-validations`), compiled once and evaluated for
//! every object that is written. Costs, limits and texts are upstream's.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::cel::{Declared, Program};
use serde_json::Value;

use super::{Rule, Schema};
use crate::cel::CALL_COST_MAX;
use crate::validation::FieldError;

mod compile;
mod evaluate;
mod path;

pub(crate) use compile::part as part_of;
pub(crate) use compile::{Costs, Unusable, property};

/// No request is larger, in bytes; sizes that are not bounded by a schema are bounded by this.
pub(crate) const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// All rules of one object may cost so much together.
const OBJECT_COST_MAX: u64 = 10 * CALL_COST_MAX;

/// The compiled rules of a schema.
#[derive(Debug, Default)]
pub struct Rules {
    root: Option<Node>,
}

/// What the rules say of an object.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// What is wrong.
    pub errors: Vec<FieldError>,
    /// What was wrong before and was not touched: its writer is told.
    pub warnings: Vec<String>,
}

/// A place in the schema that has rules, there or below.
#[derive(Debug)]
struct Node {
    /// The type as messages show it.
    kind: String,
    declared: Option<Arc<Declared>>,
    rules: Vec<Compiled>,
    items: Option<Box<Node>>,
    values: Option<Box<Node>>,
    fields: BTreeMap<String, Node>,
    /// Of a list: the fields by which an item is found in the list that was.
    keys: Vec<String>,
    /// Of a map or object: it is one value, and its parts have no past of their own.
    atomic: bool,
}

/// A rule and its programs.
#[derive(Debug)]
struct Compiled {
    rule: Rule,
    /// Nothing where the rule is empty, or why it cannot be used.
    program: Result<Option<Program>, String>,
    message: Option<Program>,
    /// Normalized.
    field_path: Option<String>,
    uses_old_self: bool,
}

impl Rules {
    /// Compiles the rules of a schema, which is that of a whole resource.
    pub fn compile(schema: &Schema) -> Self {
        if !schema.has_rules() {
            return Self::default();
        }
        let declared = schema.declared(true).map(Arc::new);
        Self { root: compile::node(schema, declared, true) }
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// What the rules say of an object, and of what becomes of an older one.
    pub fn check(&self, object: &Value, old: Option<&Value>) -> Verdict {
        let Some(root) = &self.root else { return Verdict::default() };
        let mut evaluation = evaluate::Evaluation::new(OBJECT_COST_MAX);
        evaluation.object(root, object, old);
        evaluation.verdict
    }
}

/// What validation of definitions asks.
impl Schema {
    /// The schema of a resource as expressions see it.
    pub(crate) fn declaration(&self) -> Option<Arc<Declared>> {
        self.declared(true).map(Arc::new)
    }

    /// What is wrong with a rule of this schema, what it costs, and whether it asks what was.
    pub(crate) fn try_rule(
        &self,
        rule: &Rule,
        declared: &Arc<Declared>,
    ) -> (Vec<Unusable>, Costs, bool) {
        let (compiled, wrong, costs) = compile::rule(self, rule, declared);
        (wrong, costs, compiled.uses_old_self)
    }

    /// Is the path of a rule one of this schema?
    pub(crate) fn rule_path(&self, field_path: &str) -> Result<(), String> {
        path::normalized(field_path, self).map(|_| ())
    }

    /// Are its parts never told apart from what was?
    pub(crate) fn is_atomic_map(&self) -> bool {
        self.map_type.as_deref() == Some("atomic")
    }

    /// Are items found again by their keys?
    pub(crate) fn is_list_map(&self) -> bool {
        self.list_type.as_deref() == Some("map")
    }

    /// How many items and additional properties there can be, where that is said.
    pub(crate) fn lens_max(&self) -> (Option<u64>, Option<u64>) {
        (self.max_items, self.max_properties)
    }
}

#[cfg(test)]
mod tests;
