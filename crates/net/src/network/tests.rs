//! The engine against the kernel, in namespaces of its own. These need root.

mod balancing;
mod lifecycle;
mod reach;
