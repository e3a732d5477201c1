//! The kinds we serve, a file for each group.

mod apps;
mod coordination;
mod core;
mod discovery;
mod events;
mod networking;
mod rbac;
mod scheduling;

use super::Entry;
use crate::strategy::Strategy;
use crate::table::cluster;

/// The groups in discovery order.
static GROUPS: [&[Entry]; 8] = [
    core::CORE,
    apps::APPS,
    events::EVENTS,
    networking::NETWORKING,
    rbac::RBAC,
    scheduling::SCHEDULING,
    coordination::COORDINATION,
    discovery::DISCOVERY,
];

/// Every kind, in discovery order.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    GROUPS.into_iter().flatten()
}

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
