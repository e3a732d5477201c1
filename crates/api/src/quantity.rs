//! Being written.
/// placeholder
pub struct Quantity;
