//! What can be done with objects: one file each.

pub(crate) mod admission;
pub(crate) mod continuation;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_collection;
pub(crate) mod delete_options;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod list_options;
pub(crate) mod mutate;
pub(crate) mod patch;
pub(crate) mod update;
pub(crate) mod watch;

use bytes::Bytes;
use serde_json::Value;
use store::Revision;

/// What a write has made.
pub(crate) struct Made {
    /// In stored form, with its resourceVersion.
    pub(crate) object: Value,
    /// The bytes that it is stored as, and since when; a dry run stores none.
    pub(crate) stored: Option<(Bytes, Revision)>,
}

/// A write that keeps being overtaken gives up after so many attempts.
pub(crate) const ATTEMPTS_MAX: usize = 64;

/// Now, as metadata has it: RFC 3339, whole seconds, UTC.
pub(crate) fn now() -> String {
    rfc3339(jiff::Timestamp::now().as_second())
}

/// A second of the epoch as metadata has it.
pub(crate) fn rfc3339(second: i64) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
