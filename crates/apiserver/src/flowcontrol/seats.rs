//! The seats of all levels: who may sit down, and what is lent to whom.
//!
//! One rule decides: what is borrowed altogether is never more than what is spare altogether. So a
//! level always finds the part of its own that it does not lend, and the rest as soon as borrowers
//! rise.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::level::{Kind, Level, LevelId, Refusal, Ticket};
use super::queues::{Queues, Waiter};
use super::settings::LevelSettings;

/// A request takes no more seats, as upstream.
const WIDTH_MAX: u32 = 10;
/// Nor more than this part of its level's own.
const WIDTH_PART: f64 = 0.15;

/// The levels and their seats.
pub(super) struct Seats {
    seats_max: u32,
    levels: HashMap<LevelId, Level>,
    ids_given: u64,
    /// The sums over all levels of [`Level::borrowed`] and [`Level::spare`].
    borrowed: u32,
    spare: u32,
    /// Requests that wait anywhere.
    waiting: usize,
}

/// What a request finds.
pub(super) enum Entry {
    Seated(Ticket, Arc<str>),
    Waiting(Ticket, Arc<str>, oneshot::Receiver<()>),
    Refused(Arc<str>),
    /// There is no such level.
    Gone,
}

impl Seats {
    pub(super) fn new(seats_max: u32) -> Self {
        Self { seats_max, levels: HashMap::new(), ids_given: 0, borrowed: 0, spare: 0, waiting: 0 }
    }

    pub(super) fn levels(&self) -> impl Iterator<Item = &Level> {
        self.levels.values()
    }

    /// The levels are these now. Who waits in one that is gone is sent away to be sorted anew.
    pub(super) fn configure(&mut self, wanted: &[LevelSettings]) -> HashMap<String, LevelId> {
        let shares: u64 = wanted.iter().map(|level| level.shares).sum();
        let mut old: HashMap<String, Level> =
            self.levels.drain().map(|(_, level)| (level.name.clone(), level)).collect();
        let mut ids = HashMap::new();
        for settings in wanted {
            let mut level = old.remove(&settings.name).unwrap_or_else(|| self.fresh(settings));
            self.apply(&mut level, settings, shares);
            ids.insert(settings.name.clone(), level.id);
            self.levels.insert(level.id, level);
        }
        self.borrowed = self.levels().map(Level::borrowed).sum();
        self.spare = self.levels().map(Level::spare).sum();
        self.waiting = self.levels().map(|level| level.queues.waiting()).sum();
        self.dispatch();
        ids
    }

    fn fresh(&mut self, settings: &LevelSettings) -> Level {
        self.ids_given += 1;
        Level {
            id: self.ids_given,
            name: settings.name.clone(),
            uid: settings.uid.clone(),
            kind: settings.kind,
            nominal: 0,
            lendable: 0,
            max: 0,
            in_use: 0,
            executing: 0,
            queues: Queues::default(),
            counts: Default::default(),
        }
    }

    fn apply(&self, level: &mut Level, settings: &LevelSettings, shares: u64) {
        let part = |of: u64, part: u64, whole: u64| of.saturating_mul(part).div_ceil(whole.max(1));
        let seats = |count: u64| u32::try_from(count).unwrap_or(u32::MAX).min(self.seats_max);
        let nominal = part(u64::from(self.seats_max), settings.shares, shares);
        level.uid = settings.uid.clone();
        level.nominal = seats(nominal);
        level.lendable = seats((nominal * settings.lendable_percent + 50) / 100);
        level.max = match settings.borrowing_percent {
            Some(percent) => {
                seats(nominal.saturating_add((nominal.saturating_mul(percent) + 50) / 100))
            }
            None => self.seats_max,
        };
        if level.kind != settings.kind && level.queues.waiting() > 0 {
            let was_queuing = matches!(level.kind, Kind::Queuing(_));
            if !was_queuing || !matches!(settings.kind, Kind::Queuing(_)) {
                level.queues = Queues::default();
            }
        }
        level.kind = settings.kind;
    }

    /// A request wants in.
    pub(super) fn enter(&mut self, id: LevelId, flow: u64, width: u32, schema: &Arc<str>) -> Entry {
        let Some(level) = self.levels.get_mut(&id) else { return Entry::Gone };
        let width = width.clamp(1, widest(level.nominal));
        let uid = level.uid.clone();
        self.ids_given += 1;
        let mut ticket = Ticket {
            level: id,
            schema: Arc::clone(schema),
            id: self.ids_given,
            queue: 0,
            width,
            began: Instant::now(),
        };
        let kind = level.kind;
        let queuing = match kind {
            Kind::Queuing(queuing) => {
                ticket.queue = level.queues.choose(queuing, flow);
                Some(queuing)
            }
            Kind::Rejecting | Kind::Exempt => None,
        };
        let nobody_waits = level.queues.waiting() == 0;
        if nobody_waits && self.fits(id, width) {
            self.seat(id, width, schema);
            let level = self.levels.get_mut(&id).expect("it was just there");
            level.queues.begin(ticket.queue, width);
            return Entry::Seated(ticket, uid);
        }
        let level = self.levels.get_mut(&id).expect("it was just there");
        let Some(queuing) = queuing else {
            level.note(schema, Refusal::ConcurrencyLimit);
            return Entry::Refused(uid);
        };
        let (turn, wait) = oneshot::channel();
        let waiter = Waiter { id: ticket.id, width, schema: Arc::clone(schema), turn };
        if !level.queues.enqueue(ticket.queue, queuing.length_max, waiter) {
            level.note(schema, Refusal::QueueFull);
            return Entry::Refused(uid);
        }
        self.waiting += 1;
        self.dispatch();
        Entry::Waiting(ticket, uid, wait)
    }

    /// May a level take so many seats more?
    fn fits(&self, id: LevelId, width: u32) -> bool {
        let Some(level) = self.levels.get(&id) else { return false };
        if level.kind == Kind::Exempt {
            return true;
        }
        let after = level.in_use.saturating_add(width);
        if after > level.max {
            return false;
        }
        let own_after = level.nominal.saturating_sub(after).min(level.lendable);
        let spare = self.spare - level.spare() + own_after;
        let borrowed = self.borrowed - level.borrowed() + after.saturating_sub(level.nominal);
        borrowed <= spare || after <= level.nominal - level.lendable.min(level.nominal)
    }

    fn seat(&mut self, id: LevelId, width: u32, schema: &Arc<str>) {
        self.change(id, |level| {
            level.in_use += width;
            level.executing += 1;
            level.count(schema).dispatched += 1;
        });
    }

    /// Keeps the sums right.
    fn change(&mut self, id: LevelId, change: impl FnOnce(&mut Level)) {
        let Some(level) = self.levels.get_mut(&id) else { return };
        self.borrowed -= level.borrowed();
        self.spare -= level.spare();
        change(level);
        self.borrowed += level.borrowed();
        self.spare += level.spare();
    }

    /// A request waits no longer, or is over.
    pub(super) fn leave(&mut self, ticket: &Ticket, seated: bool) {
        let Some(level) = self.levels.get_mut(&ticket.level) else { return };
        // Its turn may have come without its knowing: then it had its seat.
        if !seated && level.queues.give_up(ticket.queue, ticket.id) {
            self.waiting -= 1;
            return;
        }
        let took = ticket.began.elapsed().as_secs_f64();
        self.change(ticket.level, |level| {
            level.in_use = level.in_use.saturating_sub(ticket.width);
            level.executing = level.executing.saturating_sub(1);
            level.queues.end(ticket.queue, ticket.width, took);
        });
        if self.waiting > 0 {
            self.dispatch();
        }
    }

    /// Counts a refusal.
    pub(super) fn note(&mut self, ticket: &Ticket, refusal: Refusal) {
        if let Some(level) = self.levels.get_mut(&ticket.level) {
            level.note(&ticket.schema, refusal);
        }
    }

    /// Gives out all seats that can be: first to levels that have not all of their own.
    fn dispatch(&mut self) {
        while self.waiting > 0 {
            let waiting = self.levels().filter(|level| level.queues.waiting() > 0);
            let mut order: Vec<(bool, LevelId)> =
                waiting.map(|level| (level.in_use >= level.nominal, level.id)).collect();
            order.sort_unstable();
            if !order.into_iter().any(|(_, id)| self.dispatch_one(id)) {
                return;
            }
        }
    }

    fn dispatch_one(&mut self, id: LevelId) -> bool {
        let next = self.levels.get(&id).and_then(|level| level.queues.next());
        let Some((queue, width)) = next.filter(|(_, width)| self.fits(id, *width)) else {
            return false;
        };
        let level = self.levels.get_mut(&id).expect("it was just there");
        let Some(waiter) = level.queues.take(queue) else { return false };
        self.waiting -= 1;
        self.seat(id, width, &waiter.schema);
        // Whoever has just gone gives the seat back himself.
        let _ = waiter.turn.send(());
        true
    }
}

/// The most seats of one request.
fn widest(nominal: u32) -> u32 {
    let part = f64::from(nominal) * WIDTH_PART;
    // A part of a u32.
    (part as u32).clamp(1, WIDTH_MAX)
}

#[cfg(test)]
mod tests;
