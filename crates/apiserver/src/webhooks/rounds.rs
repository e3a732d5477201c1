//! Asking the hooks: those that change one after the other, those that judge all at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use serde_json::Value;

use super::asked::Asked;
use super::hook::Hook;
use super::review::{self, Verdict};
use super::{Webhooks, denial};
use crate::callout::{CallError, Question};
use crate::error::{ApiError, ApiResult};
use crate::kinds::Kind;
use crate::{audit, body};

/// What a first round leaves behind for a second one.
#[derive(Default)]
pub(super) struct Round {
    /// Has a hook changed the object?
    pub(super) changed: bool,
    /// Called, and willing to be again when the object changes.
    called: BTreeSet<String>,
    /// To be called again.
    due: BTreeSet<String>,
}

impl Round {
    /// The object is not what the hooks that were called have seen.
    pub(super) fn has_changed(&mut self) {
        self.changed = true;
        self.due.append(&mut self.called);
    }

    /// This one was called, and is willing to be again.
    pub(super) fn has_called(&mut self, id: String) {
        self.called.insert(id);
    }

    /// Is this one to be called again?
    pub(super) fn is_due(&self, id: &str) -> bool {
        self.due.contains(id)
    }
}

impl Webhooks {
    /// Lets the mutating policies and hooks change the object, each once.
    pub(super) async fn mutate(&self, asked: &mut Asked<'_>) -> ApiResult<Round> {
        let mut round = Round::default();
        self.policies.mutate(asked, &mut round, false).await?;
        for hook in &self.mutating {
            self.mutate_by(hook, asked, &mut round).await?;
        }
        Ok(round)
    }

    /// The hooks that want to see what has changed since they were called; none is called for
    /// the first time here.
    pub(super) async fn again(&self, asked: &mut Asked<'_>, round: &mut Round) -> ApiResult<()> {
        self.policies.mutate(asked, round, true).await?;
        for hook in &self.mutating {
            if round.is_due(&hook.id) {
                self.mutate_by(hook, asked, round).await?;
            }
        }
        Ok(())
    }

    async fn mutate_by(
        &self,
        hook: &Arc<Hook>,
        asked: &mut Asked<'_>,
        round: &mut Round,
    ) -> ApiResult<()> {
        let Some(kind) = hook.wants(asked).await? else { return Ok(()) };
        let verdict = ask(hook, asked, &kind, true).await?;
        if let Some(verdict) = verdict
            && change(hook, asked, &kind, &verdict.patch).await?
        {
            round.has_changed();
        }
        if hook.reinvocable {
            round.has_called(hook.id.clone());
        }
        Ok(())
    }

    /// Evaluates the validating policies, and asks the validating hooks.
    pub(super) async fn validate(&self, asked: &Asked<'_>) -> ApiResult<()> {
        self.policies.validate(asked).await?;
        let mut wanted = Vec::new();
        for hook in &self.validating {
            if let Some(kind) = hook.wants(asked).await? {
                wanted.push((hook, kind));
            }
        }
        let asking = wanted.iter().map(|(hook, kind)| ask(hook, asked, kind, false));
        join_all(asking).await.into_iter().try_for_each(|verdict| verdict.map(drop))
    }
}

/// Asks one hook; `None`: it could not be asked, and that does not matter to it.
async fn ask(
    hook: &Hook,
    asked: &Asked<'_>,
    kind: &Kind,
    mutating: bool,
) -> ApiResult<Option<Verdict>> {
    if asked.dry_run && !hook.takes_dry_run {
        return Err(ApiError::bad_request(format!(
            "admission webhook {:?} does not support dry run",
            hook.name
        )));
    }
    let uid = uuid::Uuid::new_v4().to_string();
    let object = show(asked, kind, asked.object.clone()).await?;
    let objects = (object, show(asked, kind, asked.old.clone()).await?);
    let question = review::question(asked, hook, kind, &uid, objects);
    let question = Question {
        body: question.to_string().into(),
        user_agent: "kube-apiserver-admission",
        timeout: hook.timeout,
    };
    let reply = hook.callee.post(asked.call.registry(), question).await.map_err(|why| match why {
        CallError::Client(_) => why.to_string(),
        CallError::Call(why) => format!("failed to call webhook: {why}"),
    });
    let verdict = reply.and_then(|review| {
        review::answer(&review, hook.review_version, &uid, mutating)
            .map_err(|why| format!("received invalid webhook response: {why}"))
    });
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(why) if hook.ignores_failure => {
            tracing::warn!(hook = hook.name, why, "a webhook failed and is ignored, as it says");
            return Ok(None);
        }
        Err(why) => return Err(denial::not_called(&hook.name, &why)),
    };
    verdict.warnings.iter().for_each(|warning| asked.call.warn(warning.as_str()));
    for (key, value) in &verdict.annotations {
        audit::annotate(&format!("{}/{key}", hook.name), value);
    }
    if !verdict.allowed {
        return Err(denial::refused(&hook.name, &verdict.result));
    }
    Ok(Some(verdict))
}

/// An object of the call's kind in the form of another of its versions.
pub(super) async fn show(
    asked: &Asked<'_>,
    kind: &Kind,
    object: Option<Value>,
) -> ApiResult<Value> {
    let Some(mut object) = object else { return Ok(Value::Null) };
    if asked.is_own_kind() {
        let call = asked.call;
        call.registry().convert_object(call.kind, kind, &mut object).await?;
    }
    Ok(object)
}

/// Applies a hook's patch; was that a change?
async fn change(hook: &Hook, asked: &mut Asked<'_>, kind: &Kind, patch: &Value) -> ApiResult<bool> {
    if patch.as_array().is_none_or(Vec::is_empty) {
        return Ok(false);
    }
    let Some(object) = asked.object.clone() else {
        return Err(denial::internal(format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name
        )));
    };
    let mut patched = show(asked, kind, Some(object)).await?;
    api::patch::json::apply(&mut patched, patch)
        .map_err(|error| denial::internal(error.to_string()))?;
    if asked.is_own_kind() {
        asked.call.registry().convert_object(kind, asked.call.kind, &mut patched).await?;
    }
    let known = body::known_value(asked.call, &patched, &asked.gvk)?;
    let changed = asked.object.as_ref() != Some(&known);
    asked.object = Some(known);
    Ok(changed)
}
