//! Whole bodies: an object, a list of objects, an event of a watch.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::encode::{delimited, message, wrapped};
use super::table::{MessageId, Table};
use super::{MAGIC, ProtobufError};
use crate::gvk::Gvk;

/// Are there messages for objects of this kind?
pub fn is_known(gvk: &Gvk) -> bool {
    Table::get().root(gvk).is_some()
}

/// An object or a list, as JSON has it, as a protobuf body. The items of a list are read one by
/// one: all together they may be large.
pub fn from_json(json: &[u8]) -> Result<Vec<u8>, ProtobufError> {
    let unreadable = |error: serde_json::Error| ProtobufError::Unfit(error.to_string());
    let mut head: Head<'_> = serde_json::from_slice(json).map_err(unreadable)?;
    let gvk = match head.api_version.as_str() {
        // Lists of groups and versions are of none.
        "" => Gvk::new("", "", &*head.kind),
        version => Gvk::from_api_version(version, &head.kind)
            .map_err(|error| ProtobufError::Unfit(error.to_string()))?,
    };
    if let Some(id) = Table::get().root(&gvk) {
        let object: Value = serde_json::from_slice(json).map_err(unreadable)?;
        return Ok(envelope(&head, &message(id, &object)?));
    }
    let item = item(&gvk).ok_or_else(|| ProtobufError::UnknownType(gvk.clone()))?;
    let mut raw = Vec::new();
    let metadata = Table::get().named("meta.v1.ListMeta").expect("fields.txt has ListMeta");
    delimited(&mut raw, 1, &message(metadata, &head.metadata.take().unwrap_or_default())?);
    for text in head.items.take().unwrap_or_default() {
        let object: Value = serde_json::from_str(text.get()).map_err(unreadable)?;
        delimited(&mut raw, 2, &message(item, &object)?);
    }
    Ok(envelope(&head, &raw))
}

/// What happened to an object of a watch, whose body this is.
pub fn watch_event(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    delimited(&mut out, 1, kind.as_bytes());
    delimited(&mut out, 2, &wrapped(body));
    out
}

/// The message of the items of a list. All lists look the same.
fn item(list: &Gvk) -> Option<MessageId> {
    let kind = list.kind.strip_suffix("List")?;
    Table::get().root(&Gvk::new(&list.group, &list.version, kind))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(default)]
    api_version: String,
    kind: String,
    metadata: Option<Value>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// `runtime.Unknown` around a message.
fn envelope(head: &Head<'_>, raw: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    delimited(&mut types, 1, head.api_version.as_bytes());
    delimited(&mut types, 2, head.kind.as_bytes());
    let mut out = MAGIC.to_vec();
    delimited(&mut out, 1, &types);
    delimited(&mut out, 2, raw);
    // The encoding and the type of the content: none is named, as upstream does.
    delimited(&mut out, 3, b"");
    delimited(&mut out, 4, b"");
    out
}
