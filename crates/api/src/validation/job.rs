//! Jobs.

pub(super) mod indexes;
pub(super) mod status;

use serde_json::Value;

use super::field::{Field, same};
use super::{domain_path, failure_policy, pod, selector};
use crate::selector::label::LabelSelector;
use crate::{names, read};

const MANAGED_BY_MAX: usize = 63;
/// The labels of a Job's pods that have its uid, and its name.
const BY_UID: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const BY_NAME: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
/// More pods at a time, or indexes that fail, are too many to keep account of.
const INDEXED_MAX: i64 = 100_000;
const PER_INDEX_MAX: i64 = 10_000;
/// What of a Job stays as it was made.
const FIXED: [&str; 5] =
    ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"];
/// Where pods may run, which may be said until they do.
const PLACING: [&str; 3] = ["nodeSelector", "tolerations", "schedulingGates"];

pub(super) fn check(object: &Field<'_>) {
    let spec = object.at("spec");
    own_selector(object, &spec);
    self::spec(&spec);
    selected(&spec);
    let (name, count) = (object.at("metadata").at("name"), spec.at("completions").number());
    if spec.at("completionMode").text() == "Indexed" && count > 0 && !name.is_empty() {
        let last = format!("{}-{}", name.text(), count - 1);
        if !names::dns_label(&last).is_empty() {
            name.invalid(format!("will not able to create pod with invalid DNS label: {last}"));
        }
    }
}

/// What a CronJob's template has too.
pub(super) fn spec(spec: &Field<'_>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        spec.at(field).not_negative();
    }
    let per_index = spec.at("backoffLimitPerIndex");
    if spec.at("maxFailedIndexes").is_some() && !per_index.is_some() {
        per_index.required("when maxFailedIndexes is specified");
    }
    let manager = spec.at("managedBy");
    if manager.is_some() {
        domain_path::check(&manager);
        if manager.text().len() > MANAGED_BY_MAX {
            manager.too_long(MANAGED_BY_MAX);
        }
    }
    completion(spec);
    failure_policy::check(spec);
    replacement(spec);
    pod::template(&spec.at("template"));
    restart(spec);
}

/// One of two modes, and what belongs to either.
fn completion(spec: &Field<'_>) {
    const MODES: [&str; 2] = ["NonIndexed", "Indexed"];
    let mode = spec.at("completionMode");
    if mode.is_some() && !MODES.contains(&mode.text()) {
        mode.unsupported(&MODES);
    }
    match mode.text() {
        "Indexed" => indexed(spec),
        "NonIndexed" | "" => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"].map(|field| spec.at(field)) {
                if field.is_some() {
                    field.invalid("requires indexed completion mode");
                }
            }
        }
        _ => {}
    }
}

fn indexed(spec: &Field<'_>) {
    let [count, pods, failed] =
        ["completions", "parallelism", "maxFailedIndexes"].map(|field| spec.at(field));
    if !count.is_some() {
        count.required("when completion mode is Indexed");
    }
    if pods.number() > INDEXED_MAX {
        pods.invalid(format!(
            "must be less than or equal to {INDEXED_MAX} when completion mode is Indexed"
        ));
    }
    if count.is_some() && failed.number() > count.number() {
        failed.invalid("must be less than or equal to completions");
    }
    if failed.number() > INDEXED_MAX {
        failed.invalid(format!("must be less than or equal to {INDEXED_MAX}"));
    }
    if count.number() <= INDEXED_MAX || !spec.at("backoffLimitPerIndex").is_some() {
        return;
    }
    if !failed.is_some() {
        failed.required(format!("must be specified when completions is above {INDEXED_MAX}"));
    }
    if pods.number() > PER_INDEX_MAX {
        pods.invalid(format!(
            "must be less than or equal to {PER_INDEX_MAX} when completions are above \
             {INDEXED_MAX} and used with backoff limit per index"
        ));
    }
    if failed.number() > PER_INDEX_MAX {
        failed.invalid(format!(
            "must be less than or equal to {PER_INDEX_MAX} when completions are above \
             {INDEXED_MAX} and used with backoff limit per index"
        ));
    }
}

/// The labels by which a Job finds its pods again, unless it was told its own.
fn own_selector(object: &Field<'_>, spec: &Field<'_>) {
    let selector = spec.at("selector");
    if spec.at("manualSelector").flag() || !selector.is_some() {
        return;
    }
    let metadata = object.at("metadata");
    let (uid, name) = (metadata.at("uid"), metadata.at("name"));
    uid.must_be_given();
    let labels = spec.at("template").at("metadata").at("labels");
    let expected = [
        (BY_UID[0], uid.text()),
        (BY_NAME[0], name.text()),
        (BY_UID[1], uid.text()),
        (BY_NAME[1], name.text()),
    ];
    for (key, value) in expected {
        let label = labels.key(key);
        if !label.is_some() {
            label.required(format!("must be '{value}'"));
        } else if label.text() != value {
            label.invalid_as(labels.value.clone(), format!("must be '{value}'"));
        }
    }
    let value =
        |key: &str| expected.iter().find(|(label, _)| *label == key).map(|(_, value)| *value);
    if LabelSelector::from_object(selector.value).is_ok_and(|made| !made.matches(value)) {
        selector.invalid("`selector` not auto-generated");
    }
}

/// The selector that a Job has by now, of whoever.
fn selected(spec: &Field<'_>) {
    let wanted = spec.at("selector");
    match wanted.is_some() {
        true => selector::check(&wanted),
        false => wanted.required(""),
    }
    // One that is none is told already.
    selector::matches_template(spec);
}

/// A policy for failures looks at pods that have failed, so others are not replaced before.
fn replacement(spec: &Field<'_>) {
    let policy = spec.at("podReplacementPolicy");
    let known: &[&str] = match spec.at("podFailurePolicy").is_some() {
        true => &["Failed"],
        false => &["Failed", "TerminatingOrFailed"],
    };
    if policy.is_some() && !known.contains(&policy.text()) {
        policy.unsupported(known);
    }
}

fn restart(spec: &Field<'_>) {
    let policy = spec.at("template").at("spec").at("restartPolicy");
    match policy.text() {
        "" | "Always" => policy.required("valid values: \"OnFailure\", \"Never\""),
        text if text != "OnFailure" && text != "Never" => {
            policy.unsupported(&["OnFailure", "Never"]);
        }
        "OnFailure" if spec.at("podFailurePolicy").is_some() => {
            policy.invalid("only \"Never\" is supported when podFailurePolicy is specified")
        }
        _ => {}
    }
}

pub(super) fn update(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    let was = |field: &str| read::at(old, &["spec", field]);
    completions(&spec, was("completions"));
    spec.at("selector").immutable(was("selector"));
    let waits = read::flag(read::at(old, &["spec"]), "suspend")
        && read::at(old, &["status", "active"]).as_i64().unwrap_or_default() == 0;
    let template = spec.at("template");
    let kept = match waits {
        true => same(&unplaced(template.value), &unplaced(was("template"))),
        false => same(template.value, was("template")),
    };
    if !kept {
        template.invalid("field is immutable");
    }
    FIXED.iter().for_each(|field| spec.at(field).immutable(was(field)));
}

/// An Indexed Job grows and shrinks when both numbers do.
fn completions(spec: &Field<'_>, old: &Value) {
    let count = spec.at("completions");
    if spec.at("completionMode").text() != "Indexed" {
        return count.immutable(old);
    }
    if count.is_some() && !same(count.value, old) && count.value != spec.at("parallelism").value {
        count.invalid("can only be modified in tandem with spec.parallelism");
    }
}

/// A template without what may change while a Job is suspended and has no pods: where these run,
/// and how much they are given.
fn unplaced(template: &Value) -> Value {
    let mut rest = template.clone();
    let mut drop = |at: &str, fields: &[&str]| {
        let Some(map) = rest.pointer_mut(at).and_then(Value::as_object_mut) else { return };
        fields.iter().for_each(|field| _ = map.remove(*field));
    };
    drop("/metadata", &["labels", "annotations"]);
    drop("/spec", &PLACING);
    drop("/spec/affinity", &["nodeAffinity"]);
    for list in ["/spec/containers", "/spec/initContainers"] {
        let containers = rest.pointer_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.remove("resources");
        }
    }
    rest
}
