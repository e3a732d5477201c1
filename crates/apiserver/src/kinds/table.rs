//! The kinds we serve.

use super::Subresource::{
    Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, PortForward, Scale,
    Status, Token,
};
use super::{Entry, events};
use crate::strategy::{self, Strategy};
use crate::table::{cluster, network, pod, workload};

/// What a kind is unless its entry says otherwise.
const PLAIN: Entry = Entry {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    storage: "",
    subresources: &[],
    strategy: Strategy::PLAIN,
    columns: cluster::NAME_AND_AGE,
    row: cluster::name_and_age,
    conversion: None,
};

/// Every kind, in discovery order.
pub(crate) static KINDS: &[Entry] = &[
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
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        storage: "leases.coordination.k8s.io",
        columns: cluster::LEASE,
        row: cluster::lease,
        ..PLAIN
    },
    Entry {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        storage: "endpointslices.discovery.k8s.io",
        strategy: strategy::GENERATION,
        columns: network::ENDPOINT_SLICE,
        row: network::endpoint_slice,
        ..PLAIN
    },
    Entry {
        group: "events.k8s.io",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        storage: "events",
        columns: cluster::EVENT,
        row: cluster::new_event,
        conversion: Some(events::CONVERSION),
        ..PLAIN
    },
    Entry {
        group: "networking.k8s.io",
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        namespaced: false,
        storage: "ingressclasses.networking.k8s.io",
        strategy: strategy::GENERATION,
        columns: network::INGRESS_CLASS,
        row: network::ingress_class,
        ..PLAIN
    },
    Entry {
        group: "networking.k8s.io",
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short_names: &["ing"],
        storage: "ingresses.networking.k8s.io",
        subresources: &[Status],
        strategy: strategy::SPEC_AND_STATUS,
        columns: network::INGRESS,
        row: network::ingress,
        ..PLAIN
    },
    Entry {
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
    },
];
