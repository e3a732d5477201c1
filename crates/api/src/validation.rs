//! Being written.
/// placeholder
pub struct FieldError;
