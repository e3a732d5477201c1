//! The group `node.k8s.io`.

use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::workload;

const GROUP: Entry = Entry { group: "node.k8s.io", ..PLAIN };

pub(super) static NODE: &[Entry] = &[Entry {
    kind: "RuntimeClass",
    plural: "runtimeclasses",
    singular: "runtimeclass",
    namespaced: false,
    storage: "runtimeclasses.node.k8s.io",
    strategy: strategy::PUT_CREATES,
    columns: workload::RUNTIME_CLASS,
    row: workload::runtime_class,
    ..GROUP
}];
