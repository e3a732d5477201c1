//! From the rules of a schema to programs.

use std::sync::Arc;

use ::cel::{Declared, Environment, Program, Shape, Type};

use super::{Compiled, Node, Rule, path};
use crate::custom::{Schema, declare};

/// Why a rule or its message cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unusable {
    /// The rule, in upstream's words.
    Rule(String),
    /// The expression of its message.
    Message(String),
}

/// What a rule can cost at worst.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    pub rule: u64,
    pub message: u64,
}

/// The rules of a schema and of what is below; nothing where there are none.
pub(super) fn node(schema: &Schema, declared: Option<Arc<Declared>>, root: bool) -> Option<Node> {
    let part = |name: &str| part(declared.as_deref()?, name);
    let items = schema.items().and_then(|items| node(items, part("@items"), items.embedded));
    let values = schema.additional().and_then(|below| node(below, part("@values"), below.embedded));
    let mut fields = std::collections::BTreeMap::new();
    for (name, below) in &schema.properties {
        let declared = property(declared.as_deref(), name, below);
        if let Some(node) = node(below, declared, below.embedded) {
            fields.insert(name.clone(), node);
        }
    }
    let rules = match &declared {
        Some(declared) => schema.rules.iter().map(|r| rule(schema, r, declared).0).collect(),
        None => Vec::new(),
    };
    if rules.is_empty() && items.is_none() && values.is_none() && fields.is_empty() {
        return None;
    }
    let keys = match schema.list_type.as_deref() {
        Some("map") => schema.list_map_keys.clone(),
        _ => Vec::new(),
    };
    let kind = if root { "object".to_owned() } else { schema.kind.clone() };
    let atomic = schema.map_type.as_deref() == Some("atomic");
    Some(Node {
        kind,
        declared,
        rules,
        items: items.map(Box::new),
        values: values.map(Box::new),
        fields,
        keys,
        atomic,
    })
}

/// The declaration of a property.
pub(crate) fn property(
    declared: Option<&Declared>,
    name: &str,
    below: &Schema,
) -> Option<Arc<Declared>> {
    match declare::escape(name) {
        Some(escaped) => part(declared?, &escaped),
        // It cannot be named, and may have rules of its own all the same.
        None => below.declared(below.embedded).map(Arc::new),
    }
}

/// The declaration of a part.
pub(crate) fn part(declared: &Declared, name: &str) -> Option<Arc<Declared>> {
    match (&declared.shape, name) {
        (Shape::List(item, _), "@items") => Some(item.clone()),
        (Shape::Map(value), "@values") => Some(value.clone()),
        (Shape::Object(object), name) => object.fields.get(name).map(|f| f.declared.clone()),
        _ => None,
    }
}

/// Compiles a rule, with what is wrong with it and what it costs.
pub(super) fn rule(
    schema: &Schema,
    rule: &Rule,
    declared: &Arc<Declared>,
) -> (Compiled, Vec<Unusable>, Costs) {
    let environment = environment(declared, rule.optional_old_self == Some(true));
    let mut wrong = Vec::new();
    let mut costs = Costs::default();
    let program = program(&environment, &rule.rule, Type::Bool);
    match &program {
        Ok(Some(program)) => costs.rule = program.estimate().max,
        Ok(None) => {}
        Err(why) => wrong.push(Unusable::Rule(why.clone())),
    }
    let mut message = None;
    if !rule.message_expression.is_empty() && program.is_ok() {
        match self::program(&environment, &rule.message_expression, Type::String) {
            Ok(program) => {
                costs.message = program.as_ref().map_or(0, |program| program.estimate().max);
                message = program;
            }
            Err(why) => wrong.push(Unusable::Message(why)),
        }
    }
    let uses_old_self = matches!(&program, Ok(Some(program)) if program.uses("oldSelf"));
    let field_path = path::normalized(&rule.field_path, schema).ok();
    let rule = rule.clone();
    (Compiled { rule, program, message, field_path, uses_old_self }, wrong, costs)
}

fn environment(declared: &Arc<Declared>, optional: bool) -> Environment {
    let old = match optional {
        true => Arc::new(Declared::plain(Type::optional(declared.kind()))),
        false => declared.clone(),
    };
    let environment = crate::cel::environment().with_variable("self", declared.clone());
    environment.with_variable("oldSelf", old)
}

fn program(environment: &Environment, text: &str, wanted: Type) -> Result<Option<Program>, String> {
    let (what, must) = match wanted {
        Type::Bool => ("", "cel expression must evaluate to a bool"),
        _ => ("messageExpression ", "messageExpression must evaluate to a string"),
    };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let program = environment.compile(text);
    let program = program.map_err(|error| format!("{what}compilation failed: {error}"))?;
    if *program.kind() == wanted { Ok(Some(program)) } else { Err(must.to_owned()) }
}
