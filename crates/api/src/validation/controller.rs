//! What runs pods besides Deployments and ReplicaSets.

use serde_json::Value;

use super::field::{Field, changes};
use super::{pod, selector, workload};
use crate::read;

/// What a StatefulSet may change once it is there.
const STATEFUL_SET_MAY_CHANGE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn stateful_set(object: &Field<'_>) {
    let spec = object.at("spec");
    let policy = spec.at("podManagementPolicy");
    match policy.text() {
        "" => policy.required(""),
        "OrderedReady" | "Parallel" => {}
        _ => policy.invalid("must be 'OrderedReady' or 'Parallel'"),
    }
    stateful_strategy(&spec.at("updateStrategy"));
    for event in ["whenDeleted", "whenScaled"] {
        let policy = spec.at("persistentVolumeClaimRetentionPolicy").at(event);
        let known = ["Delete", "Retain"];
        if !known.contains(&policy.text()) {
            policy.unsupported(&known);
        }
    }
    spec.at("replicas").not_negative();
    spec.at("minReadySeconds").not_negative();
    spec.at("ordinals").at("start").not_negative();
    selected(&spec, "statefulset");
    // As upstream, which does not look at the spec here: the claims' volumes come with the pods.
    pod::template_labels(&spec.at("template"));
    lasting(&spec.at("template"), "StatefulSet");
}

fn stateful_strategy(strategy: &Field<'_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "" => strategy.required(""),
        "OnDelete" if rolling.is_some() => {
            rolling.invalid("only allowed for updateStrategy 'RollingUpdate'");
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            rolling.at("partition").not_negative();
            let unavailable = rolling.at("maxUnavailable");
            if unavailable.is_some() {
                workload::int_or_percent(&unavailable);
                if workload::amount(&unavailable) == Some(0) {
                    unavailable.invalid("cannot be 0");
                }
                workload::at_most_all(&unavailable);
            }
        }
        _ => strategy.invalid("must be 'RollingUpdate' or 'OnDelete'"),
    }
}

pub(super) fn daemon_set(object: &Field<'_>) {
    let spec = object.at("spec");
    selected(&spec, "daemonset");
    pod::template(&spec.at("template"));
    lasting(&spec.at("template"), "DaemonSet");
    spec.at("minReadySeconds").not_negative();
    daemon_strategy(&spec.at("updateStrategy"));
    spec.at("revisionHistoryLimit").not_negative();
}

fn daemon_strategy(strategy: &Field<'_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.is_some() => rolling.required(""),
        "RollingUpdate" => {
            let bounds = ["maxUnavailable", "maxSurge"].map(|field| rolling.at(field));
            bounds.iter().for_each(workload::int_or_percent);
            bounds.iter().for_each(workload::at_most_all);
            let [unavailable, surge] = &bounds;
            match [unavailable, surge].map(|bound| workload::amount(bound) != Some(0)) {
                [true, true] => surge.invalid("may not be set when maxUnavailable is non-zero"),
                [false, false] => unavailable.required("cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => {
            strategy.showing(strategy.at("type").value).unsupported(&["RollingUpdate", "OnDelete"])
        }
    }
}

/// The selector, with the words that upstream has for this kind.
fn selected(spec: &Field<'_>, kind: &str) {
    let wanted = spec.at("selector");
    let empty = ["matchLabels", "matchExpressions"].iter().all(|f| wanted.at(f).is_empty());
    if wanted.is_some() && empty {
        wanted.invalid(format!("empty selector is invalid for {kind}"));
    } else {
        selector::of_template(spec);
    }
}

/// Pods that are kept running are always restarted and have no end.
fn lasting(template: &Field<'_>, kind: &str) {
    let spec = template.at("spec");
    let policy = spec.at("restartPolicy");
    if policy.is_some() && policy.text() != "Always" {
        policy.unsupported(&["Always"]);
    }
    if spec.at("activeDeadlineSeconds").is_some() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        spec.at("activeDeadlineSeconds").forbidden(why);
    }
}

pub(super) fn update_stateful_set(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let fixed = |value: &Value| {
        let mut fields = value.clone();
        let Some(map) = fields.as_object_mut() else { return fields };
        STATEFUL_SET_MAY_CHANGE.iter().for_each(|field| drop(map.remove(*field)));
        fields
    };
    if !changes("", &fixed(spec.value), &fixed(read::at(old, &["spec"]))).is_empty() {
        spec.forbidden(
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
             'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

pub(super) fn update_daemon_set(object: &Field<'_>, old: &Value) {
    object.at("spec").at("selector").immutable(read::at(old, &["spec", "selector"]));
}

pub(super) fn revision(object: &Field<'_>) {
    if !object.at("data").is_some() {
        object.at("data").required("data is mandatory");
    }
    object.at("revision").not_negative();
}

pub(super) fn update_revision(object: &Field<'_>, old: &Value) {
    object.at("data").immutable(read::at(old, &["data"]));
}
