//! The group `events.k8s.io`.

use super::super::events;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::cluster;

pub(super) static EVENTS: &[Entry] = &[Entry {
    group: "events.k8s.io",
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    storage: "events",
    strategy: strategy::PUT_CREATES,
    columns: cluster::EVENT,
    row: cluster::new_event,
    conversion: Some(events::CONVERSION),
    ..PLAIN
}];
