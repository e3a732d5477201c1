//! The core group.

use super::super::Subresource::{Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, PortForward, Status, Token};
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::{cluster, network, pod};

pub(super) static CORE: &[Entry] = &[
    Entry {
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        storage: "configmaps",
        columns: cluster::CONFIG_MAP,
        row: cluster::config_map,
        ..PLAIN
    },
    Entry {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        storage: "events",
        columns: cluster::EVENT,
        row: cluster::event,
        ..PLAIN
    },
    Entry {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        storage: "namespaces",
        subresources: &[Finalize, Status],
        strategy: strategy::NAMESPACE,
        columns: cluster::NAMESPACE,
        row: cluster::namespace,
        ..PLAIN
    },
    Entry {
        kind: "Node",
        plural: "nodes",
        singular: "node",
        short_names: &["no"],
        namespaced: false,
        storage: "nodes",
        subresources: &[Status],
        strategy: strategy::NODE,
        columns: cluster::NODE,
        row: cluster::node,
        ..PLAIN
    },
    Entry {
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        storage: "pods",
        subresources: &[
            Attach,
            Binding,
            EphemeralContainers,
            Eviction,
            Exec,
            Log,
            PortForward,
            Status,
        ],
        strategy: strategy::POD,
        columns: pod::COLUMNS,
        row: pod::row,
        ..PLAIN
    },
    Entry {
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        storage: "secrets",
        columns: cluster::SECRET,
        row: cluster::secret,
        ..PLAIN
    },
    Entry {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        storage: "serviceaccounts",
        subresources: &[Token],
        columns: cluster::SERVICE_ACCOUNT,
        row: cluster::service_account,
        ..PLAIN
    },
    Entry {
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        storage: "services",
        subresources: &[Status],
        strategy: strategy::SERVICE,
        columns: network::SERVICE,
        row: network::service,
        ..PLAIN
    },
];
