//! Custom kinds: what the schemas of CustomResourceDefinitions do with objects.
//!
//! A [`Schema`] prunes, fills in defaults and validates as upstream's structural schemas do.
//! [`Rules`] are what it says in CEL, compiled. What a definition itself must be is in
//! `validation::definition`.

mod compose;
mod declare;
mod default;
mod format;
mod json_path;
mod lists;
mod prune;
mod ratchet;
mod rules;
mod schema;
mod shape;
mod value;

pub(crate) use format::fits_text as fits_format;
pub use format::is_known as is_known_format;
pub use json_path::{JsonPath, JsonPathError};
pub(crate) use rules::{Costs, REQUEST_BYTES_MAX, Unusable, part_of, property};
pub use rules::{Rules, Verdict};
pub use schema::{Additional, Rule, Schema};
