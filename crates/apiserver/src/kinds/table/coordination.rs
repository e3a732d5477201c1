//! The group `coordination.k8s.io`.

use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::cluster;

pub(super) static COORDINATION: &[Entry] = &[Entry {
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
    singular: "lease",
    storage: "leases.coordination.k8s.io",
    strategy: strategy::PUT_CREATES,
    columns: cluster::LEASE,
    row: cluster::lease,
    ..PLAIN
}];
