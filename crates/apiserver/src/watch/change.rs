//! Changes that many clients watch: each is read once, and encoded once for each form in which
//! somebody wants it. The clients share the bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use store::{Event, EventKind, KeyValue, Revision};

use crate::form::Form;
use crate::kinds::Kind;
use crate::object::{self, decode_at};
use crate::verbs::list_options::Selection;

/// So many changes are kept for the watchers that come to them later.
const CHANGES_MAX: usize = 256;
/// And so many bytes of values, stored; decoded and encoded they are some times as much.
const BYTES_MAX: usize = 512 * 1024;

/// What happened, to one who sees a part of the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Added,
    Modified,
    Deleted,
}

impl Seen {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// The newest changes that somebody watches. A watcher that is too far behind for them works on its
/// own.
#[derive(Default)]
pub(crate) struct Changes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    changes: BTreeMap<Id, Arc<Change>>,
    bytes: usize,
}

/// The oldest first. The kind is told by its address, which is its own while the change is kept.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    revision: Revision,
    key: Bytes,
    kind: usize,
}

impl Changes {
    /// A change of one object of a kind.
    pub(super) fn of(&self, kind: &Arc<Kind>, event: &Event, revision: Revision) -> Arc<Change> {
        let id = Id { revision, key: event.kv.key.clone(), kind: Arc::as_ptr(kind).addr() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.changes.get(&id) {
            return found.clone();
        }
        let change = Arc::new(Change::new(kind.clone(), event.clone(), revision));
        kept.add(id, change.clone());
        change
    }
}

impl Kept {
    fn add(&mut self, id: Id, change: Arc<Change>) {
        self.bytes += change.bytes();
        self.changes.insert(id, change);
        while self.changes.len() > CHANGES_MAX || self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.changes.pop_first() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

/// One change.
pub(super) struct Change {
    kind: Arc<Kind>,
    event: Event,
    revision: Revision,
    /// The object as it is now and as it was before, decoded when the first selector asks.
    now: OnceLock<Option<Value>>,
    before: OnceLock<Option<Value>>,
    /// A line for each way in which it was seen.
    lines: Mutex<Vec<(Seen, Form, Bytes)>>,
}

impl Change {
    fn new(kind: Arc<Kind>, event: Event, revision: Revision) -> Self {
        let (now, before, lines) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self { kind, event, revision, now, before, lines }
    }

    fn bytes(&self) -> usize {
        self.event.kv.value.len() + self.event.prev.as_ref().map_or(0, |kv| kv.value.len())
    }

    /// What this is to one who sees the selected objects; `None`: nothing. What leaves the
    /// selection is deleted, what enters it is added.
    pub(super) fn seen_by(&self, selection: &Selection) -> Option<Seen> {
        let is_put = self.event.kind == EventKind::Put;
        let now = is_put && self.selects(selection, Some(&self.event.kv), &self.now);
        let before = self.selects(selection, self.event.prev.as_ref(), &self.before);
        match (now, before) {
            (true, true) => Some(Seen::Modified),
            (true, false) => Some(Seen::Added),
            // The last state the client may see, at the revision it left.
            (false, true) => Some(Seen::Deleted),
            (false, false) => None,
        }
    }

    fn selects(
        &self,
        selection: &Selection,
        kv: Option<&KeyValue>,
        decoded: &OnceLock<Option<Value>>,
    ) -> bool {
        let Some(kv) = kv else { return false };
        if selection.is_everything() {
            return true;
        }
        // A key ends with the object's name: a watch of one object reads no others.
        if selection.name().is_some_and(|name| !object::is_key_of(&kv.key, name)) {
            return false;
        }
        let decoded = decoded.get_or_init(|| {
            let mut object = decode_at(kv, kv.mod_revision).ok()?;
            self.kind.freshen(&mut object);
            Some(object)
        });
        decoded.as_ref().is_some_and(|object| selection.matches(object))
    }

    /// The change as a line of a watch.
    pub(super) fn line(&self, seen: Seen, form: Form) -> Bytes {
        let mut lines = self.lines();
        let found = lines.iter().find(|(as_what, in_form, _)| (*as_what, *in_form) == (seen, form));
        if let Some((_, _, line)) = found {
            return line.clone();
        }
        let kv = match seen {
            Seen::Deleted => self.event.prev.as_ref().unwrap_or(&self.event.kv),
            Seen::Added | Seen::Modified => &self.event.kv,
        };
        let line = line(seen, form, &self.kind, kv, self.revision);
        lines.push((seen, form, line.clone()));
        line
    }

    fn lines(&self) -> MutexGuard<'_, Vec<(Seen, Form, Bytes)>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line of a watch.
fn line(seen: Seen, form: Form, kind: &Kind, kv: &KeyValue, revision: Revision) -> Bytes {
    let mut out = Vec::with_capacity(kv.value.len() + 128);
    write_line(&mut out, seen, form, kind, kv, revision);
    out.into()
}

/// Appends a line of a watch.
pub(super) fn write_line(
    out: &mut Vec<u8>,
    seen: Seen,
    form: Form,
    kind: &Kind,
    kv: &KeyValue,
    revision: Revision,
) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(seen.word().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    let begun = out.len();
    if let Err(error) = form.write_alone(out, kind, kv, revision) {
        let key = String::from_utf8_lossy(&kv.key);
        tracing::error!(%error, %key, "a stored object cannot be read: watchers get null");
        out.truncate(begun);
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests;
