//! The group `apps`: workloads.

use super::super::Subresource::{Scale, Status};
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::workload;

pub(super) static APPS: &[Entry] = &[
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
];
