//! JSON patch (RFC 6902), with the bounds and the error texts of the Kubernetes API.
//!
//! The operations are the json-patch crate's, one by one; around them stand what bounds the
//! result (a patch of copies can double a document with each operation) and the words in
//! which upstream says why an operation does not apply.

use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde::Deserialize as _;
use serde_json::Value;

mod explain;

use super::depth::{DEPTH_MAX, depth};
use crate::go;
use explain::{Place, name};

/// The most operations one patch may hold.
pub const OPERATIONS_MAX: usize = 10_000;

/// How much all copies of one patch may add, in bytes of JSON: the largest request body.
pub const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Why a JSON patch was not applied. [`JsonPatchError::code`] is the HTTP status.
#[derive(Debug, thiserror::Error)]
pub enum JsonPatchError {
    /// Not a list of operations.
    #[error("{0}")]
    Malformed(String),
    /// Too many operations.
    #[error("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {0}")]
    TooManyOperations(usize),
    /// Copies would make the document too large.
    #[error(
        "Unable to complete the copy, the accumulated size increase of copy is {0}, exceeding \
         the limit {COPIED_BYTES_MAX}"
    )]
    TooMuchCopied(usize),
    /// The document would nest too deep to be read again.
    #[error("{operation} operation does not apply: {path} nests deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// The operation's name.
        operation: &'static str,
        /// Where it puts its value.
        path: String,
    },
    /// A test found something else.
    #[error("{0}")]
    TestFailed(String),
    /// An operation does not fit the document.
    #[error("{0}")]
    DoesNotApply(String),
}

impl JsonPatchError {
    /// The HTTP status.
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooManyOperations(_) => 413,
            Self::TooMuchCopied(_)
            | Self::TooDeep { .. }
            | Self::TestFailed(_)
            | Self::DoesNotApply(_) => 422,
        }
    }
}

/// Applies the operations of `patch` to `document`; after an error the document is as it was.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), JsonPatchError> {
    if patch.is_null() {
        return Ok(());
    }
    let operations = operations(patch)?;
    let mut patched = document.clone();
    let mut bounds = Bounds { deepest: depth(&patched), copied: 0 };
    for operation in operations {
        let Some(operation) = as_upstream_reads_it(&patched, operation) else { continue };
        bounds.check(&patched, &operation)?;
        // A move that fails has already taken its value away, so it is explained beforehand.
        let moves = matches!(operation, PatchOperation::Move(_));
        let why = moves.then(|| explain::why(&patched, &operation));
        // All is done on a copy, so there is nothing to undo.
        if json_patch::patch_unsafe(&mut patched, std::slice::from_ref(&operation)).is_err() {
            let why = why.unwrap_or_else(|| explain::why(&patched, &operation));
            return Err(match why.ends_with(explain::TEST_FAILED) {
                true => JsonPatchError::TestFailed(why),
                false => JsonPatchError::DoesNotApply(why),
            });
        }
    }
    *document = patched;
    Ok(())
}

fn operations(patch: &Value) -> Result<Vec<PatchOperation>, JsonPatchError> {
    let Value::Array(operations) = patch else {
        let found = go::type_name(patch);
        return Err(undecodable(&format!("{found} into Go value of type []handlers.jsonPatchOp")));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(JsonPatchError::TooManyOperations(operations.len()));
    }
    operations.iter().map(operation).collect()
}

fn undecodable(what: &str) -> JsonPatchError {
    JsonPatchError::Malformed(format!("error decoding patch: json: cannot unmarshal {what}"))
}

/// One operation; the errors are upstream's, as far as it has words for them.
fn operation(operation: &Value) -> Result<PatchOperation, JsonPatchError> {
    let Value::Object(fields) = operation else {
        let found = go::type_name(operation);
        return Err(undecodable(&format!("{found} into Go value of type handlers.jsonPatchOp")));
    };
    if let Some(other) = fields.get("op").filter(|op| !op.is_string()) {
        let found = go::type_name(other);
        let what = format!("{found} into Go struct field jsonPatchOp.op of type string");
        return Err(undecodable(&what));
    }
    let refuse = |why: String| {
        Err(JsonPatchError::Malformed(format!("invalid operation {operation}: {why}")))
    };
    let missing = |field: &str, of: &str| {
        refuse(format!(
            "failed to decode '{field}': operation{of} missing {field} field: missing value"
        ))
    };
    let needs: &[(&str, &str)] = match fields.get("op").and_then(Value::as_str) {
        Some("add" | "replace") => &[("path", ""), ("value", ",")],
        Some("move" | "copy") => &[("from", ","), ("path", "")],
        Some("remove" | "test") => &[("path", "")],
        _ => return refuse("unsupported operation".to_owned()),
    };
    if let Some((field, of)) = needs.iter().find(|(field, _)| !fields.contains_key(*field)) {
        return missing(field, of);
    }
    PatchOperation::deserialize(operation).or_else(|error| refuse(error.to_string()))
}

/// Upstream is more lenient than the RFC where the object is there and only the key is missing:
/// a replace then adds, and a test for null passes (`None`: there is nothing to do).
fn as_upstream_reads_it(document: &Value, operation: PatchOperation) -> Option<PatchOperation> {
    let absent = matches!(explain::place(document, operation.path()), Place::Field(false));
    match from_the_end(document, operation) {
        PatchOperation::Test(test) if absent && test.value.is_null() => None,
        PatchOperation::Replace(ReplaceOperation { path, value }) if absent => {
            Some(PatchOperation::Add(AddOperation { path, value }))
        }
        other => Some(other),
    }
}

/// An index below zero counts from the end of a list; `add` counts from behind it.
fn from_the_end(document: &Value, operation: PatchOperation) -> PatchOperation {
    let counted = |path: &Pointer, behind: usize| {
        let (parent, last) = path.split_back()?;
        let items = document.pointer(parent.as_str())?.as_array()?.len() + behind;
        let back: usize = last.decoded().strip_prefix('-')?.parse().ok()?;
        let index = items.checked_sub(back).filter(|_| back > 0)?;
        Some(parent.with_trailing_token(index))
    };
    match operation {
        PatchOperation::Add(mut add) => {
            add.path = counted(&add.path, 1).unwrap_or(add.path);
            PatchOperation::Add(add)
        }
        PatchOperation::Remove(mut remove) => {
            remove.path = counted(&remove.path, 0).unwrap_or(remove.path);
            PatchOperation::Remove(remove)
        }
        PatchOperation::Replace(mut replace) => {
            replace.path = counted(&replace.path, 0).unwrap_or(replace.path);
            PatchOperation::Replace(replace)
        }
        PatchOperation::Test(mut test) => {
            test.path = counted(&test.path, 0).unwrap_or(test.path);
            PatchOperation::Test(test)
        }
        other => other,
    }
}

/// What a patch may not exceed.
struct Bounds {
    /// No value lies deeper. Kept by arithmetic, so it may be too high: measured anew when it is.
    deepest: usize,
    /// What the copies so far have added.
    copied: usize,
}

impl Bounds {
    /// Refuses an operation that would make the document too deep, or copies of it too large.
    fn check(
        &mut self,
        document: &Value,
        operation: &PatchOperation,
    ) -> Result<(), JsonPatchError> {
        if let PatchOperation::Copy(copy) = operation {
            let source = document.pointer(copy.from.as_str());
            self.copied += source.map_or(0, |value| value.to_string().len());
            if self.copied > COPIED_BYTES_MAX {
                return Err(JsonPatchError::TooMuchCopied(self.copied));
            }
        }
        let mut deepest = self.deepest_after(operation);
        if deepest > DEPTH_MAX {
            self.deepest = depth(document);
            deepest = self.deepest_after(operation);
        }
        if deepest > DEPTH_MAX {
            let path = operation.path().to_string();
            return Err(JsonPatchError::TooDeep { operation: name(operation), path });
        }
        self.deepest = deepest;
        Ok(())
    }

    fn deepest_after(&self, operation: &PatchOperation) -> usize {
        let moved = |from: usize| self.deepest.saturating_sub(from);
        let below = match operation {
            PatchOperation::Add(add) => depth(&add.value),
            PatchOperation::Replace(replace) => depth(&replace.value),
            PatchOperation::Move(from) => moved(from.from.count()),
            PatchOperation::Copy(from) => moved(from.from.count()),
            PatchOperation::Remove(_) | PatchOperation::Test(_) => return self.deepest,
        };
        self.deepest.max(operation.path().count() + below)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(document: Value, patch: Value, expected: Value) {
        let mut patched = document;
        apply(&mut patched, &patch).unwrap();
        assert_eq!(patched, expected);
    }

    #[track_caller]
    fn check_error(patch: Value, code: u16, text: &str) {
        let before = json!({"a": {"b": [1, 2]}, "n": null});
        let mut document = before.clone();
        let error = apply(&mut document, &patch).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, text));
        assert_eq!(document, before);
    }

    #[test]
    fn every_operation_does_what_the_rfc_says() {
        let list = || json!({"a": [1, 2], "b": {"c/d": "x"}});
        check(
            list(),
            json!([{"op": "add", "path": "/a/1", "value": 9}]),
            json!({"a": [1, 9, 2], "b": {"c/d": "x"}}),
        );
        check(
            list(),
            json!([{"op": "add", "path": "/a/-", "value": 9}]),
            json!({"a": [1, 2, 9], "b": {"c/d": "x"}}),
        );
        check(list(), json!([{"op": "remove", "path": "/b/c~1d"}]), json!({"a": [1, 2], "b": {}}));
        check(
            list(),
            json!([{"op": "replace", "path": "/b", "value": 1}]),
            json!({"a": [1, 2], "b": 1}),
        );
        check(
            list(),
            json!([{"op": "move", "from": "/a/0", "path": "/c"}]),
            json!({"a": [2], "b": {"c/d": "x"}, "c": 1}),
        );
        check(
            list(),
            json!([{"op": "copy", "from": "/a", "path": "/b/e"}]),
            json!({"a": [1, 2], "b": {"c/d": "x", "e": [1, 2]}}),
        );
        check(list(), json!([{"op": "test", "path": "/a", "value": [1, 2]}]), list());
        check(list(), json!([]), list());
    }

    #[test]
    fn a_missing_key_is_null_to_a_test_and_room_to_a_replace() {
        check(json!({}), json!([{"op": "test", "path": "/x", "value": null}]), json!({}));
        check(json!({}), json!([{"op": "replace", "path": "/x", "value": 1}]), json!({"x": 1}));
    }

    /// The texts are those that kubectl 1.32 prints for the same patches.
    #[test]
    fn what_does_not_apply_is_said_in_upstreams_words() {
        let check = |operation: Value, text: &str| check_error(json!([operation]), 422, text);
        let at = |op: &str, path: &str| json!({"op": op, "path": path, "value": 1});
        let from = |op: &str, from: &str, path: &str| json!({"op": op, "from": from, "path": path});
        check(at("test", "/a/b"), "testing value /a/b failed: test failed");
        check(at("test", "/a/x"), "testing value /a/x failed: test failed");
        check(
            at("test", "/x/y"),
            "test operation does not apply: is missing path: /x/y: missing value",
        );
        check(
            at("remove", "/a/x"),
            "error in remove for path: '/a/x': Unable to remove nonexistent key: x: missing value",
        );
        check(
            at("remove", "/a/b/7"),
            "error in remove for path: '/a/b/7': Unable to access invalid index: 7: invalid index \
             referenced",
        );
        check(
            at("remove", "/x/y"),
            "remove operation does not apply: doc is missing path: \"/x/y\": missing value",
        );
        check(
            at("replace", "/x/y"),
            "replace operation does not apply: doc is missing path: /x/y: missing value",
        );
        check(
            at("replace", "/a/b/7"),
            "replace operation does not apply: doc is missing key: /a/b/7: missing value",
        );
        check(
            at("add", "/x/y"),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        );
        check(
            at("add", "/a/b/7"),
            "error in add for path: '/a/b/7': Unable to access invalid index: 7: invalid index \
             referenced",
        );
        check(
            at("add", "/a/b/x"),
            "error in add for path: '/a/b/x': value was not a proper array index: 'x': \
             strconv.Atoi: parsing \"x\": invalid syntax",
        );
        check(
            from("move", "/a/x", "/y"),
            "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
        );
        check(
            from("move", "/x/y", "/y"),
            "move operation does not apply: doc is missing from path: /x/y: missing value",
        );
        check(
            from("copy", "/x/y", "/y"),
            "copy operation does not apply: doc is missing from path: /x/y: missing value",
        );
        check(
            from("copy", "/a", "/x/y"),
            "copy operation does not apply: doc is missing destination path: /x/y: missing value",
        );
        check(
            from("move", "/a", "/x/y"),
            "move operation does not apply: doc is missing destination path: /x/y: missing value",
        );
        check(
            from("move", "/a", "/a/x"),
            "move operation does not apply: doc is missing destination path: /a/x: missing value",
        );
    }

    #[test]
    fn an_error_undoes_the_operations_before_it() {
        check_error(
            json!([{"op": "remove", "path": "/a"}, {"op": "test", "path": "/n", "value": 1}]),
            422,
            "testing value /n failed: test failed",
        );
    }

    #[test]
    fn an_index_below_zero_counts_from_the_end() {
        let list = || json!({"a": [1, 2]});
        let at = |op: &str, path: &str| json!([{"op": op, "path": path, "value": 3}]);
        check(list(), at("add", "/a/-1"), json!({"a": [1, 2, 3]}));
        check(list(), at("add", "/a/-2"), json!({"a": [1, 3, 2]}));
        check(list(), at("replace", "/a/-1"), json!({"a": [1, 3]}));
        check(list(), at("remove", "/a/-2"), json!({"a": [2]}));
        check(list(), json!(null), list());
    }

    #[test]
    fn what_is_no_patch_is_told() {
        check_error(
            json!({"op": "add"}),
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type \
             []handlers.jsonPatchOp",
        );
        for odd in [
            json!([1]),
            json!([{"op": "take", "path": ""}]),
            json!([{"op": "add", "path": "a", "value": 1}]),
        ] {
            let error = apply(&mut json!({}), &odd).unwrap_err();
            assert_eq!(error.code(), 400, "{error}");
        }
    }

    #[test]
    fn more_operations_than_ten_thousand_are_too_many() {
        let test = json!({"op": "test", "path": "/n", "value": null});
        let mut document = json!({"n": null});
        apply(&mut document, &Value::from(vec![test.clone(); OPERATIONS_MAX])).unwrap();
        check_error(
            Value::from(vec![test; OPERATIONS_MAX + 1]),
            413,
            "The allowed maximum operations in a JSON patch is 10000, got 10001",
        );
    }

    #[test]
    fn copies_of_copies_are_stopped_by_size_and_depth() {
        let double = |n: usize| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")});
        let wide = json!([{"op": "add", "path": "/a", "value": {"x": "y".repeat(100_000)}}]);
        let mut document = json!({});
        apply(&mut document, &wide).unwrap();
        let error = apply(&mut document, &(0..10).map(double).collect()).unwrap_err();
        assert!(matches!(error, JsonPatchError::TooMuchCopied(_)), "{error}");
        let deeper = json!({"op": "copy", "from": "/a", "path": "/a/a"});
        let error = apply(&mut json!({"a": {}}), &Value::from(vec![deeper; 5000])).unwrap_err();
        assert!(matches!(error, JsonPatchError::TooDeep { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_patch_leaves_a_document_that_can_be_read_again(
            operations in proptest::collection::vec(
                ("add|copy|move|remove|replace|test", "(/[ab0-]){0,4}", "(/[ab0-]){0,3}"), 0..40,
            ),
        ) {
            let operations = operations.into_iter().map(|(op, path, from)| {
                json!({"op": op, "path": path, "from": from, "value": {"a": [{"b": 1}]}})
            });
            let mut document = json!({"a": {"b": [0, {}]}, "b": {}});
            for operation in operations {
                let _ = apply(&mut document, &json!([operation]));
            }
            prop_assert!(depth(&document) <= DEPTH_MAX);
        }
    }
}
