//! The group `autoscaling`: one kind in two versions, stored as the newer.

use super::super::Subresource::Status;
use super::super::autoscaling;
use super::{Entry, PLAIN};
use crate::strategy;
use crate::table::autoscaling as columns;

const AUTOSCALER: Entry = Entry {
    group: "autoscaling",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    storage: "horizontalpodautoscalers.autoscaling",
    subresources: &[Status],
    strategy: strategy::STATUS,
    columns: columns::COLUMNS,
    row: columns::row,
    ..PLAIN
};

pub(super) static AUTOSCALING: &[Entry] = &[
    Entry { version: "v2", ..AUTOSCALER },
    Entry { conversion: Some(autoscaling::CONVERSION), row: autoscaling::old_row, ..AUTOSCALER },
];
