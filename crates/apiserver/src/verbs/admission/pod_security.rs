//! Pod security levels: what a namespace's labels let its pods do.
//! Source: Kubernetes, "Pod Security Admission",
//! <https://kubernetes.io/docs/concepts/security/pod-security-admission/>.

mod baseline;
mod checks;
mod existing;
mod level;
mod pod;
mod restricted;
mod significance;

use api::FieldError;
use serde_json::Value;

use self::level::{Level, LevelVersion, Policy};
use self::pod::Pod;
use crate::audit;
use crate::error::{ApiError, ApiResult};
use crate::object::meta;
use crate::request::Call;

/// Where the labels begin; a namespace without any needs no further look.
const PREFIX: &str = "pod-security.kubernetes.io/";

/// What pods are made from, and where in it the pod is.
const TEMPLATES: [(&str, &str); 8] = [
    ("replicationcontrollers", "/spec/template"),
    ("podtemplates", "/template"),
    ("replicasets.apps", "/spec/template"),
    ("deployments.apps", "/spec/template"),
    ("statefulsets.apps", "/spec/template"),
    ("daemonsets.apps", "/spec/template"),
    ("jobs.batch", "/spec/template"),
    ("cronjobs.batch", "/spec/jobTemplate/spec/template"),
];

/// Judges a write by the level of its namespace; `old` is what it changes.
pub(super) fn check(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    match &*call.kind.storage {
        "namespaces" if call.subresource.is_none() => check_namespace(call, old, new),
        "pods" if is_about_containers(call) => check_pod(call, old, new),
        storage if call.subresource.is_none() => {
            let Some((_, at)) = TEMPLATES.iter().find(|(kind, _)| *kind == storage) else {
                return Ok(());
            };
            warn_of_template(call, new, at)
        }
        _ => Ok(()),
    }
}

/// The other subresources of a pod leave its containers as they are.
fn is_about_containers(call: &Call<'_>) -> bool {
    call.subresource
        .is_none_or(|subresource| matches!(subresource.name(), "ephemeralcontainers" | "resize"))
}

fn check_namespace(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    let (policy, errors) = Policy::read(new);
    let Some(old) = old else { return refuse_labels(call, new, errors) };
    let (before, errors_before) = Policy::read(old);
    // What was wrong before may stay so.
    if errors != errors_before {
        refuse_labels(call, new, errors)?;
    }
    let (was, is) = (before.enforce, policy.enforce);
    let relaxed = is.version == was.version && is.level <= was.level;
    if is != was && is.level != Level::Privileged && !relaxed {
        existing::warn(call, meta(new, "name"), is)?;
    }
    Ok(())
}

fn refuse_labels(call: &Call<'_>, namespace: &Value, errors: Vec<FieldError>) -> ApiResult<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(call.kind, meta(namespace, "name"), errors))
}

fn check_pod(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    let Some(policy) = policy_of(call, meta(new, "namespace"))? else { return Ok(()) };
    if old.is_some_and(|old| !significance::is_significant(new, old)) {
        return Ok(());
    }
    let pod = Pod::of(new);
    audit::annotate(&format!("{PREFIX}enforce-policy"), policy.enforce.to_string());
    note(policy.audit, &pod);
    if let Some(violations) = violations(policy.enforce, &pod) {
        let why = format!("violates PodSecurity \"{}\": {violations}", policy.enforce);
        return Err(ApiError::forbidden(call.kind, super::shown_name(new), &why));
    }
    warn(call, policy.warn, &pod);
    Ok(())
}

/// A template is not refused: its pods are.
fn warn_of_template(call: &Call<'_>, object: &Value, at: &str) -> ApiResult<()> {
    let Some(policy) = policy_of(call, meta(object, "namespace"))? else { return Ok(()) };
    if let Some(template) = object.pointer(at).filter(|template| template.is_object()) {
        note(policy.audit, &Pod::of(template));
        warn(call, policy.warn, &Pod::of(template));
    }
    Ok(())
}

/// For the audit log.
fn note(level: LevelVersion, pod: &Pod<'_>) {
    if let Some(violations) = violations(level, pod) {
        let text = format!("would violate PodSecurity \"{level}\": {violations}");
        audit::annotate(&format!("{PREFIX}audit-violations"), text);
    }
}

fn warn(call: &Call<'_>, level: LevelVersion, pod: &Pod<'_>) {
    if let Some(violations) = violations(level, pod) {
        call.warn(format!("would violate PodSecurity \"{level}\": {violations}"));
    }
}

/// The policy of a namespace; `None` where its labels ask for nothing.
fn policy_of(call: &Call<'_>, namespace: &str) -> ApiResult<Option<Policy>> {
    let Some(kv) = call.registry().namespace(namespace) else { return Ok(None) };
    let mentioned = kv.value.windows(PREFIX.len()).any(|window| window == PREFIX.as_bytes());
    if !mentioned {
        return Ok(None);
    }
    Ok(Some(Policy::read(&call.registry().decode(&kv)?).0))
}

/// Everything that a pod of this level may not do and does, in one text.
fn violations(level: LevelVersion, pod: &Pod<'_>) -> Option<String> {
    let texts: Vec<String> = checks::evaluate(level, pod)
        .iter()
        .map(|violation| match violation.detail.as_str() {
            "" => violation.reason.clone(),
            detail => format!("{} ({detail})", violation.reason),
        })
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
