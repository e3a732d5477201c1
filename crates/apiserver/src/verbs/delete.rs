//! DELETE of one object: at once, after a grace period, or when its finalizers are done.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use store::KeyValue;

use super::delete_options::{self, DeleteOptions, Propagation};
use super::{ATTEMPTS_MAX, admission, rfc3339};
use crate::error::{ApiError, ApiResult};
use crate::object::{child_mut, meta, metadata_mut, set_resource_version, text};
use crate::registry::{Along, Written};
use crate::request::Call;
use crate::respond;
use crate::strategy::Grace;
use crate::{custom, webhooks};

/// What a pod gets when neither it nor the request says.
const GRACE_SECONDS: i64 = 30;
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

pub(crate) async fn answer(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    call.format()?;
    let options = delete_options::read(call, request).await?;
    warn_of_orphans(call, &options);
    let deleted = delete(call, call.namespace(), call.name(), &options).await?;
    if deleted.gone && !call.kind.strategy.returns_deleted {
        return Ok(respond::deleted(call.kind, call.name(), meta(&deleted.object, "uid")));
    }
    respond::written(call, StatusCode::OK, deleted.object)
}

/// Whoever deletes Jobs and says nothing of their pods is told that these stay.
pub(super) fn warn_of_orphans(call: &Call<'_>, options: &DeleteOptions) {
    if call.kind.storage == "jobs.batch" && options.propagation.is_none() {
        call.warn(
            "child pods are preserved by default when jobs are deleted; set \
             propagationPolicy=Background to remove them or set propagationPolicy=Orphan to \
             suppress this warning"
                .to_owned(),
        );
    }
}

/// What became of a deletion.
pub(crate) struct Deleted {
    /// The object as it was last, in stored form.
    pub(crate) object: Value,
    /// Is it gone, or only on its way?
    pub(crate) gone: bool,
}

/// Deletes one object.
pub(crate) async fn delete(
    call: &Call<'_>,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> ApiResult<Deleted> {
    let (kind, registry) = (call.kind, call.registry());
    admission::may_delete(kind, name)?;
    for _ in 0..ATTEMPTS_MAX {
        let kv = registry.read(kind, namespace, name).await?;
        let kv = kv.ok_or_else(|| ApiError::not_found(kind, name))?;
        let mut old = registry.decode(&kv)?;
        kind.freshen(&mut old);
        check_preconditions(call, &old, options)?;
        admission::node_restriction::delete(call, &old)?;
        webhooks::delete(call, &old, options).await?;
        let options = &with_propagation(kind.strategy.orphans, &old, options);
        let step = decide(kind.strategy.grace, &old, options, jiff::Timestamp::now().as_second());
        if let Some(deleted) = carry_out(call, &kv, old, step, options.dry_run).await? {
            return Ok(deleted);
        }
    }
    Err(ApiError::contention(kind, "delete"))
}

/// What becomes of dependents where neither the request nor the object says, for a kind that then
/// leaves them to themselves.
fn with_propagation(orphans: bool, old: &Value, options: &DeleteOptions) -> DeleteOptions {
    let said = api::meta::finalizers(old).any(|finalizer| matches!(finalizer, FOREGROUND | ORPHAN));
    let silent = options.propagation.is_none() && !said;
    let propagation =
        if orphans && silent { Some(Propagation::Orphan) } else { options.propagation };
    DeleteOptions { propagation, ..options.clone() }
}

/// `None`: overtaken.
async fn carry_out(
    call: &Call<'_>,
    kv: &KeyValue,
    old: Value,
    step: Step,
    dry_run: bool,
) -> ApiResult<Option<Deleted>> {
    let (kind, registry) = (call.kind, call.registry());
    match step {
        Step::Wait => Ok(Some(Deleted { object: old, gone: false })),
        Step::Remove if dry_run => Ok(Some(Deleted { object: old, gone: true })),
        Step::Remove => match registry.remove(kind, kv, &old).await? {
            Written::At(revision, _) => {
                let mut object = old;
                set_resource_version(&mut object, revision);
                Ok(Some(Deleted { object, gone: true }))
            }
            Written::Raced => Ok(None),
        },
        Step::Mark(object) if dry_run => Ok(Some(Deleted { object: *object, gone: false })),
        Step::Mark(mut object) => {
            match registry.replace(kind, (kv, &old), &object, &Along::new()).await? {
                Written::At(revision, _) => {
                    set_resource_version(&mut object, revision);
                    Ok(Some(Deleted { object: *object, gone: false }))
                }
                Written::Raced => Ok(None),
            }
        }
    }
}

fn check_preconditions(call: &Call<'_>, old: &Value, options: &DeleteOptions) -> ApiResult<()> {
    const RECREATED: &str = "The object might have been deleted and then recreated";
    const MODIFIED: &str = "The object might have been modified";
    let checks = [
        ("UID", &options.uid, meta(old, "uid"), RECREATED),
        ("ResourceVersion", &options.resource_version, meta(old, "resourceVersion"), MODIFIED),
    ];
    for (what, wanted, have, hint) in checks {
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != have) {
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record \
                 ({have}). {hint}"
            );
            return Err(ApiError::conflict_of_kind(call.kind, meta(old, "name"), &why));
        }
    }
    Ok(())
}

/// What a deletion does to an object now.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is on its way already.
    Wait,
    /// It gets its deletionTimestamp.
    Mark(Box<Value>),
    /// It goes.
    Remove,
}

fn decide(grace: Grace, old: &Value, options: &DeleteOptions, now: i64) -> Step {
    let mut new = old.clone();
    set_finalizers(&mut new, options.propagation);
    if grace == Grace::Definition && !api::meta::is_deleting(old) {
        custom::begin_deletion(&mut new);
    }
    let seconds = match grace {
        Grace::Pod => pod_grace(old, options),
        Grace::Namespace | Grace::None | Grace::Definition => 0,
    };
    let held = api::meta::finalizers(&new).next().is_some() || is_held(grace, &new);
    if seconds == 0 && !held {
        return Step::Remove;
    }
    match api::meta::deletion_timestamp(old) {
        None => mark(&mut new, now + seconds, seconds),
        Some(at) => shorten(&mut new, at, seconds),
    }
    if grace == Grace::Namespace {
        child_mut(&mut new, "status").insert("phase".to_owned(), "Terminating".into());
    }
    if new == *old { Step::Wait } else { Step::Mark(Box::new(new)) }
}

/// A namespace stays until its content is gone.
fn is_held(grace: Grace, object: &Value) -> bool {
    grace == Grace::Namespace
        && object["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// Nobody has to end a pod that is nowhere or over.
fn pod_grace(pod: &Value, options: &DeleteOptions) -> i64 {
    if text(pod, "/spec/nodeName").is_empty()
        || matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
    {
        return 0;
    }
    let asked = options.grace_seconds;
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
    // A second request without a wish changes nothing.
    let pending = api::meta::deletion_grace_period_seconds(pod);
    match asked.or(pending).or(own).unwrap_or(GRACE_SECONDS) {
        // As upstream reads it.
        ..0 => 1,
        seconds => seconds,
    }
}

fn mark(object: &mut Value, at: i64, seconds: i64) {
    let generation = api::meta::generation(object);
    let metadata = metadata_mut(object);
    metadata.insert("deletionTimestamp".to_owned(), rfc3339(at).into());
    metadata.insert("deletionGracePeriodSeconds".to_owned(), seconds.into());
    if generation > 0 {
        metadata.insert("generation".to_owned(), (generation + 1).into());
    }
}

/// A later request may only shorten the grace.
fn shorten(object: &mut Value, at: &str, seconds: i64) {
    let current = api::meta::deletion_grace_period_seconds(object).unwrap_or(0);
    if seconds >= current {
        return;
    }
    let Ok(end) = at.parse::<jiff::Timestamp>() else { return };
    let metadata = metadata_mut(object);
    let sooner = rfc3339(end.as_second() - current + seconds);
    metadata.insert("deletionTimestamp".to_owned(), sooner.into());
    metadata.insert("deletionGracePeriodSeconds".to_owned(), seconds.into());
}

/// The garbage collector's finalizers follow the propagation policy.
fn set_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let mut finalizers: Vec<String> = api::meta::finalizers(object)
        .filter(|finalizer| !matches!(*finalizer, FOREGROUND | ORPHAN))
        .map(str::to_owned)
        .collect();
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND.to_owned()),
        Propagation::Orphan => finalizers.push(ORPHAN.to_owned()),
    }
    let metadata = metadata_mut(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(metadata: Value, phase: &str) -> Value {
        json!({"metadata": metadata, "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 20},
            "status": {"phase": phase}})
    }

    fn marked(step: Step) -> (String, i64) {
        let Step::Mark(object) = step else { panic!("{step:?}") };
        let at = meta(&object, "deletionTimestamp").to_owned();
        (at, api::meta::deletion_grace_period_seconds(&object).unwrap())
    }

    #[test]
    fn a_running_pod_gets_its_own_grace() {
        let step = decide(Grace::Pod, &pod(json!({}), "Running"), &DeleteOptions::default(), 100);
        assert_eq!(marked(step), ("1970-01-01T00:02:00Z".to_owned(), 20));
    }

    #[test]
    fn a_pod_that_is_over_or_nowhere_goes_at_once() {
        let options = DeleteOptions::default();
        assert_eq!(decide(Grace::Pod, &pod(json!({}), "Succeeded"), &options, 0), Step::Remove);
        let nowhere = json!({"metadata": {}, "spec": {}, "status": {"phase": "Pending"}});
        assert_eq!(decide(Grace::Pod, &nowhere, &options, 0), Step::Remove);
    }

    #[test]
    fn a_second_deletion_waits_and_a_shorter_one_shortens() {
        let going = pod(
            json!({"deletionTimestamp": "1970-01-01T00:02:00Z", "deletionGracePeriodSeconds": 20}),
            "Running",
        );
        assert_eq!(decide(Grace::Pod, &going, &DeleteOptions::default(), 110), Step::Wait);
        let longer = DeleteOptions { grace_seconds: Some(60), ..DeleteOptions::default() };
        assert_eq!(decide(Grace::Pod, &going, &longer, 110), Step::Wait);
        let shorter = DeleteOptions { grace_seconds: Some(5), ..DeleteOptions::default() };
        let step = decide(Grace::Pod, &going, &shorter, 110);
        assert_eq!(marked(step), ("1970-01-01T00:01:45Z".to_owned(), 5));
        let force = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        assert_eq!(decide(Grace::Pod, &going, &force, 110), Step::Remove);
    }

    #[test]
    fn finalizers_hold_an_object() {
        let object = json!({"metadata": {"finalizers": ["a/b"]}});
        let step = decide(Grace::None, &object, &DeleteOptions::default(), 0);
        assert_eq!(marked(step), ("1970-01-01T00:00:00Z".to_owned(), 0));
    }

    #[test]
    fn the_propagation_policy_becomes_a_finalizer() {
        let object = json!({"metadata": {"name": "a"}});
        for (policy, expected) in
            [(Propagation::Foreground, FOREGROUND), (Propagation::Orphan, ORPHAN)]
        {
            let options = DeleteOptions { propagation: Some(policy), ..DeleteOptions::default() };
            let Step::Mark(new) = decide(Grace::None, &object, &options, 0) else { panic!() };
            assert_eq!(new["metadata"]["finalizers"], json!([expected]));
        }
        let background = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        assert_eq!(decide(Grace::None, &object, &background, 0), Step::Remove);
    }

    #[test]
    fn a_kind_that_orphans_does_so_unless_told_otherwise() {
        let check = |object: Value, asked: Option<Propagation>, expected: Option<Propagation>| {
            let options = DeleteOptions { propagation: asked, ..DeleteOptions::default() };
            assert_eq!(with_propagation(true, &object, &options).propagation, expected);
        };
        let background = Some(Propagation::Background);
        check(json!({}), None, Some(Propagation::Orphan));
        check(json!({}), background, background);
        check(json!({"metadata": {"finalizers": [FOREGROUND]}}), None, None);
        let options = DeleteOptions::default();
        assert_eq!(with_propagation(false, &json!({}), &options).propagation, None);
    }

    #[test]
    fn a_namespace_with_content_is_terminating() {
        let namespace = json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}});
        let Step::Mark(new) = decide(Grace::Namespace, &namespace, &DeleteOptions::default(), 0)
        else {
            panic!()
        };
        assert_eq!(new["status"]["phase"], "Terminating");
        let empty = json!({"metadata": {"name": "a"}, "spec": {"finalizers": []}});
        let options = DeleteOptions::default();
        assert_eq!(decide(Grace::Namespace, &empty, &options, 0), Step::Remove);
    }
}
