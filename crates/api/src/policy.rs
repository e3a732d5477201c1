//! What admission policies and the conditions of webhooks say in CEL: compiled once, evaluated
//! for each write. Where a policy is in force, and what comes of its verdict, is the server's.
//! Source: Kubernetes, "Common Expression Language in Kubernetes",
//! <https://kubernetes.io/docs/reference/using-api/cel/>.

mod authorizer;
mod declared;
pub(crate) mod device;
mod environment;
mod evaluate;
mod expression;
mod mutation;
mod typing;

use std::sync::Arc;

use serde_json::Value;

pub use self::authorizer::{Answer, Authorize, Question};
pub use self::environment::Scope;
pub use self::expression::{Expression, Problem, Result};
pub use self::mutation::Patch;
pub use self::typing::{Typed, Warning, warnings};

/// What expressions see of a write. What is not there is null.
pub struct Inputs<'i> {
    /// The object as it is to be.
    pub object: &'i Value,
    /// The object as it was.
    pub old_object: &'i Value,
    /// Who does what to what: an AdmissionRequest without its objects.
    pub request: &'i Value,
    /// The namespace that the object is in.
    pub namespace: &'i Value,
    /// What the binding gives to the policy.
    pub params: &'i Value,
    /// Answers questions about access.
    pub authorizer: Arc<dyn Authorize>,
    /// What the write is of, to be asked about.
    pub resource: Question,
}

/// A policy's expressions. What does not compile fails when it is evaluated.
#[derive(Debug)]
pub struct Expressions {
    conditions: Conditions,
    variables: Vec<(String, Expression)>,
    validations: Vec<Validation>,
    annotations: Vec<(String, Expression)>,
    mutations: Vec<Expression>,
}

/// Conditions under which a policy or a webhook is asked at all.
#[derive(Debug, Default)]
pub struct Conditions(Vec<Expression>);

#[derive(Debug)]
struct Validation {
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
}

/// What one validation says of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing against it.
    Admit,
    /// It is violated.
    Deny {
        /// In the policy's words.
        message: String,
        /// The word for it in a `Status`; empty where the policy has none.
        reason: String,
    },
    /// It could not be evaluated.
    Error(String),
}

impl Expressions {
    /// Compiles the `spec` of a policy.
    pub fn compile(spec: &Value) -> Self {
        let params = !spec["paramKind"].is_null();
        let mut scope = Scope::new(params);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = |field: &str| spec[field].as_array().into_iter().flatten();
        let conditions = Conditions::compile(&spec["matchConditions"], params);
        let mut variables = Vec::new();
        for variable in items("variables") {
            let name = text(&variable["name"]);
            let expression = scope.expression(&text(&variable["expression"]), Result::Any);
            scope.declare(&name, &expression);
            variables.push((name, expression));
        }
        let validations = items("validations").map(|validation| Validation {
            expression: scope.expression(&text(&validation["expression"]), Result::Bool),
            message: text(&validation["message"]).trim().to_owned(),
            message_expression: validation["messageExpression"]
                .as_str()
                .filter(|text| !text.is_empty())
                .map(|text| scope.expression(text, Result::Message)),
            reason: text(&validation["reason"]),
        });
        let annotations = items("auditAnnotations").map(|annotation| {
            let expression = text(&annotation["valueExpression"]);
            (text(&annotation["key"]), scope.expression(expression.trim(), Result::Annotation))
        });
        let mutations =
            items("mutations").map(|mutation| match text(&mutation["patchType"]).as_str() {
                "JSONPatch" => {
                    scope.expression(&text(&mutation["jsonPatch"]["expression"]), Result::Patch)
                }
                _ => {
                    let expression = text(&mutation["applyConfiguration"]["expression"]);
                    scope.expression(&expression, Result::Configuration)
                }
            });
        Self {
            conditions,
            variables,
            validations: validations.collect(),
            annotations: annotations.collect(),
            mutations: mutations.collect(),
        }
    }

    /// How many mutations there are.
    pub fn mutations(&self) -> usize {
        self.mutations.len()
    }
}

impl Conditions {
    /// Compiles a list of `matchConditions`.
    pub fn compile(conditions: &Value, params: bool) -> Self {
        let scope = Scope::new(params);
        let list = conditions.as_array().into_iter().flatten();
        let expressions = list.map(|condition| {
            let text = condition["expression"].as_str().unwrap_or_default();
            scope.expression(text.trim(), Result::Bool)
        });
        Self(expressions.collect())
    }

    /// None at all: every write is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
