//! The verdict of expressions on one write, within upstream's bounds of cost.

use cel::{Budget, EvalError, List, Map, Text, Value, Variables};

use super::environment::VARIABLES;
use super::expression::Expression;
use super::{Conditions, Decision, Expressions, Inputs, Validation, authorizer};

/// What one expression may cost.
const EXPRESSION_COST_MAX: u64 = 1_000_000;
/// What all expressions of a policy may cost together.
const POLICY_COST_MAX: u64 = 10_000_000;
/// What all its conditions may.
const CONDITIONS_COST_MAX: u64 = POLICY_COST_MAX / 4;
/// A longer message is none.
const MESSAGE_BYTES_MAX: usize = 5 * 1024;
/// More of an audit annotation is not kept.
const ANNOTATION_BYTES_MAX: usize = 10 * 1024;
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// Why an expression has no value.
pub(super) enum Failed {
    /// It alone.
    Expression(String),
    /// All of them: there is no budget left.
    Budget,
}

impl Failed {
    pub(super) fn text(self) -> String {
        match self {
            Self::Expression(why) => why,
            Self::Budget => OUT_OF_BUDGET.to_owned(),
        }
    }
}

/// Cost that is left for several expressions.
pub(super) struct Purse(u64);

impl Purse {
    pub(super) fn for_policy() -> Self {
        Self(POLICY_COST_MAX)
    }

    /// The value of an expression.
    pub(super) fn evaluate<'a>(
        &mut self,
        expression: &'a Expression,
        variables: &Variables<'a>,
    ) -> Result<Value<'a>, Failed> {
        let program = match &expression.program {
            Ok(program) => program,
            Err(problem) => {
                return Err(Failed::Expression(format!("compilation error: {problem}")));
            }
        };
        let mut budget = Budget::new(self.0.min(EXPRESSION_COST_MAX));
        let value = program.evaluate(variables, &mut budget);
        let short = self.0 < EXPRESSION_COST_MAX;
        self.0 = self.0.saturating_sub(budget.spent());
        value.map_err(|error| match error {
            EvalError::CostLimit if short => Failed::Budget,
            error => Failed::Expression(format!(
                "expression '{}' resulted in error: {error}",
                expression.text
            )),
        })
    }
}

/// The variables of a write; the policy's own are added by the policy.
fn variables<'a>(inputs: &Inputs<'a>) -> Variables<'a> {
    let mut variables = Variables::new();
    variables.json("object", inputs.object);
    variables.json("oldObject", inputs.old_object);
    variables.json("request", inputs.request);
    variables.json("namespaceObject", inputs.namespace);
    variables.json("params", inputs.params);
    variables.value("authorizer", authorizer::authorizer(inputs.authorizer.clone()));
    let resource = authorizer::of_request(inputs.authorizer.clone(), inputs.resource.clone());
    variables.value("authorizer.requestResource", resource);
    variables
}

impl Conditions {
    /// Do all of them hold? One that is false decides, whatever is wrong with others.
    pub fn hold(&self, inputs: &Inputs<'_>) -> Result<bool, String> {
        if self.0.is_empty() {
            return Ok(true);
        }
        let variables = variables(inputs);
        let mut purse = Purse(CONDITIONS_COST_MAX);
        let mut errors = Vec::new();
        for condition in &self.0 {
            match purse.evaluate(condition, &variables) {
                Ok(Value::Bool(false)) => return Ok(false),
                Ok(_) => {}
                Err(Failed::Expression(why)) => errors.push(why),
                Err(Failed::Budget) => return Err(Failed::Budget.text()),
            }
        }
        match errors.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

impl Expressions {
    /// Is the policy about this write at all?
    pub fn conditions_hold(&self, inputs: &Inputs<'_>) -> Result<bool, String> {
        self.conditions.hold(inputs)
    }

    pub(super) fn variables<'a>(&'a self, inputs: &Inputs<'a>) -> Variables<'a> {
        let mut variables = variables(inputs);
        let usable = |(name, expression): &'a (String, Expression)| {
            Some((name.as_str(), expression.program.as_ref().ok()?))
        };
        variables.programs(VARIABLES, self.variables.iter().filter_map(usable));
        variables
    }

    /// What each validation says; a single error where they could not be evaluated at all.
    pub fn validate(&self, inputs: &Inputs<'_>) -> Vec<Decision> {
        let variables = self.variables(inputs);
        let mut purse = Purse::for_policy();
        let mut decisions = Vec::with_capacity(self.validations.len());
        for validation in &self.validations {
            match validation.decide(&variables, &mut purse) {
                Ok(decision) => decisions.push(decision),
                Err(failed) => return vec![Decision::Error(failed.text())],
            }
        }
        decisions
    }

    /// What is to be noted of a write in the audit log, or why that cannot be told.
    pub fn annotations(&self, inputs: &Inputs<'_>) -> Vec<(&str, Result<String, String>)> {
        if self.annotations.is_empty() {
            return Vec::new();
        }
        let variables = self.variables(inputs);
        let mut purse = Purse::for_policy();
        let mut found = Vec::new();
        for (key, expression) in &self.annotations {
            match purse.evaluate(expression, &variables) {
                Ok(Value::String(text)) => {
                    let text = cut(text.as_str().trim(), ANNOTATION_BYTES_MAX);
                    if !text.is_empty() {
                        found.push((key.as_str(), Ok(text.to_owned())));
                    }
                }
                Ok(_) => {}
                Err(failed) => found.push((key.as_str(), Err(failed.text()))),
            }
        }
        found
    }
}

fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Validation {
    fn decide<'a>(
        &'a self,
        variables: &Variables<'a>,
        purse: &mut Purse,
    ) -> Result<Decision, Failed> {
        match purse.evaluate(&self.expression, variables) {
            Ok(Value::Bool(true)) => Ok(Decision::Admit),
            Ok(_) => {
                let (message, reason) = (self.message(variables, purse)?, self.reason.clone());
                Ok(Decision::Deny { message, reason })
            }
            Err(Failed::Expression(why)) => Ok(Decision::Error(why)),
            Err(Failed::Budget) => Err(Failed::Budget),
        }
    }

    /// What its expression makes, the text beside that, or the expression itself.
    fn message<'a>(
        &'a self,
        variables: &Variables<'a>,
        purse: &mut Purse,
    ) -> Result<String, Failed> {
        if let Some(expression) = &self.message_expression {
            match purse.evaluate(expression, variables) {
                Ok(Value::String(text)) if is_message(&text) => {
                    return Ok(text.as_str().trim().to_owned());
                }
                Ok(_) | Err(Failed::Expression(_)) => {}
                Err(Failed::Budget) => {
                    let why = format!("failed messageExpression: {OUT_OF_BUDGET}");
                    return Err(Failed::Expression(why));
                }
            }
        }
        if !self.message.is_empty() {
            return Ok(self.message.clone());
        }
        Ok(format!("failed expression: {}", self.expression.text.trim()))
    }
}

fn is_message(text: &Text<'_>) -> bool {
    let text = text.as_str().trim();
    !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n')
}

/// The items of a list.
pub(super) fn items<'a>(value: Value<'a>) -> Option<List<'a>> {
    match value {
        Value::List(list) => Some(list),
        _ => None,
    }
}

/// The fields of an object.
pub(super) fn fields<'a>(value: Value<'a>) -> Option<Map<'a>> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}
