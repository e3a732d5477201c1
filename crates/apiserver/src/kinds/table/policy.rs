//! The group `policy`: what may be disrupted.

use super::super::Subresource::Status;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::policy;

const GROUP: Entry = Entry { group: "policy", ..PLAIN };

pub(super) static POLICY: &[Entry] = &[Entry {
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    singular: "poddisruptionbudget",
    short_names: &["pdb"],
    storage: "poddisruptionbudgets.policy",
    subresources: &[Status],
    strategy: strategy::DISRUPTION_BUDGET,
    columns: policy::POD_DISRUPTION_BUDGET,
    row: policy::pod_disruption_budget,
    ..GROUP
}];
