//! Stored versions in the form a client wants: copied where the stored bytes are that already, made
//! where they are not.

use serde_json::{Value, json};
use store::{KeyValue, Revision};

use crate::kinds::Kind;
use crate::negotiate::Format;
use crate::object::{self, decode_at, write_partial, write_served};
use crate::options::IncludeObject;
use crate::table::{self, Shown};

/// What one client wants of each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) format: Format,
    /// What a Table's row carries.
    pub(crate) include: IncludeObject,
    /// Does a Table name its columns? Those of a watch do it once.
    pub(crate) headed: bool,
}

impl Form {
    /// Appends a version as an item of a list.
    pub(crate) fn write_item(
        self,
        out: &mut Vec<u8>,
        kind: &Kind,
        kv: &KeyValue,
    ) -> Result<(), serde_json::Error> {
        self.write(out, kind, (kv, kv.mod_revision), Self::item)
    }

    /// Appends a version as it stands alone, at a revision of its own or a later one.
    pub(crate) fn write_alone(
        self,
        out: &mut Vec<u8>,
        kind: &Kind,
        kv: &KeyValue,
        revision: Revision,
    ) -> Result<(), serde_json::Error> {
        self.write(out, kind, (kv, revision), Self::alone)
    }

    fn write(
        self,
        out: &mut Vec<u8>,
        kind: &Kind,
        (kv, revision): (&KeyValue, Revision),
        made: fn(Self, &Kind, Value) -> Value,
    ) -> Result<(), serde_json::Error> {
        match self.format {
            Format::Object if kind.is_stored_as_served(kv) => {
                write_served(out, &kv.value, revision);
                Ok(())
            }
            Format::Partial if kind.is_stored_as_served(kv) => {
                write_partial(out, &kv.value, revision)
            }
            _ => {
                let mut object = decode_at(kv, revision)?;
                kind.to_served(&mut object);
                serde_json::to_writer(out, &made(self, kind, object))
            }
        }
    }

    /// An object in its served form, as an item of a list.
    fn item(self, kind: &Kind, object: Value) -> Value {
        match self.format {
            Format::Object => object,
            Format::Partial => table::partial(object),
            Format::Table => table::row(kind, object, self.include),
        }
    }

    /// The columns that a Table of it names.
    pub(crate) fn shown(self, kind: &Kind) -> Option<Shown<'_>> {
        self.headed.then(|| kind.shown())
    }

    /// The same alone.
    pub(crate) fn alone(self, kind: &Kind, object: Value) -> Value {
        if self.format != Format::Table {
            return self.item(kind, object);
        }
        let metadata = json!({"resourceVersion": object::meta(&object, "resourceVersion")});
        table::table(self.shown(kind), metadata, vec![self.item(kind, object)])
    }
}
