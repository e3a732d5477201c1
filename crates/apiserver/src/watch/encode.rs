//! Changes as watch events: which kind of change a client with selectors sees, and its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::json;
use store::{Batch, Event, EventKind, KeyValue, Revision};

use super::change::{Changes, Seen, write_line};
use crate::error::ApiError;
use crate::form::Form;
use crate::kinds::Kind;
use crate::negotiate::Format;
use crate::options::IncludeObject;
use crate::verbs::list_options::Selection;

/// Says that the objects that were there have all been sent.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Writes events in the form one client wants.
pub(crate) struct Encoder {
    pub(crate) kind: Arc<Kind>,
    pub(crate) form: Form,
    pub(crate) selection: Selection,
    /// What this client's watch has in common with others.
    pub(crate) changes: Arc<Changes>,
    /// Have the columns of its Tables been named?
    pub(crate) headed: AtomicBool,
}

impl Encoder {
    /// The form of the event that is written next: only the first Table names its columns.
    fn next_form(&self) -> Form {
        let is_table = self.form.format == Format::Table;
        Form { headed: !is_table || !self.headed.swap(true, Ordering::Relaxed), ..self.form }
    }

    /// An object that is there already, and selected.
    pub(crate) fn added(&self, out: &mut Vec<u8>, kv: &KeyValue) {
        write_line(out, Seen::Added, self.next_form(), &self.kind, kv, kv.mod_revision);
    }

    /// The changes of one revision. Mostly that is one, whose bytes are not the client's own.
    pub(crate) fn batch(&self, batch: &Batch) -> Bytes {
        if let [event] = batch.events.as_slice() {
            return self.event(event, batch.revision).unwrap_or_default();
        }
        let lines = batch.events.iter().filter_map(|event| self.event(event, batch.revision));
        lines.flatten().collect::<Vec<u8>>().into()
    }

    fn event(&self, event: &Event, revision: Revision) -> Option<Bytes> {
        let change = self.changes.of(&self.kind, event, revision);
        let seen = change.seen_by(&self.selection)?;
        Some(change.line(seen, self.next_form()))
    }

    /// How far the stream is.
    pub(crate) fn bookmark(&self, out: &mut Vec<u8>, revision: Revision, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": revision.0.to_string()});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let empty = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": metadata,
        });
        // As upstream, the word that all has been sent is in the row of an empty object.
        let include = match self.form.include {
            IncludeObject::None if initial_end => IncludeObject::Metadata,
            asked => asked,
        };
        let object = Form { include, ..self.next_form() }.alone(&self.kind, empty);
        let event = json!({"type": "BOOKMARK", "object": object});
        out.extend_from_slice(event.to_string().as_bytes());
        out.push(b'\n');
    }
}

/// The objects of a change: as it is now, where it is, and as it was. Watchers share them.
pub(super) fn objects(event: &mut Event) -> impl Iterator<Item = &mut KeyValue> {
    let now = (event.kind == EventKind::Put).then_some(&mut event.kv);
    now.into_iter().chain(event.prev.as_mut())
}

/// The stream ends because of this.
pub(super) fn error(error: &ApiError) -> Bytes {
    let event = json!({"type": "ERROR", "object": error.status().to_value()});
    format!("{event}\n").into()
}
