//! Why an operation does not apply, as upstream's library (evanphx/json-patch 4) says it.

use json_patch::PatchOperation;
use json_patch::jsonptr::Pointer;
use serde_json::Value;

/// How the reason of a test that found something else ends.
pub(super) const TEST_FAILED: &str = ": test failed";

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not even the last step's parent is there, or it holds nothing.
    Nowhere,
    /// A field of an object; is it there?
    Field(bool),
    /// A place in a list.
    Item,
}

pub(super) fn place(document: &Value, path: &Pointer) -> Place {
    let Some((parent, last)) = path.split_back() else { return Place::Nowhere };
    match document.pointer(parent.as_str()) {
        Some(Value::Object(fields)) => Place::Field(fields.contains_key(last.decoded().as_ref())),
        Some(Value::Array(_)) => Place::Item,
        _ => Place::Nowhere,
    }
}

pub(super) fn name(operation: &PatchOperation) -> &'static str {
    match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    }
}

/// Why `operation`, which failed, failed.
pub(super) fn why(document: &Value, operation: &PatchOperation) -> String {
    let (name, path) = (name(operation), operation.path());
    let lost = |what: String| format!("{name} operation does not apply: {what}: missing value");
    match (operation, place(document, path)) {
        (PatchOperation::Test(_), Place::Nowhere) => lost(format!("is missing path: {path}")),
        (PatchOperation::Test(_), _) => format!("testing value {path} failed{TEST_FAILED}"),
        (PatchOperation::Replace(_), Place::Nowhere) => {
            lost(format!("doc is missing path: {path}"))
        }
        (PatchOperation::Replace(_), _) => lost(format!("doc is missing key: {path}")),
        (PatchOperation::Add(_) | PatchOperation::Remove(_), Place::Nowhere) => {
            lost(format!("doc is missing path: \"{path}\""))
        }
        (PatchOperation::Add(_) | PatchOperation::Remove(_), place) => {
            format!("error in {name} for path: '{path}': {}", not_there(path, place))
        }
        (PatchOperation::Move(op), _) => why_moved(document, name, &op.from, path),
        (PatchOperation::Copy(op), _) => why_moved(document, name, &op.from, path),
    }
}

fn why_moved(document: &Value, name: &str, from: &Pointer, path: &Pointer) -> String {
    let lost = |what: String| format!("{name} operation does not apply: {what}: missing value");
    if document.pointer(from.as_str()).is_some() {
        return lost(format!("doc is missing destination path: {path}"));
    }
    match place(document, from) {
        place @ (Place::Field(_) | Place::Item) if name == "move" => {
            format!("error in move for path: '{}': {}", last(from), not_there(from, place))
        }
        _ => lost(format!("doc is missing from path: {from}")),
    }
}

fn not_there(path: &Pointer, place: Place) -> String {
    let last = last(path);
    match (place, last.parse::<i64>()) {
        (Place::Item, Ok(index)) => {
            format!("Unable to access invalid index: {index}: invalid index referenced")
        }
        (Place::Item, Err(_)) => format!(
            "value was not a proper array index: '{last}': strconv.Atoi: parsing {last:?}: \
             invalid syntax"
        ),
        _ => format!("Unable to remove nonexistent key: {last}: missing value"),
    }
}

fn last(path: &Pointer) -> String {
    path.split_back().map(|(_, last)| last.decoded().into_owned()).unwrap_or_default()
}
