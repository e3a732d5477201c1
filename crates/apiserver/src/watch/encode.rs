//! Changes as watch events: which kind of change a client with selectors sees, and its bytes.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use store::{Event, EventKind, KeyValue, Revision};

use crate::error::ApiError;
use crate::kinds::Kind;
use crate::negotiate::Format;
use crate::object::{decode_at, write_served};
use crate::options::IncludeObject;
use crate::table;
use crate::verbs::list_options::Selection;

/// Says that the objects that were there have all been sent.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Writes events in the form one client wants.
pub(crate) struct Encoder {
    pub(crate) kind: Arc<Kind>,
    pub(crate) format: Format,
    pub(crate) include: IncludeObject,
    pub(crate) selection: Selection,
}

impl Encoder {
    /// An object that is there already, and selected.
    pub(crate) fn added(&self, out: &mut Vec<u8>, kv: &KeyValue) {
        self.write(out, "ADDED", kv, kv.mod_revision);
    }

    /// A change. What leaves the selection is DELETED, what enters it is ADDED.
    pub(crate) fn event(&self, out: &mut Vec<u8>, event: &Event, revision: Revision) {
        let (now, before) = match event.kind {
            EventKind::Put => (Some(&event.kv), event.prev.as_ref()),
            EventKind::Delete => (None, event.prev.as_ref()),
        };
        let selected = |kv: Option<&KeyValue>| kv.is_some_and(|kv| self.selects(kv));
        match (now, selected(now), before, selected(before)) {
            (Some(now), true, _, true) => self.write(out, "MODIFIED", now, revision),
            (Some(now), true, _, false) => self.write(out, "ADDED", now, revision),
            // The last state the client may see, at the revision it left.
            (_, false, Some(before), true) => self.write(out, "DELETED", before, revision),
            _ => {}
        }
    }

    fn selects(&self, kv: &KeyValue) -> bool {
        self.selection.is_everything()
            || decode_at(kv, kv.mod_revision).is_ok_and(|mut object| {
                self.kind.freshen(&mut object);
                self.selection.matches(&object)
            })
    }

    fn write(&self, out: &mut Vec<u8>, change: &str, kv: &KeyValue, revision: Revision) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(change.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        if self.format == Format::Object && self.kind.is_stored_as_served() {
            write_served(out, &kv.value, revision);
        } else {
            let object = decode_at(kv, revision).unwrap_or_default();
            out.extend_from_slice(self.form(object).to_string().as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    fn form(&self, mut object: Value) -> Value {
        self.kind.to_served(&mut object);
        match self.format {
            Format::Object => object,
            Format::Partial => table::partial(object),
            Format::Table => {
                let version = object["metadata"]["resourceVersion"].clone();
                let row = table::row(&self.kind, object, self.include);
                table::table(
                    &self.kind.columns,
                    json!({"resourceVersion": version}),
                    vec![row],
                    true,
                )
            }
        }
    }

    /// How far the stream is.
    pub(crate) fn bookmark(&self, out: &mut Vec<u8>, revision: Revision, initial_end: bool) {
        let mut metadata = json!({"resourceVersion": revision.0.to_string()});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = match self.format {
            Format::Object => json!({
                "kind": self.kind.kind,
                "apiVersion": self.kind.api_version(),
                "metadata": metadata,
            }),
            Format::Partial => json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
            }),
            Format::Table => table::table(&self.kind.columns, metadata, Vec::new(), true),
        };
        let event = json!({"type": "BOOKMARK", "object": object});
        out.extend_from_slice(event.to_string().as_bytes());
        out.push(b'\n');
    }
}

/// The stream ends because of this.
pub(super) fn error(error: &ApiError) -> Bytes {
    let event = json!({"type": "ERROR", "object": error.status().to_value()});
    format!("{event}\n").into()
}
