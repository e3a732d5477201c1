//! The group `apps`: workloads.

use super::super::Subresource::{Scale, Status};
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::workload;

pub(super) static APPS: &[Entry] = &[
    Entry {
        group: "apps",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        storage: "controllerrevisions.apps",
        columns: workload::CONTROLLER_REVISION,
        row: workload::controller_revision,
        ..PLAIN
    },
    Entry {
        group: "apps",
        kind: "DaemonSet",
        plural: "daemonsets",
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        storage: "daemonsets.apps",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: workload::DAEMON_SET,
        row: workload::daemon_set,
        ..PLAIN
    },
    Entry {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        storage: "deployments.apps",
        subresources: &[Scale, Status],
        strategy: strategy::DEPLOYMENT,
        columns: workload::DEPLOYMENT,
        row: workload::deployment,
        ..PLAIN
    },
    Entry {
        group: "apps",
        kind: "ReplicaSet",
        plural: "replicasets",
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        storage: "replicasets.apps",
        subresources: &[Scale, Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: workload::REPLICA_SET,
        row: workload::replica_set,
        ..PLAIN
    },
    Entry {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        storage: "statefulsets.apps",
        subresources: &[Scale, Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: workload::STATEFUL_SET,
        row: workload::stateful_set,
        ..PLAIN
    },
];
