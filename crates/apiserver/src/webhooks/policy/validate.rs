//! Policies that judge: all of them are evaluated, and the first to refuse has the word.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::Decision;
use api::status::{Cause, Status};
use serde_json::{Value, json};

use super::super::asked::Asked;
use super::input::Input;
use super::{Binding, Case, Policies, cases};
use crate::audit;
use crate::error::ApiResult;
use crate::kinds::Kind;

/// The codes of the words that a validation may give for its refusal.
const CODES: [(&str, u16); 2] = [("Forbidden", 403), ("RequestEntityTooLarge", 413)];
/// Where the audit log tells of a violation.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";
/// Of the others.
const INVALID: (&str, u16) = ("Invalid", 422);

/// A refusal.
struct Denial {
    message: String,
    reason: String,
}

/// What is wrong with a write.
struct Violation<'v> {
    /// Of the validation that found it.
    index: usize,
    message: &'v str,
    reason: &'v str,
}

impl<'v> Violation<'v> {
    /// An expression that has no value.
    fn failed(index: usize, message: &'v str) -> Self {
        Self { index, message, reason: "" }
    }
}

/// What a write was found to be.
#[derive(Default)]
struct Verdict {
    denial: Option<Denial>,
    /// The write as expressions see it, by the kind in whose form it is shown.
    inputs: Vec<(Arc<Kind>, Arc<Input>)>,
    /// What the audit log is to tell, by key; each value once.
    annotations: BTreeMap<String, Vec<String>>,
}

impl Policies {
    /// Evaluates the policies that this write is subject to.
    pub(in super::super) async fn validate(&self, asked: &Asked<'_>) -> ApiResult<()> {
        match self.validating.is_empty() {
            true => Ok(()),
            // Apart from the request's own future, which is no larger where there are no policies.
            false => Box::pin(self.judge(asked)).await,
        }
    }

    async fn judge(&self, asked: &Asked<'_>) -> ApiResult<()> {
        let mut verdict = Verdict::default();
        for case in cases(&self.validating, asked).await? {
            verdict.add(&case, asked).await?;
        }
        for (key, values) in &verdict.annotations {
            audit::annotate(key, values.join(", "));
        }
        match verdict.denial {
            None => Ok(()),
            Some(denial) => Err(refusal(asked, denial).into()),
        }
    }
}

impl Verdict {
    async fn add(&mut self, case: &Case<'_>, asked: &Asked<'_>) -> ApiResult<()> {
        let policy = case.policy;
        let (binding, params) = match (case.binding, &case.params) {
            (Some(binding), Ok(params)) => (binding, params.as_ref()),
            (_, Ok(_)) => return Ok(()),
            (_, Err(_)) if policy.ignores_failure => return Ok(()),
            (_, Err(why)) => {
                self.deny(case, why, "");
                return Ok(());
            }
        };
        let input = self.input(asked, &case.kind).await?;
        match policy.expressions.conditions_hold(&input.with(params)) {
            Ok(true) => self.evaluate(case, binding, asked, (&input, params)),
            Ok(false) => {}
            Err(_) if policy.ignores_failure => {}
            Err(why) => self.act(case, binding, asked, Violation::failed(0, &why)),
        }
        Ok(())
    }

    async fn input(&mut self, asked: &Asked<'_>, kind: &Arc<Kind>) -> ApiResult<Arc<Input>> {
        if let Some((_, input)) = self.inputs.iter().find(|(known, _)| Arc::ptr_eq(known, kind)) {
            return Ok(input.clone());
        }
        let input = Arc::new(Input::of(asked, kind).await?);
        self.inputs.push((kind.clone(), input.clone()));
        Ok(input)
    }

    fn evaluate(
        &mut self,
        case: &Case<'_>,
        binding: &Binding,
        asked: &Asked<'_>,
        (input, params): (&Input, Option<&Value>),
    ) {
        let policy = case.policy;
        let decisions = policy.expressions.validate(&input.with(params));
        for (index, decision) in decisions.iter().enumerate() {
            match decision {
                Decision::Admit => {}
                Decision::Error(_) if policy.ignores_failure => {}
                Decision::Error(why) => {
                    self.act(case, binding, asked, Violation::failed(index, why));
                }
                Decision::Deny { message, reason } => {
                    self.act(case, binding, asked, Violation { index, message, reason });
                }
            }
        }
        for (key, value) in policy.expressions.annotations(&input.with(params)) {
            match value {
                Ok(value) => self.annotate(format!("{}/{key}", policy.name), value),
                Err(why) if !policy.ignores_failure => self.deny(case, &why, ""),
                Err(_) => {}
            }
        }
    }

    fn annotate(&mut self, key: String, value: String) {
        let values = self.annotations.entry(key).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }

    /// Does with a violation what the binding says.
    fn act(
        &mut self,
        case: &Case<'_>,
        binding: &Binding,
        asked: &Asked<'_>,
        Violation { index, message, reason }: Violation<'_>,
    ) {
        if binding.audits {
            let failure = json!([{"message": message, "policy": case.policy.name,
                "binding": binding.name, "expressionIndex": index,
                "validationActions": binding.actions}]);
            audit::annotate(FAILURE, failure.to_string());
        }
        if binding.denies {
            self.deny(case, message, reason);
        }
        if binding.warns {
            asked.call.warn(format!(
                "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                case.policy.name, binding.name
            ));
        }
    }

    fn deny(&mut self, case: &Case<'_>, why: &str, reason: &str) {
        let policy = &case.policy.name;
        let message = match case.binding {
            Some(binding) => format!(
                "ValidatingAdmissionPolicy '{policy}' with binding '{}' denied request: {why}",
                binding.name
            ),
            None => format!("ValidatingAdmissionPolicy '{policy}' denied request: {why}"),
        };
        let denial = Denial { message, reason: reason.to_owned() };
        self.denial.get_or_insert(denial);
    }
}

fn refusal(asked: &Asked<'_>, denial: Denial) -> Status {
    let Denial { message, reason } = denial;
    let mut status = Status::forbidden(asked.call.kind.resource(), &asked.name, &message);
    let known = CODES.into_iter().find(|(known, _)| *known == reason);
    (status.reason, status.code) = known.unwrap_or(INVALID);
    let (reason, field) = (String::new(), String::new());
    status.details.causes.push(Cause { reason, message, field });
    status
}
