//! Selectors: of objects by their labels, and by a few of their fields.

pub mod field;
pub mod label;

pub use field::FieldSelector;
pub use label::LabelSelector;
