//! One priority level: its seats, and who has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::queues::{Queues, Queuing};

/// A level that was configured; a new one has a new number.
pub(super) type LevelId = u64;

/// What happens to a request that finds no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is always one.
    Exempt,
    /// It is refused.
    Rejecting,
    /// It waits.
    Queuing(Queuing),
}

/// Why a request was refused, in the words of upstream's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    ConcurrencyLimit,
    QueueFull,
    TimeOut,
}

/// A request that is known to a level.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) level: LevelId,
    pub(super) schema: Arc<str>,
    pub(super) id: u64,
    pub(super) queue: usize,
    pub(super) width: u32,
    pub(super) began: Instant,
}

/// What has become of a schema's requests at a level.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) dispatched: u64,
    pub(super) concurrency_limit: u64,
    pub(super) queue_full: u64,
    pub(super) time_out: u64,
}

/// A priority level.
pub(super) struct Level {
    pub(super) id: LevelId,
    pub(super) name: String,
    pub(super) uid: Arc<str>,
    pub(super) kind: Kind,
    /// Its own seats.
    pub(super) nominal: u32,
    /// So many of them it lends.
    pub(super) lendable: u32,
    /// It never has more.
    pub(super) max: u32,
    pub(super) in_use: u32,
    pub(super) executing: u32,
    pub(super) queues: Queues,
    /// By schema; its size is that of the schemas that ever sent something here.
    pub(super) counts: BTreeMap<Arc<str>, Counts>,
}

impl Level {
    /// Seats that it has beyond its own.
    pub(super) fn borrowed(&self) -> u32 {
        match self.kind {
            Kind::Exempt => 0,
            _ => self.in_use.saturating_sub(self.nominal),
        }
    }

    /// Seats that others may have of it.
    pub(super) fn spare(&self) -> u32 {
        self.nominal.saturating_sub(self.in_use).min(self.lendable)
    }

    pub(super) fn count(&mut self, schema: &Arc<str>) -> &mut Counts {
        if !self.counts.contains_key(schema) {
            self.counts.insert(Arc::clone(schema), Counts::default());
        }
        self.counts.get_mut(schema).expect("it was just put there")
    }

    pub(super) fn note(&mut self, schema: &Arc<str>, refusal: Refusal) {
        let counts = self.count(schema);
        match refusal {
            Refusal::ConcurrencyLimit => counts.concurrency_limit += 1,
            Refusal::QueueFull => counts.queue_full += 1,
            Refusal::TimeOut => counts.time_out += 1,
        }
    }
}
