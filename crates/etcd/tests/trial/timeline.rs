//! The stricter check: the server named a revision with every answer, and is held to each.
//!
//! A watch tells what every revision did. Replaying it gives the key space at every revision, and so
//! one order of all calls: writes by their revision, each read after the write of its own. The check
//! is that this order is right: every revision was written by exactly one call (or by the end of a
//! lease) and did all of what that call asked and nothing else; every answer is what the model
//! answers at that revision, down to versions; no revision is missing from the watch or in it twice;
//! and a call that began after another returned comes after it. Then the history is linearizable,
//! with this order as the witness, multi-key transactions included.

use std::collections::BTreeMap;

use super::history::{Call, Moment, Outcome};
use super::model::{Change, Space, apply};

/// All that one revision changed, as a watcher was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub revision: i64,
    pub changes: Vec<Change>,
    /// When the watcher had it.
    pub seen: Moment,
}

/// A revision in which the server deleted all keys of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseEnd {
    pub lease: i64,
    pub revision: i64,
    pub seen: Moment,
}

/// How a history contradicts the revisions it names.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    #[error("after revision {before} the watch told of {got}: a gap or a repeat")]
    Broken { before: i64, got: i64 },
    #[error("nobody asked for what revision {revision} did: {changes:?}")]
    Unasked { revision: i64, changes: Vec<Change> },
    #[error("the answer is not what revision {revision} holds: {call:?}; that would be {right}")]
    Answer { revision: i64, call: Box<Call>, right: String },
    #[error("an answer names revision {revision}, which no watcher saw: {call:?}")]
    Unseen { revision: i64, call: Box<Call> },
    #[error("began after revision {floor} was known, took effect at {revision}: {call:?}")]
    Order { floor: i64, revision: i64, call: Box<Call> },
}

/// The key space as the replay has it, carried from window to window.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    pub space: Space,
    pub revision: i64,
}

/// What a window was found to hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub writes: usize,
    pub reads: usize,
    /// Calls without an answer that did take effect.
    pub unknown_done: usize,
    pub unknown_lost: usize,
    pub lease_ends: Vec<LeaseEnd>,
}

/// The calls of a window, by the revision they name.
struct Book<'a> {
    by_revision: BTreeMap<i64, Vec<&'a Call>>,
    unknown: Vec<&'a Call>,
    placed: Vec<Placed<'a>>,
}

/// When a call took effect.
struct Placed<'a> {
    call: &'a Call,
    revision: i64,
    wrote: bool,
}

impl<'a> Placed<'a> {
    fn writer(call: &'a Call, revision: i64) -> Self {
        Placed { call, revision, wrote: true }
    }

    fn reader(call: &'a Call, revision: i64) -> Self {
        Placed { call, revision, wrote: false }
    }
}

impl<'a> Book<'a> {
    fn of(calls: &'a [Call]) -> Self {
        let mut by_revision: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for call in calls {
            match &call.outcome {
                Outcome::Known { reply, .. } => {
                    by_revision.entry(reply.revision).or_default().push(call);
                }
                Outcome::Unknown if call.operation.may_write() => unknown.push(call),
                Outcome::Unknown => {}
            }
        }
        unknown.sort_by_key(|call| call.start);
        Book { by_revision, unknown, placed: Vec::new() }
    }
}

impl Timeline {
    /// Replays a window: all calls that were made in it, none of them running any more, and all
    /// that the watch told up to its end.
    pub fn check(&mut self, calls: &[Call], written: &[Written]) -> Result<Window, Wrong> {
        let mut window = Window::default();
        let mut book = Book::of(calls);
        self.answer_reads(&mut book, &mut window)?;
        for written in written {
            if written.revision != self.revision + 1 {
                return Err(Wrong::Broken { before: self.revision, got: written.revision });
            }
            self.write(&mut book, written, &mut window)?;
            self.revision = written.revision;
            self.answer_reads(&mut book, &mut window)?;
        }
        if let Some((revision, calls)) = book.by_revision.pop_first() {
            return Err(Wrong::Unseen { revision, call: Box::new(calls[0].clone()) });
        }
        window.unknown_lost = book.unknown.len();
        in_order(book.placed)?;
        Ok(window)
    }

    /// Finds who wrote a revision, and holds them to it.
    fn write<'a>(
        &mut self,
        book: &mut Book<'a>,
        written: &Written,
        window: &mut Window,
    ) -> Result<(), Wrong> {
        let named = book.by_revision.get_mut(&written.revision);
        let known = named.and_then(|calls| {
            let place = calls.iter().position(|call| self.explains(call, written))?;
            Some(calls.swap_remove(place))
        });
        let unknown = || book.unknown.iter().position(|call| self.explains(call, written));
        if let Some(call) = known {
            window.writes += 1;
            book.placed.push(Placed::writer(call, written.revision));
        } else if let Some(place) = unknown() {
            window.unknown_done += 1;
            let call = book.unknown.remove(place);
            book.placed.push(Placed::writer(call, written.revision));
        } else if let Some(lease) = self.lease_ended(&written.changes) {
            let Written { revision, seen, .. } = *written;
            window.lease_ends.push(LeaseEnd { lease, revision, seen });
        } else {
            let changes = written.changes.clone();
            return Err(Wrong::Unasked { revision: written.revision, changes });
        }
        for change in &written.changes {
            match change.now {
                Some(entry) => self.space.insert(change.key.clone(), entry),
                None => self.space.remove(&change.key),
            };
        }
        Ok(())
    }

    /// Whether the call, carried out now, does exactly this and is answered as it was.
    fn explains(&self, call: &Call, written: &Written) -> bool {
        let (reply, changes) = apply(&mut self.space.clone(), self.revision, &call.operation);
        let answered = call.known().is_none_or(|(answer, _)| *answer == reply);
        answered && changes == written.changes
    }

    /// The lease whose keys these deletions are, all of them.
    fn lease_ended(&self, changes: &[Change]) -> Option<i64> {
        let first = self.space.get(&changes.first()?.key)?;
        let lease = Some(first.lease).filter(|lease| *lease != 0)?;
        let keys = self.space.iter().filter(|(_, entry)| entry.lease == lease);
        let all = keys.map(|(key, _)| Change { key: key.clone(), now: None });
        all.eq(changes.iter().cloned()).then_some(lease)
    }

    /// Checks the answers of all calls that name the revision reached and have not written it.
    fn answer_reads(&mut self, book: &mut Book, window: &mut Window) -> Result<(), Wrong> {
        for call in book.by_revision.remove(&self.revision).unwrap_or_default() {
            let Some((answer, _)) = call.known() else { continue };
            let (reply, changes) = if call.operation.may_write() {
                apply(&mut self.space.clone(), self.revision, &call.operation)
            } else {
                apply(&mut self.space, self.revision, &call.operation)
            };
            if *answer != reply || !changes.is_empty() {
                let right = format!("{reply:?} with the changes {changes:?}");
                let call = Box::new(call.clone());
                return Err(Wrong::Answer { revision: self.revision, call, right });
            }
            window.reads += 1;
            book.placed.push(Placed::reader(call, self.revision));
        }
        Ok(())
    }
}

/// Real time: nothing takes effect before what had returned when it began.
fn in_order(placed: Vec<Placed>) -> Result<(), Wrong> {
    let mut ends: Vec<(Moment, i64)> = placed
        .iter()
        .filter_map(|placed| placed.call.known().map(|(_, end)| (end, placed.revision)))
        .collect();
    ends.sort_unstable();
    let mut starts = placed;
    starts.sort_by_key(|placed| placed.call.start);
    let mut ends = ends.into_iter().peekable();
    let mut floor = 0;
    for Placed { call, revision, wrote } in starts {
        while let Some((_, known)) = ends.next_if(|(end, _)| *end < call.start) {
            floor = floor.max(known);
        }
        if revision < floor || (wrote && revision == floor) {
            return Err(Wrong::Order { floor, revision, call: Box::new(call.clone()) });
        }
    }
    Ok(())
}
