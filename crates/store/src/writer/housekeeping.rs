//! What the writer does beside writing: it keeps log and history within their bounds, and finds
//! room when there is none.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::group::Group;
use super::{Write, Writer};
use crate::Full;
use crate::log::{RESERVE_BYTES, checkpoint};

/// How often a full disk is looked at when nobody writes.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What a key takes in a snapshot beside its bytes and its value's, rounded up.
const KEY_OVERHEAD_BYTES: u64 = 64;

impl Writer {
    /// Before the first write. What was read from the disk grows old from now on.
    pub(super) fn begin(&mut self) {
        let head = self.shared.read().head();
        self.aging.note(head, Instant::now());
        self.keep_house();
    }

    /// After every group, and whenever the writer is woken.
    pub(super) fn keep_house(&mut self) {
        let compacted = self.shared.read().compacted();
        if let Some(revision) = self.log.overlong(compacted, &self.options) {
            self.shared.compact(revision);
        }
        let compacted = self.shared.read().compacted();
        if self.log.snapshot_due(compacted, &self.options) {
            self.snapshotting.start(self.log.store());
        }
        self.restore_reserve();
        if !self.log.holds_reserve() {
            self.make_room();
            self.alarm.set(Instant::now() + RETRY_EVERY);
        }
        if let Some(due) = self.aging.due() {
            self.alarm.set(due);
        }
        self.tell();
    }

    /// What was put off until now.
    pub(super) fn add_what_is_due(&mut self, group: &mut Group) {
        self.alarm.rang();
        if let Some(revision) = self.aging.expired(Instant::now()) {
            // Nobody waits for it; that it was compacted further already is no error.
            let (answer, _) = oneshot::channel();
            group.push(Write::Compact(revision, answer));
        }
    }

    /// Holds back room again when there is enough of it. Only then are puts let in.
    pub(super) fn restore_reserve(&mut self) {
        if !self.log.holds_reserve() && self.log.restore_reserve() {
            tracing::info!("there is room on the disk again: puts are let in");
        }
    }

    /// Whether there was room held back; then there is some now, and puts are refused.
    pub(super) fn give_up_reserve(&mut self) -> bool {
        let gave_up = self.log.give_up_reserve();
        if gave_up {
            tracing::error!("the disk is full: puts are refused until there is room");
        }
        gave_up
    }

    /// On a full disk all history is given up, if a snapshot of what is left makes enough room, and
    /// has room itself.
    fn make_room(&mut self) {
        let (head, needed) = {
            let space = self.shared.read();
            (space.head(), space.live_bytes() + space.len() as u64 * KEY_OVERHEAD_BYTES)
        };
        let room = self.log.store().room().unwrap_or_else(|error| {
            tracing::debug!(%error, "the file system does not say how much room there is");
            0
        });
        let checkpoint = checkpoint(&self.shared.read());
        let needed = needed + 2 * checkpoint.len() as u64;
        let is_worth = self.log.bytes() >= needed + RESERVE_BYTES;
        if !is_worth || room < needed || !self.snapshotting.may_start() {
            return;
        }
        if let Err(error) = self.log.rotate(&checkpoint) {
            tracing::warn!(%error, "could not begin a segment to make room on a full disk");
            return;
        }
        self.shared.compact(head);
        self.snapshotting.start(self.log.store());
    }

    /// Says how things are, for the statistics; before anybody is answered, so that he finds
    /// himself counted.
    pub(super) fn tell(&mut self) {
        let live = self.shared.read().live_bytes();
        let max = self.options.live_bytes_max().unwrap_or(u64::MAX);
        self.quota_refused = self.quota_refused.filter(|growth| live + growth > max);
        self.report.full = if !self.log.holds_reserve() {
            Some(Full::Disk)
        } else {
            self.quota_refused.map(|_| Full::Quota)
        };
        self.log.report(&mut self.report);
        *self.shared.report() = self.report;
    }
}
