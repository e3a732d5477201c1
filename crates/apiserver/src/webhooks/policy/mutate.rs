//! Policies that change: one after the other, each seeing what those before it did.

use std::sync::Arc;

use api::policy::Patch;
use api::schema::TypeSchema;
use api::status::{Cause, Status};
use serde_json::Value;

use super::super::asked::{Asked, Operation};
use super::super::rounds::Round;
use super::input::Input;
use super::{Binding, Case, Policies, cases};
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Kind;
use crate::object::meta;

impl Policies {
    /// Lets the policies that this write is subject to change its object. In a second round only
    /// those that are due: something has changed since, and they want to see it.
    pub(in super::super) async fn mutate(
        &self,
        asked: &mut Asked<'_>,
        round: &mut Round,
        again: bool,
    ) -> ApiResult<()> {
        if self.mutating.is_empty() || asked.operation == Operation::Delete {
            return Ok(());
        }
        Box::pin(self.change(asked, round, again)).await
    }

    async fn change(&self, asked: &mut Asked<'_>, round: &mut Round, again: bool) -> ApiResult<()> {
        let mut refusals = Vec::new();
        for case in cases(&self.mutating, asked).await? {
            let id = case.id();
            if again && !round.is_due(&id) {
                continue;
            }
            let before = asked.object.clone();
            let meant = match case.apply(asked).await? {
                Ok(meant) => meant,
                Err(why) => {
                    refusals.push(case.refusal(&why));
                    continue;
                }
            };
            if before != asked.object {
                round.has_changed();
            }
            if meant && case.policy.reinvocable {
                round.has_called(id);
            }
        }
        match refusals.as_slice() {
            [] => Ok(()),
            all => Err(refused(asked, all)),
        }
    }
}

/// Why a policy's mutations were not made.
type Failed = String;

impl Case<'_> {
    /// What is evaluated, apart from all else.
    fn id(&self) -> String {
        let binding = self.binding.map_or("", |binding: &Binding| &binding.name);
        let params = self.params.as_ref().ok().and_then(Option::as_ref);
        let params = params.map(|object| (meta(object, "namespace"), meta(object, "name")));
        let (namespace, name) = params.unwrap_or_default();
        format!("policy:{}/{binding}/{namespace}/{name}", self.policy.name)
    }

    /// Makes all its mutations; was the policy about this write?
    async fn apply(&self, asked: &mut Asked<'_>) -> ApiResult<Result<bool, Failed>> {
        let policy = self.policy;
        let ignored = |result| match result {
            Err(_) if policy.ignores_failure => Ok(false),
            other => other,
        };
        let params = match &self.params {
            Ok(params) => params.as_ref(),
            Err(why) => return Ok(ignored(Err(why.clone()))),
        };
        let input = Input::of(asked, &self.kind).await?;
        match policy.expressions.conditions_hold(&input.with(params)) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(false)),
            Err(why) => return Ok(ignored(Err(why))),
        }
        for index in 0..policy.expressions.mutations() {
            if asked.object.is_none() {
                break;
            }
            let input = Input::of(asked, &self.kind).await?;
            let patched = policy
                .expressions
                .mutate(index, &input.with(params))
                .and_then(|patch| patched(asked, &self.kind, input.object(), patch));
            match patched {
                Ok(object) => take_over(asked, &self.kind, object).await?,
                Err(why) => return Ok(ignored(Err(why))),
            }
        }
        Ok(Ok(true))
    }

    fn refusal(&self, why: &str) -> String {
        let policy = &self.policy.name;
        match self.binding {
            Some(binding) => {
                format!("policy '{policy}' with binding '{}' denied request: {why}", binding.name)
            }
            None => format!("policy {policy:?} denied request: {why}"),
        }
    }
}

/// The object with the patch in it.
fn patched(asked: &Asked<'_>, kind: &Kind, object: &Value, patch: Patch) -> Result<Value, Failed> {
    match patch {
        Patch::Configuration(mut configuration) => {
            for field in ["apiVersion", "kind"] {
                configuration[field] = object[field].clone();
            }
            let schema = schema(asked, kind).ok_or("the kind has no schema")?;
            api::patch::apply::merge(&schema, object, &configuration)
                .map_err(|why| format!("error applying patch: {why}"))
        }
        Patch::Operations(operations) => {
            use api::patch::json::{JsonPatchError, apply};
            let mut patched = object.clone();
            match apply(&mut patched, &operations) {
                // A test says whether the rest is wanted.
                Ok(()) | Err(JsonPatchError::TestFailed(_)) => Ok(patched),
                Err(error) => Err(format!("JSON Patch: {error}")),
            }
        }
    }
}

/// The type of the form in which the object is shown.
fn schema(asked: &Asked<'_>, kind: &Kind) -> Option<Arc<TypeSchema>> {
    match &kind.custom {
        _ if !asked.is_own_kind() => api::schema::of(&asked.gvk),
        Some(_) => kind.schema(),
        None => api::schema::of(&kind.gvk()),
    }
}

/// Makes what a policy has left the object of the write: known to its type, and defaulted.
async fn take_over(asked: &mut Asked<'_>, kind: &Kind, mut object: Value) -> ApiResult<()> {
    let call = asked.call;
    if asked.is_own_kind() {
        call.registry().convert_object(kind, call.kind, &mut object).await?;
    }
    let mut known = body::known_value(call, &object, &asked.gvk)?;
    if asked.is_own_kind() {
        call.kind.to_stored(&mut known);
        call.kind.fill(&mut known);
        call.kind.to_served(&mut known);
    }
    asked.object = Some(known);
    Ok(())
}

/// As upstream, the last refusal has the word.
fn refused(asked: &Asked<'_>, refusals: &[String]) -> ApiError {
    let last = refusals.last().cloned().unwrap_or_default();
    let mut status = Status::forbidden(asked.call.kind.resource(), &asked.name, &last);
    (status.code, status.reason, status.message) = (422, "Invalid", last);
    status.details.causes = refusals
        .iter()
        .map(|message| Cause {
            reason: String::new(),
            message: message.clone(),
            field: String::new(),
        })
        .collect();
    status.into()
}
