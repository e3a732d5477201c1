//! The kinds we serve, a file for each group.

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
mod certificates;
mod coordination;
mod core;
mod discovery;
mod events;
mod flowcontrol;
mod networking;
mod node;
mod policy;
mod rbac;
mod resource;
mod scheduling;
mod storage;

use super::Entry;
use crate::strategy::Strategy;
use crate::table::cluster;

/// The groups in discovery order.
static GROUPS: &[&[Entry]] = &[
    core::CORE,
    apps::APPS,
    events::EVENTS,
    autoscaling::AUTOSCALING,
    batch::BATCH,
    certificates::CERTIFICATES,
    networking::NETWORKING,
    policy::POLICY,
    rbac::RBAC,
    storage::STORAGE,
    admissionregistration::ADMISSIONREGISTRATION,
    scheduling::SCHEDULING,
    coordination::COORDINATION,
    node::NODE,
    discovery::DISCOVERY,
    apiextensions::APIEXTENSIONS,
    apiregistration::APIREGISTRATION,
    resource::RESOURCE,
    flowcontrol::FLOWCONTROL,
];

/// Every kind, in discovery order.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().copied().flatten()
}

/// What a kind is unless its entry says otherwise.
pub(super) const PLAIN: Entry = Entry {
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
