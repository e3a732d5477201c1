//! The group `scheduling.k8s.io`.

use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::workload;

pub(super) static SCHEDULING: &[Entry] = &[Entry {
    group: "scheduling.k8s.io",
    kind: "PriorityClass",
    plural: "priorityclasses",
    singular: "priorityclass",
    short_names: &["pc"],
    namespaced: false,
    storage: "priorityclasses.scheduling.k8s.io",
    strategy: strategy::GENERATION,
    columns: workload::PRIORITY_CLASS,
    row: workload::priority_class,
    ..PLAIN
}];
