//! The group `flowcontrol.apiserver.k8s.io`.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::flowcontrol;

const GROUP: Entry = Entry { group: "flowcontrol.apiserver.k8s.io", ..PLAIN };

pub(super) static FLOWCONTROL: &[Entry] = &[
    Entry {
        kind: "FlowSchema",
        plural: "flowschemas",
        singular: "flowschema",
        namespaced: false,
        storage: "flowschemas.flowcontrol.apiserver.k8s.io",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: flowcontrol::FLOW_SCHEMA,
        row: flowcontrol::flow_schema,
        ..GROUP
    },
    Entry {
        kind: "PriorityLevelConfiguration",
        plural: "prioritylevelconfigurations",
        singular: "prioritylevelconfiguration",
        namespaced: false,
        storage: "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: flowcontrol::PRIORITY_LEVEL,
        row: flowcontrol::priority_level,
        ..GROUP
    },
];
