//! The rules of an object, from its root down, each with the value that was in the same place.

use ::cel::{Budget, EvalError, Value as Cel, Variables};
use serde_json::Value;

use super::{CALL_COST_MAX, Compiled, Node, Rule, Verdict};
use crate::custom::value::{error, join};
use crate::validation::{ErrorKind, FieldError};

const NO_BUDGET: &str = "validation failed due to running out of cost budget, no further \
                         validation rules will be run";
/// A message that an expression makes is no longer, in bytes.
const MESSAGE_MAX: usize = 5 * 1024;
/// Work beyond cost, for all rules of one object: about a second.
const OBJECT_WORK_MAX: u64 = 5 * ::cel::WORK_MAX;

pub(super) struct Evaluation {
    cost_left: u64,
    work_left: u64,
    over: bool,
    pub(super) verdict: Verdict,
}

/// What was in this place, as far as it can be told.
#[derive(Clone, Copy)]
struct Past<'v> {
    /// The value itself.
    value: Option<&'v Value>,
    /// Is this place, or where it has no past the nearest place above that has one, as it was?
    same: bool,
    /// The place has a past, or is new in a place that has one.
    known: bool,
}

impl<'v> Past<'v> {
    /// What was in a part of this place.
    fn part(self, old: Option<&'v Value>, new: &Value) -> Self {
        match (self.known, old) {
            (true, Some(old)) => {
                Self { value: Some(old), same: self.same || old == new, known: true }
            }
            _ => Self { value: None, same: self.same, known: false },
        }
    }
}

impl Evaluation {
    pub(super) fn new(cost: u64) -> Self {
        let verdict = Verdict::default();
        Self { cost_left: cost, work_left: OBJECT_WORK_MAX, over: false, verdict }
    }

    pub(super) fn object(&mut self, root: &Node, new: &Value, old: Option<&Value>) {
        let same = old.is_some_and(|old| old == new);
        self.node(root, "", new, Past { value: old, same, known: old.is_some() });
    }

    fn node(&mut self, node: &Node, path: &str, new: &Value, past: Past<'_>) {
        if new.is_null() || self.over {
            return;
        }
        self.rules(node, path, new, past);
        match new {
            Value::Array(items) => {
                let Some(below) = &node.items else { return };
                let old = past.value.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                for (index, item) in items.iter().enumerate() {
                    let was = same_item(&node.keys, item, old);
                    let past = past.part(was, item);
                    self.node(below, &format!("{path}[{index}]"), item, past);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let (below, path) = match (&node.values, node.fields.get(name)) {
                        (_, Some(below)) => (below, join(path, name)),
                        (Some(below), None) => (&**below, format!("{path}[{name}]")),
                        (None, None) => continue,
                    };
                    let old = if node.atomic { None } else { past.value };
                    let past = past.part(old.and_then(|old| old.get(name)), value);
                    self.node(below, &path, value, past);
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, node: &Node, path: &str, new: &Value, past: Past<'_>) {
        for compiled in &node.rules {
            if self.over {
                return;
            }
            self.rule(node, compiled, path, new, past);
        }
    }

    /// No further rule is evaluated.
    fn end(&mut self, node: &Node, path: &str, why: String) {
        self.over = true;
        self.push(error(path, ErrorKind::Invalid, node.kind.clone().into(), why));
    }

    fn push(&mut self, error: FieldError) {
        self.verdict.errors.push(error);
    }

    fn rule(&mut self, node: &Node, compiled: &Compiled, path: &str, new: &Value, past: Past<'_>) {
        let rule = &compiled.rule;
        let invalid = |why: String| error(path, ErrorKind::Invalid, node.kind.clone().into(), why);
        let program = match &compiled.program {
            Ok(Some(program)) => program,
            Ok(None) => return,
            // Definitions with such rules are refused; one may have been stored before.
            Err(why) => return self.push(invalid(format!("rule compile error: {why}"))),
        };
        let optional = rule.optional_old_self == Some(true);
        if compiled.uses_old_self && past.value.is_none() && !optional {
            return;
        }
        if self.cost_left == 0 {
            return self.end(node, path, NO_BUDGET.to_owned());
        }
        let variables = variables(node, new, past.value, optional);
        let shown = shown(rule);
        match self.evaluate(program, &variables) {
            Ok(Cel::Bool(true)) => {}
            Ok(_) => {
                let old = variables;
                self.failed((node, new), compiled, path, past, &old);
            }
            Err(EvalError::CostLimit) if self.cost_left == 0 => {
                self.end(node, path, NO_BUDGET.to_owned());
            }
            Err(limit) if limit.is_limit() => self.end(
                node,
                path,
                format!(
                    "'{limit}': no further validation rules will be run due to call cost exceeds \
                     limit for rule: {shown}"
                ),
            ),
            Err(why) if why == EvalError::no_overload() => self.push(invalid(format!(
                "'{why}': call arguments did not match a supported operator, function or macro \
                 signature for rule: {shown}"
            ))),
            Err(why) => self.push(invalid(format!("{why} evaluating rule: {shown}"))),
        }
    }

    /// Evaluates within what a call and what the object has left.
    fn evaluate<'a>(
        &mut self,
        program: &'a ::cel::Program,
        variables: &Variables<'a>,
    ) -> Result<Cel<'a>, EvalError> {
        let mut budget = Budget::new(CALL_COST_MAX);
        let value = program.evaluate(variables, &mut budget);
        self.work_left = self.work_left.saturating_sub(budget.worked());
        if self.work_left == 0 {
            return Err(EvalError::WorkLimit);
        }
        match self.cost_left.checked_sub(budget.spent()) {
            Some(left) => self.cost_left = left,
            None => {
                self.cost_left = 0;
                return Err(EvalError::CostLimit);
            }
        }
        value
    }

    fn failed<'a>(
        &mut self,
        (node, found): (&Node, &Value),
        compiled: &'a Compiled,
        path: &str,
        past: Past<'_>,
        variables: &Variables<'a>,
    ) {
        let rule = &compiled.rule;
        // What is more than one value is not shown.
        let is_large = matches!(node.kind.as_str(), "object" | "array");
        let (invalid, duplicate) = match is_large {
            true => (ErrorKind::InvalidUnshown, ErrorKind::DuplicateUnshown),
            false => (ErrorKind::Invalid, ErrorKind::Duplicate),
        };
        let below = compiled.field_path.as_deref().filter(|below| !below.is_empty());
        let blamed = below.map_or_else(|| path.to_owned(), |below| join(path, below));
        let (detail, ends) = match &compiled.message {
            Some(program) => self.message(rule, program, variables),
            None => (default_message(rule), false),
        };
        let value = if is_large { Value::Null } else { found.clone() };
        let found = match rule.reason.as_deref() {
            _ if ends => error(&blamed, ErrorKind::Invalid, node.kind.clone().into(), detail),
            Some("FieldValueForbidden") => {
                error(&blamed, ErrorKind::Forbidden, Value::Null, detail)
            }
            Some("FieldValueRequired") => error(&blamed, ErrorKind::Required, Value::Null, detail),
            Some("FieldValueDuplicate") => error(&blamed, duplicate, value, String::new()),
            _ => error(&blamed, invalid, value, detail),
        };
        self.over |= ends;
        if past.same && !compiled.uses_old_self {
            self.verdict.warnings.push(found.to_string());
        } else {
            self.push(found);
        }
    }

    /// The message that the expression makes; and whether that was too much.
    fn message<'a>(
        &mut self,
        rule: &Rule,
        program: &'a ::cel::Program,
        variables: &Variables<'a>,
    ) -> (String, bool) {
        let text = &rule.message_expression;
        match self.evaluate(program, variables) {
            Ok(Cel::String(made)) => {
                let made = made.as_str().trim();
                let usable = !made.is_empty() && !made.contains('\n') && made.len() <= MESSAGE_MAX;
                (if usable { made.to_owned() } else { default_message(rule) }, false)
            }
            Err(EvalError::CostLimit) if self.cost_left == 0 => (
                "messageExpression evaluation failed due to running out of cost budget, no \
                 further validation rules will be run"
                    .to_owned(),
                true,
            ),
            Err(limit) if limit.is_limit() => (
                format!(
                    "no further validation rules will be run due to call cost exceeds limit for \
                     messageExpression: {text:?}"
                ),
                true,
            ),
            // As upstream: the rule is what matters.
            _ => (default_message(rule), false),
        }
    }
}

fn variables<'a>(
    node: &'a Node,
    new: &'a Value,
    old: Option<&'a Value>,
    optional: bool,
) -> Variables<'a> {
    let mut variables = Variables::new();
    variables.json("self", new);
    let declared = node.declared.as_deref();
    match (old, optional) {
        (Some(old), false) => variables.json("oldSelf", old),
        (Some(old), true) => {
            variables.value("oldSelf", Cel::some(Cel::of_json(old, declared)));
        }
        (None, true) => variables.value("oldSelf", Cel::Optional(None)),
        (None, false) => {}
    }
    variables
}

/// The item of the list that was that has the same keys.
fn same_item<'v>(keys: &[String], item: &Value, old: &'v [Value]) -> Option<&'v Value> {
    if keys.is_empty() {
        return None;
    }
    old.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
}

fn default_message(rule: &Rule) -> String {
    match rule.message.trim() {
        "" => format!("failed rule: {}", rule.rule.trim()),
        message => message.to_owned(),
    }
}

fn shown(rule: &Rule) -> &str {
    match rule.message.trim() {
        "" => rule.rule.trim(),
        message => message,
    }
}
