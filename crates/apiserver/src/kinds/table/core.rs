//! The core group.

use super::super::Subresource::{
    Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, NodeProxy, PodProxy,
    PortForward, Resize, Scale, ServiceProxy, Status, Token,
};
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::{address, cluster, network, pod, policy, storage, workload};

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
        kind: "Endpoints",
        plural: "endpoints",
        singular: "endpoints",
        short_names: &["ep"],
        storage: "endpoints",
        strategy: strategy::PUT_CREATES,
        columns: address::ENDPOINTS,
        row: address::endpoints,
        ..PLAIN
    },
    Entry {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        storage: "events",
        strategy: strategy::PUT_CREATES,
        columns: cluster::EVENT,
        row: cluster::event,
        ..PLAIN
    },
    Entry {
        kind: "LimitRange",
        plural: "limitranges",
        singular: "limitrange",
        short_names: &["limits"],
        storage: "limitranges",
        strategy: strategy::PUT_CREATES,
        columns: cluster::NAME_AND_CREATION,
        row: cluster::name_and_creation,
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
        subresources: &[NodeProxy, Status],
        strategy: strategy::NODE,
        columns: cluster::NODE,
        row: cluster::node,
        ..PLAIN
    },
    Entry {
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        short_names: &["pvc"],
        storage: "persistentvolumeclaims",
        subresources: &[Status],
        strategy: strategy::STATUS_RETURNED,
        columns: storage::PERSISTENT_VOLUME_CLAIM,
        row: storage::persistent_volume_claim,
        ..PLAIN
    },
    Entry {
        kind: "PersistentVolume",
        plural: "persistentvolumes",
        singular: "persistentvolume",
        short_names: &["pv"],
        namespaced: false,
        storage: "persistentvolumes",
        subresources: &[Status],
        strategy: strategy::STATUS_RETURNED,
        columns: storage::PERSISTENT_VOLUME,
        row: storage::persistent_volume,
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
            PodProxy,
            Resize,
            Status,
        ],
        strategy: strategy::POD,
        columns: pod::COLUMNS,
        row: pod::row,
        ..PLAIN
    },
    Entry {
        kind: "PodTemplate",
        plural: "podtemplates",
        singular: "podtemplate",
        storage: "podtemplates",
        strategy: strategy::GENERATION_RETURNED,
        columns: workload::POD_TEMPLATE,
        row: workload::pod_template,
        ..PLAIN
    },
    Entry {
        kind: "ReplicationController",
        plural: "replicationcontrollers",
        singular: "replicationcontroller",
        short_names: &["rc"],
        categories: &["all"],
        storage: "replicationcontrollers",
        subresources: &[Scale, Status],
        strategy: strategy::REPLICATION_CONTROLLER,
        columns: workload::REPLICA_SET,
        row: workload::replica_set,
        ..PLAIN
    },
    Entry {
        kind: "ResourceQuota",
        plural: "resourcequotas",
        singular: "resourcequota",
        short_names: &["quota"],
        storage: "resourcequotas",
        subresources: &[Status],
        strategy: strategy::RESOURCE_QUOTA,
        columns: policy::RESOURCE_QUOTA,
        row: policy::resource_quota,
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
        ..PLAIN
    },
    Entry {
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        storage: "services",
        subresources: &[ServiceProxy, Status],
        strategy: strategy::SERVICE,
        columns: network::SERVICE,
        row: network::service,
        ..PLAIN
    },
];
