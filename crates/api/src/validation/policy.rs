//! Admission policies and their bindings, and the conditions of webhooks.

mod binding;
mod expressions;

use std::collections::BTreeSet;

use serde_json::Value;

pub(super) use self::binding::binding;
use self::binding::match_resources;
use self::expressions::Expressions;
use super::admission::known;
use super::field::Field;
use super::status::conditions as conditions_of;
use crate::names;
use crate::policy::Result;

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];
const REINVOCATIONS: [&str; 2] = ["IfNeeded", "Never"];
const MUTATED: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const CONDITIONS_MAX: usize = 64;
const ANNOTATIONS_MAX: usize = 20;
/// Of variables, validations and mutations each; upstream has no such bound, and no other one on
/// the time that it takes to compile them.
const EXPRESSIONS_MAX: usize = 1_000;
const ANNOTATION_BYTES_MAX: usize = 5 * 1024;
const NOTHING_TO_DO: &str = "validations or auditAnnotations must contain at least one item";
/// Words that are no names in expressions.
const RESERVED: &str = " true false null in as break const continue else for function if import \
                        let loop package namespace return var void while ";

pub(super) fn validating(policy: &Field<'_>) {
    let spec = policy.at("spec");
    let expressions = common(&spec);
    let (validations, annotations) = (spec.at("validations"), spec.at("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        validations.required(NOTHING_TO_DO);
        annotations.required(NOTHING_TO_DO);
        return;
    }
    for validation in bounded(&validations) {
        check_validation(&validation, &expressions);
    }
    if annotations.len() > ANNOTATIONS_MAX {
        annotations.invalid(format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations"));
    }
    let name = policy.at("metadata").at("name").text();
    let mut keys = BTreeSet::new();
    for annotation in annotations.items().take(ANNOTATIONS_MAX) {
        check_annotation(&annotation, name, &expressions);
        let key = annotation.at("key");
        if !keys.insert(key.text().to_owned()) {
            key.duplicate();
        }
    }
}

pub(super) fn mutating(policy: &Field<'_>) {
    let spec = policy.at("spec");
    let expressions = common(&spec);
    let constraints = spec.at("matchConstraints");
    for rule in constraints.at("resourceRules").items() {
        let operations = rule.at("operations");
        for operation in operations.items().filter(|one| !MUTATED.contains(&one.text())) {
            constraints.showing(operation.value).unsupported(&MUTATED);
        }
    }
    let mutations = spec.at("mutations");
    if mutations.is_empty() {
        mutations.required("mutations must contain at least one item");
    }
    bounded(&mutations).for_each(|mutation| check_mutation(&mutation, &expressions));
    spec.at("reinvocationPolicy").one_of(&REINVOCATIONS);
}

/// The items of a list that is not too long.
fn bounded<'a>(list: &Field<'a>) -> impl Iterator<Item = Field<'a>> {
    if list.len() > EXPRESSIONS_MAX {
        list.too_many(EXPRESSIONS_MAX);
    }
    list.items().take(EXPRESSIONS_MAX)
}

/// What both kinds of policies have.
fn common(spec: &Field<'_>) -> Expressions {
    spec.at("failurePolicy").one_of(&FAILURE_POLICIES);
    let kind = spec.at("paramKind");
    if kind.is_some() {
        param_kind(&kind);
    }
    let constraints = spec.at("matchConstraints");
    if constraints.is_some() {
        match_resources(&constraints);
        if constraints.at("resourceRules").is_empty() {
            constraints.at("resourceRules").required("");
        }
    } else {
        constraints.required("");
    }
    conditions(&spec.at("matchConditions"), kind.is_some());
    let mut expressions = Expressions::new(kind.is_some());
    let variables = spec.at("variables");
    bounded(&variables).for_each(|variable| check_variable(&variable, &mut expressions));
    expressions
}

/// What was found out about a policy.
pub(super) fn status(status: &Field<'_>) {
    for warning in status.at("typeChecking").at("expressionWarnings").items() {
        warning.at("warning").must_be_given();
        warning.at("fieldRef").must_be_given();
    }
    conditions_of(&status.at("conditions"));
}

fn param_kind(kind: &Field<'_>) {
    let version = kind.at("apiVersion");
    let parts: Vec<&str> = version.text().split('/').collect();
    match parts.as_slice() {
        _ if version.is_empty() => version.required(""),
        [only] => check_version(&version, only),
        [group, name] => {
            let problems = names::dns_subdomain(group);
            if !group.is_empty() && !problems.is_empty() {
                version.invalid_as(*group, problems.join(","));
            }
            check_version(&version, name);
        }
        _ => version.invalid(format!("unexpected GroupVersion string: {}", version.text())),
    }
    let name = kind.at("kind");
    let problems = names::dns1035_label(&name.text().to_lowercase());
    if name.is_empty() {
        name.required("");
    } else if !problems.is_empty() {
        let problems = problems.join(",");
        name.invalid(format!("may have mixed case, but should otherwise match: {problems}"));
    }
}

fn check_version(field: &Field<'_>, version: &str) {
    if version.is_empty() {
        field.invalid("version must be specified");
        return;
    }
    let problems = names::dns1035_label(version);
    if !problems.is_empty() {
        field.invalid_as(version, problems.join(","));
    }
}

/// Conditions of a policy or of a webhook; `params`: there are parameters to speak of.
pub(super) fn conditions(list: &Field<'_>, params: bool) {
    if list.len() > CONDITIONS_MAX {
        list.too_many(CONDITIONS_MAX);
    }
    let expressions = Expressions::new(params);
    let mut seen = BTreeSet::new();
    for condition in list.items().take(CONDITIONS_MAX) {
        check_trimmed(&condition.at("expression"), &expressions, Result::Bool);
        let name = condition.at("name");
        if name.is_empty() {
            name.required("");
            continue;
        }
        name.well_formed(names::qualified_name);
        if !seen.insert(name.text().to_owned()) {
            name.duplicate();
        }
    }
}

/// An expression that upstream compiles, and shows, without the space around it.
fn check_trimmed(expression: &Field<'_>, expressions: &Expressions, wanted: Result) {
    match expression.text().trim() {
        "" => expression.required(""),
        trimmed => {
            let trimmed = Value::from(trimmed);
            expressions.check(&expression.showing(&trimmed), wanted);
        }
    }
}

fn check_variable(variable: &Field<'_>, expressions: &mut Expressions) {
    let (name, expression) = (variable.at("name"), variable.at("expression"));
    if name.text().trim().is_empty() {
        name.required("name is not specified");
    } else if !is_identifier(name.text()) {
        name.invalid("name is not a valid CEL identifier");
    }
    if expression.text().trim().is_empty() {
        expression.required("expression is not specified");
    } else {
        expressions.declare(name.text(), &expression);
    }
}

fn is_identifier(name: &str) -> bool {
    let starts = |c: char| c == '_' || c.is_ascii_alphabetic();
    name.starts_with(starts)
        && name.chars().all(|c| starts(c) || c.is_ascii_digit())
        && !RESERVED.contains(&format!(" {name} "))
}

fn check_validation(validation: &Field<'_>, expressions: &Expressions) {
    let expression = validation.at("expression");
    match expression.text().trim() {
        "" => expression.required("expression is not specified"),
        _ => expressions.check(&expression, Result::Bool),
    }
    let message_expression = validation.at("messageExpression");
    match (message_expression.text(), message_expression.text().trim()) {
        ("", _) => {}
        (_, "") => message_expression.invalid("must be non-empty if specified"),
        _ => expressions.check(&message_expression, Result::Message),
    }
    let message = validation.at("message");
    match (message.text(), message.text().trim()) {
        ("", _) => {}
        (_, "") => message.invalid("message must be non-empty if specified"),
        (_, text) if text.contains(['\n', '\r']) => {
            message.invalid("message must not contain line breaks");
        }
        _ => {}
    }
    known(&validation.at("reason"), &REASONS);
}

fn check_annotation(annotation: &Field<'_>, policy: &str, expressions: &Expressions) {
    let key = annotation.at("key");
    if policy.is_empty() {
        key.invalid_text("requires metadata.name be non-empty");
    } else {
        let whole = format!("{policy}/{}", key.text());
        let problems = names::qualified_name(&whole);
        problems.into_iter().for_each(|problem| key.invalid_as(whole.as_str(), problem));
    }
    let expression = annotation.at("valueExpression");
    match expression.text().trim() {
        "" => expression.required("valueExpression is not specified"),
        text if text.len() > ANNOTATION_BYTES_MAX => {
            expression.required(format!("must not exceed {ANNOTATION_BYTES_MAX} bytes in length"));
        }
        _ => expressions.check(&expression, Result::Annotation),
    }
}

fn check_mutation(mutation: &Field<'_>, expressions: &Expressions) {
    let kind = mutation.at("patchType");
    let (apply, patch) = (mutation.at("applyConfiguration"), mutation.at("jsonPatch"));
    let (given, other, result, shown) = match kind.text() {
        "ApplyConfiguration" => (apply, patch, Result::Configuration, "{jsonPatch}"),
        "JSONPatch" => (patch, apply, Result::Patch, "{applyConfiguration}"),
        "" => return kind.required(""),
        _ => return kind.unsupported(&PATCH_TYPES),
    };
    let kind = kind.text();
    if given.is_some() {
        check_trimmed(&given.at("expression"), expressions, result);
    } else {
        given.required(format!("must be specified when patchType is {kind}"));
    }
    if other.is_some() {
        other.invalid_as(shown, format!("must not be specified when patchType is {kind}"));
    }
}
