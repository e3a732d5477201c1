//! Custom kinds: what the schemas of CustomResourceDefinitions do with objects.
//!
//! A [`Schema`] prunes, fills in defaults and validates as upstream's structural schemas do.
//! Rules in CEL are not evaluated here. What a definition itself must be is in
//! `validation::definition`.

mod compose;
mod default;
mod format;
mod json_path;
mod lists;
mod prune;
mod ratchet;
mod schema;
mod shape;
mod value;

pub use format::is_known as is_known_format;
pub use json_path::{JsonPath, JsonPathError};
pub use schema::{Additional, Schema};
