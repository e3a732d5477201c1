//! The group `networking.k8s.io`.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::{address, network};

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
    Entry {
        group: "networking.k8s.io",
        kind: "IPAddress",
        plural: "ipaddresses",
        singular: "ipaddress",
        short_names: &["ip"],
        namespaced: false,
        storage: "ipaddresses.networking.k8s.io",
        columns: address::IP_ADDRESS,
        row: address::ip_address,
        ..PLAIN
    },
    Entry {
        group: "networking.k8s.io",
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short_names: &["netpol"],
        storage: "networkpolicies.networking.k8s.io",
        strategy: strategy::GENERATION,
        columns: address::NETWORK_POLICY,
        row: address::network_policy,
        ..PLAIN
    },
    Entry {
        group: "networking.k8s.io",
        kind: "ServiceCIDR",
        plural: "servicecidrs",
        singular: "servicecidr",
        namespaced: false,
        storage: "servicecidrs.networking.k8s.io",
        subresources: &[Status],
        strategy: strategy::STATUS,
        columns: address::SERVICE_CIDR,
        row: address::service_cidr,
        ..PLAIN
    },
];
