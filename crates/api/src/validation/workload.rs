//! Deployments, ReplicaSets and the Scale of either.

use super::field::Field;
use super::{pod, selector};

pub(super) fn deployment(object: &Field<'_>) {
    let spec = object.at("spec");
    spec.at("replicas").not_negative();
    selector::of_template(&spec);
    template(&spec.at("template"), "ReplicaSet");
    strategy(&spec.at("strategy"));
    spec.at("minReadySeconds").not_negative();
    spec.at("revisionHistoryLimit").not_negative();
    let deadline = spec.at("progressDeadlineSeconds");
    if deadline.is_some() {
        deadline.not_negative();
        if deadline.number() <= spec.at("minReadySeconds").number() {
            deadline.invalid("must be greater than minReadySeconds");
        }
    }
}

pub(super) fn replica_set(object: &Field<'_>) {
    let spec = object.at("spec");
    spec.at("replicas").not_negative();
    spec.at("minReadySeconds").not_negative();
    selector::of_template(&spec);
    template(&spec.at("template"), "ReplicaSet");
}

/// A ReplicationController's selector is the labels themselves.
pub(super) fn replication_controller(object: &Field<'_>) {
    let spec = object.at("spec");
    let (wanted, pods) = (spec.at("selector"), spec.at("template"));
    spec.at("minReadySeconds").not_negative();
    if wanted.is_empty() {
        wanted.required("");
    }
    spec.at("replicas").not_negative();
    if !pods.is_some() {
        return pods.required("");
    }
    let labels = pods.at("metadata").at("labels");
    if wanted.entries().any(|(key, value)| labels.value.get(key) != Some(value.value)) {
        labels.invalid("`selector` does not match template `labels`");
    }
    template(&pods, "ReplicationController");
}

pub(super) fn scale(object: &Field<'_>) {
    object.at("spec").at("replicas").not_negative();
}

/// What a selector selects must not change: the pods of the old one would be nobody's.
pub(super) fn update(object: &Field<'_>, old: &serde_json::Value) {
    let old = crate::read::at(old, &["spec", "selector"]);
    object.at("spec").at("selector").immutable(old);
}

/// Pods that are kept running are always restarted and have no end.
fn template(template: &Field<'_>, kind: &str) {
    pod::template(template);
    let spec = template.at("spec");
    let policy = spec.at("restartPolicy");
    if policy.is_some() && policy.text() != "Always" {
        policy.unsupported(&["Always"]);
    }
    let deadline = spec.at("activeDeadlineSeconds");
    if deadline.is_some() {
        deadline.forbidden(format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

fn strategy(strategy: &Field<'_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "Recreate" if rolling.is_some() => {
            rolling.forbidden("may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" if !rolling.is_some() => {
            rolling.required("this should be defaulted and never be nil");
        }
        "RollingUpdate" => rolling_update(&rolling),
        _ => strategy.unsupported(&["Recreate", "RollingUpdate"]),
    }
}

fn rolling_update(rolling: &Field<'_>) {
    let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
    int_or_percent(&unavailable);
    int_or_percent(&surge);
    if amount(&unavailable) == Some(0) && amount(&surge) == Some(0) {
        unavailable.invalid_number("may not be 0 when `maxSurge` is 0");
    }
    at_most_all(&unavailable);
}

/// A whole number or a share.
pub(super) fn int_or_percent(field: &Field<'_>) {
    if field.value.is_string() && percent(field).is_none() {
        field.invalid(
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. \
             '1%',  or '93%', regex used for validation is '[0-9]+%')",
        );
    } else {
        field.not_negative();
    }
}

/// The share, where it is one.
pub(super) fn percent(field: &Field<'_>) -> Option<u64> {
    let digits = field.text().strip_suffix('%')?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A share is at most the whole.
pub(super) fn at_most_all(field: &Field<'_>) {
    if percent(field).is_some_and(|percent| percent > 100) {
        field.invalid("must not be greater than 100%");
    }
}

/// The number before a percent sign or without one; what is missing is 0.
pub(super) fn amount(field: &Field<'_>) -> Option<i64> {
    match field.value.is_string() {
        true => percent(field).map(|percent| i64::try_from(percent).unwrap_or(i64::MAX)),
        false => Some(field.number()),
    }
}
