//! What runs pods besides Deployments and ReplicaSets.

use serde_json::Value;

use super::field::{Field, changes};
use super::{pod, selector};
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
    strategy(&spec.at("updateStrategy"));
    spec.at("replicas").not_negative();
    spec.at("minReadySeconds").not_negative();
    spec.at("ordinals").at("start").not_negative();
    selected(&spec, "statefulset");
    template(&spec.at("template"), "StatefulSet");
}

pub(super) fn daemon_set(object: &Field<'_>) {
    let spec = object.at("spec");
    selected(&spec, "daemonset");
    template(&spec.at("template"), "DaemonSet");
    spec.at("minReadySeconds").not_negative();
    strategy(&spec.at("updateStrategy"));
    spec.at("revisionHistoryLimit").not_negative();
}

fn strategy(strategy: &Field<'_>) {
    let (kind, rolling) = (strategy.at("type"), strategy.at("rollingUpdate"));
    match kind.text() {
        "" => kind.required(""),
        "OnDelete" if rolling.is_some() => {
            rolling.invalid("only allowed for updateStrategy 'RollingUpdate'");
        }
        "OnDelete" => {}
        "RollingUpdate" => rolling.at("partition").not_negative(),
        _ => kind.unsupported(&["OnDelete", "RollingUpdate"]),
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

fn template(template: &Field<'_>, kind: &str) {
    pod::template(template);
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

/// A HorizontalPodAutoscaler in its version 2 form.
pub(super) fn autoscaler(object: &Field<'_>) {
    let spec = object.at("spec");
    let (fewest, most) = (spec.at("minReplicas"), spec.at("maxReplicas"));
    if fewest.is_some() && fewest.number() < 1 {
        fewest.invalid("must be greater than or equal to 1");
    }
    if most.number() < 1 {
        most.invalid_number("must be greater than 0");
    }
    if fewest.is_some() && most.number() < fewest.number() {
        most.invalid_number("must be greater than or equal to `minReplicas`");
    }
    spec.at("scaleTargetRef").at("kind").must_be_given();
    spec.at("scaleTargetRef").at("name").must_be_given();
    for metric in spec.at("metrics").items() {
        let known = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        metric.at("type").one_of(&known);
    }
}
