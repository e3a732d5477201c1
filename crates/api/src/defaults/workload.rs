//! Deployments and ReplicaSets. In apps/v1 neither labels nor the selector come from the template;
//! a ReplicationController's do.

use serde_json::{Value, json};

use super::{fill, in_made, in_object, pod, set};
use crate::meta;
use crate::read;

pub(super) fn deployment(object: &mut Value) {
    const REVISIONS: i64 = 10;
    const PROGRESS_SECONDS: i64 = 600;
    in_made(object, "spec", |spec| {
        fill(spec, "replicas", json!(1));
        fill(spec, "revisionHistoryLimit", json!(REVISIONS));
        fill(spec, "progressDeadlineSeconds", json!(PROGRESS_SECONDS));
        in_made(spec, "strategy", strategy);
        in_made(spec, "template", pod::apply_made_template);
    });
}

fn strategy(strategy: &mut Value) {
    set(strategy, "type", "RollingUpdate");
    if read::text(strategy, "type") == "RollingUpdate" {
        in_made(strategy, "rollingUpdate", |update| {
            fill(update, "maxUnavailable", json!("25%"));
            fill(update, "maxSurge", json!("25%"));
        });
    }
}

pub(super) fn replica_set(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "replicas", json!(1));
        in_made(spec, "template", pod::apply_made_template);
    });
}

pub(super) fn replication_controller(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "replicas", json!(1));
        in_object(spec, "template", pod::apply_made_template);
    });
    let labels = read::at(object, &["spec", "template", "metadata", "labels"]).clone();
    if read::is_zero(&labels) {
        return;
    }
    in_made(object, "spec", |spec| {
        if read::is_empty(spec, "selector") {
            spec["selector"] = labels.clone();
        }
    });
    if meta::labels(object).is_empty() {
        meta::set(object, "labels", labels);
    }
}
