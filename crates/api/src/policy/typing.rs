//! What can be told of a policy's expressions beforehand, where it is known what they are about.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::{Declared, Field, ListKind, Object, Shape, Type};
use serde_json::Value;

use super::environment::Scope;
use super::expression::Result;
use crate::schema::{ListType, Shape as Schema, TypeSchema};
use crate::{Gvk, read};

/// Deeper parts of a type are not looked at: anything may be there.
const DEPTH_MAX: usize = 32;
/// More validations than these are not checked for each kind.
const CHECKED_MAX: usize = 100;

/// A kind that a policy is about.
#[derive(Debug, Clone)]
pub struct Typed {
    gvk: Gvk,
    declared: Arc<Declared>,
}

/// A fault in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `spec.validations[0].expression`
    pub field: String,
    /// By kind, what is wrong.
    pub text: String,
}

impl Typed {
    /// A kind and its type.
    pub fn new(gvk: Gvk, schema: &TypeSchema) -> Self {
        let declared = Arc::new(declared(schema, &gvk.kind, 0));
        Self { gvk, declared }
    }
}

/// What is wrong with the validations of this `spec` for objects of these kinds.
pub fn warnings(spec: &Value, kinds: &[Typed], params: Option<&Typed>) -> Vec<Warning> {
    let scopes: Vec<(&Gvk, Scope)> =
        kinds.iter().map(|kind| (&kind.gvk, scope(spec, kind, params))).collect();
    let mut found = Vec::new();
    for (index, validation) in items(spec, "validations").take(CHECKED_MAX).enumerate() {
        for field in ["expression", "messageExpression"] {
            let Some(text) = validation[field].as_str().filter(|text| !text.is_empty()) else {
                continue;
            };
            let texts: Vec<String> =
                scopes.iter().filter_map(|(gvk, scope)| warning(text, gvk, scope)).collect();
            if !texts.is_empty() {
                let field = format!("spec.validations[{index}].{field}");
                found.push(Warning { field, text: texts.join("\n") });
            }
        }
    }
    found
}

fn items<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    read::at(spec, &[field]).as_array().into_iter().flatten()
}

/// What expressions see of objects of this kind.
fn scope(spec: &Value, kind: &Typed, params: Option<&Typed>) -> Scope {
    let mut scope = Scope::typed(&kind.declared, params.map(|params| &params.declared));
    for variable in items(spec, "variables") {
        let text = variable["expression"].as_str().unwrap_or_default();
        let expression = scope.expression(text, Result::Any);
        scope.declare(variable["name"].as_str().unwrap_or_default(), &expression);
    }
    scope
}

fn warning(text: &str, gvk: &Gvk, scope: &Scope) -> Option<String> {
    let expression = scope.expression(text, Result::Any);
    let problem = expression.problem()?.to_string();
    let problem = problem.strip_prefix("compilation failed: ").unwrap_or(&problem);
    let gvk = gvk.to_string();
    Some(format!("{}: {problem}\n", gvk.trim_start_matches('/')))
}

/// A type as expressions see it. Texts that may be numbers are anything.
fn declared(schema: &TypeSchema, name: &str, depth: usize) -> Declared {
    if depth > DEPTH_MAX {
        return Declared::anything();
    }
    let shape = match &schema.shape {
        Schema::String { format } => Shape::Plain(match format.as_deref() {
            Some("date-time") => Type::Timestamp,
            Some("byte") => Type::Bytes,
            _ => Type::String,
        }),
        Schema::Integer { .. } => Shape::Plain(Type::Int),
        Schema::Number => Shape::Plain(Type::Double),
        Schema::Boolean => Shape::Plain(Type::Bool),
        Schema::Any | Schema::IntOrString | Schema::Quantity => Shape::Plain(Type::Dyn),
        Schema::Map { values, .. } => {
            Shape::Map(Arc::new(declared(values, &format!("{name}.@values"), depth + 1)))
        }
        Schema::List(list) => {
            let items = declared(&list.items, &format!("{name}.@items"), depth + 1);
            let kind = match &list.apply {
                ListType::Atomic => ListKind::Atomic,
                ListType::Set => ListKind::Set,
                ListType::Map(keys) => {
                    ListKind::Map(keys.iter().map(|key| key.to_string()).collect())
                }
            };
            Shape::List(Arc::new(items), kind)
        }
        Schema::Object(object) => {
            let mut fields = BTreeMap::new();
            for (field, below) in &object.fields {
                let declared = Arc::new(declared(below, &format!("{name}.{field}"), depth + 1));
                let field = field.to_string();
                fields.insert(field.clone(), Field { json_name: field, declared });
            }
            // An object without fields of its own is one that nobody has described.
            let open = object.preserve_unknown || fields.is_empty();
            Shape::Object(Arc::new(Object { name: name.to_owned(), fields, open }))
        }
    };
    Declared { shape, ..Declared::anything() }
}
