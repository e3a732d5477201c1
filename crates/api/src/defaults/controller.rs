//! What runs pods besides Deployments: StatefulSets, DaemonSets, Jobs, CronJobs, and autoscalers.

use serde_json::{Value, json};

use super::{each, fill, in_made, in_object, pod, set, storage};
use crate::read;

const REVISIONS: i64 = 10;

pub(super) fn stateful_set(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "replicas", json!(1));
        fill(spec, "revisionHistoryLimit", json!(REVISIONS));
        set(spec, "podManagementPolicy", "OrderedReady");
        in_made(spec, "updateStrategy", |strategy| {
            if read::is_empty(strategy, "type") {
                set(strategy, "type", "RollingUpdate");
                fill(strategy, "rollingUpdate", json!({}));
            }
            in_object(strategy, "rollingUpdate", |update| fill(update, "partition", json!(0)));
        });
        in_made(spec, "persistentVolumeClaimRetentionPolicy", |policy| {
            set(policy, "whenDeleted", "Retain");
            set(policy, "whenScaled", "Retain");
        });
        in_made(spec, "template", pod::apply_made_template);
        each(spec, "volumeClaimTemplates", |claim| {
            set(claim, "apiVersion", "v1");
            set(claim, "kind", "PersistentVolumeClaim");
            storage::claim(claim);
        });
    });
}

pub(super) fn daemon_set(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "revisionHistoryLimit", json!(REVISIONS));
        in_made(spec, "updateStrategy", |strategy| {
            set(strategy, "type", "RollingUpdate");
            if read::text(strategy, "type") == "RollingUpdate" {
                in_made(strategy, "rollingUpdate", |update| {
                    fill(update, "maxUnavailable", json!(1));
                    fill(update, "maxSurge", json!(0));
                });
            }
        });
        in_made(spec, "template", pod::apply_made_template);
    });
}

pub(super) fn job(object: &mut Value) {
    const RETRIES: i64 = 6;
    let labels = read::at(object, &["spec", "template", "metadata", "labels"]).clone();
    in_made(object, "spec", |spec| {
        if read::some(spec, "completions").is_none() && read::some(spec, "parallelism").is_none() {
            fill(spec, "completions", json!(1));
        }
        fill(spec, "parallelism", json!(1));
        let per_index = read::some(spec, "backoffLimitPerIndex").is_some();
        fill(spec, "backoffLimit", json!(if per_index { i64::from(i32::MAX) } else { RETRIES }));
        fill(spec, "completionMode", json!("NonIndexed"));
        fill(spec, "suspend", json!(false));
        fill(spec, "manualSelector", json!(false));
        let replace = match read::some(spec, "podFailurePolicy") {
            Some(_) => "Failed",
            None => "TerminatingOrFailed",
        };
        fill(spec, "podReplacementPolicy", json!(replace));
        in_object(spec, "podFailurePolicy", |policy| {
            each(policy, "rules", |rule| {
                each(rule, "onPodConditions", |condition| set(condition, "status", "True"));
            });
        });
        in_made(spec, "template", pod::apply_made_template);
    });
    let given = !read::is_zero(read::at(object, &["metadata", "labels"]));
    if !given && !read::is_zero(&labels) {
        in_made(object, "metadata", |metadata| metadata["labels"] = labels);
    }
}

pub(super) fn cron_job(object: &mut Value) {
    in_made(object, "spec", |spec| {
        set(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", json!(false));
        fill(spec, "successfulJobsHistoryLimit", json!(3));
        fill(spec, "failedJobsHistoryLimit", json!(1));
        in_made(spec, "jobTemplate", |job| {
            in_made(job, "spec", |spec| in_made(spec, "template", pod::apply_made_template));
        });
    });
}

/// A HorizontalPodAutoscaler in its version 2 form, in which it is stored.
pub(super) fn autoscaler(object: &mut Value) {
    in_made(object, "spec", |spec| {
        fill(spec, "minReplicas", json!(1));
        if read::is_empty(spec, "metrics") {
            spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 80}}}]);
        }
        in_object(spec, "behavior", |behavior| {
            let double = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
            let four = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
            in_made(behavior, "scaleUp", |up| {
                fill(up, "stabilizationWindowSeconds", json!(0));
                rules(up, json!([four, double]));
            });
            in_made(behavior, "scaleDown", |down| rules(down, json!([double])));
        });
    });
}

fn rules(rules: &mut Value, policies: Value) {
    set(rules, "selectPolicy", "Max");
    fill(rules, "policies", policies);
}
