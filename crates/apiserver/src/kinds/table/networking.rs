//! The group `networking.k8s.io`.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::network;

pub(super) static NETWORKING: &[Entry] = &[
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
];
