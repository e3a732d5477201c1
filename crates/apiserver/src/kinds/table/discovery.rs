//! The group `discovery.k8s.io`.

use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::network;

pub(super) static DISCOVERY: &[Entry] = &[Entry {
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    storage: "endpointslices.discovery.k8s.io",
    strategy: strategy::ENDPOINT_SLICE,
    columns: network::ENDPOINT_SLICE,
    row: network::endpoint_slice,
    ..PLAIN
}];
