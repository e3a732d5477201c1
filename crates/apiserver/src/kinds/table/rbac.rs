//! The group `rbac.authorization.k8s.io`: who may do what.

use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::{cluster, rbac};

const GROUP: Entry = Entry {
    group: "rbac.authorization.k8s.io",
    columns: cluster::NAME_AND_CREATION,
    row: cluster::name_and_creation,
    ..PLAIN
};

pub(super) static RBAC: &[Entry] = &[
    Entry {
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        storage: "clusterrolebindings.rbac.authorization.k8s.io",
        strategy: strategy::PUT_CREATES,
        columns: rbac::BINDING,
        row: rbac::binding,
        ..GROUP
    },
    Entry {
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        namespaced: false,
        storage: "clusterroles.rbac.authorization.k8s.io",
        strategy: strategy::PUT_CREATES,
        ..GROUP
    },
    Entry {
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        storage: "rolebindings.rbac.authorization.k8s.io",
        strategy: strategy::PUT_CREATES,
        columns: rbac::BINDING,
        row: rbac::binding,
        ..GROUP
    },
    Entry {
        kind: "Role",
        plural: "roles",
        singular: "role",
        storage: "roles.rbac.authorization.k8s.io",
        strategy: strategy::PUT_CREATES,
        ..GROUP
    },
];
