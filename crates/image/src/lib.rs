//! OCI images on this machine: store, import, unpack, garbage collection, and build from source.
//!
//! The store holds bytes by their digest, names them in one index, and unpacks layers into
//! directories that overlayfs can stack. Everything here blocks: call it from a thread that may.
//! It does not pull from or push to registries, and knows nothing of who runs the images.

pub mod build;

mod archive;
mod blobs;
mod compression;
mod digest;
mod files;
mod gc;
mod import;
mod index;
mod lock;
mod reference;
mod scratch;
mod store;
#[cfg(test)]
mod testing;
mod unpack;

pub use blobs::NewBlob;
pub use compression::Compression;
pub use digest::{Digest, ParseDigestError};
pub use gc::Report;
pub use import::ImportError;
pub use oci_spec::image::ImageConfiguration;
pub use reference::{ParseReferenceError, Reference};
pub use store::{Image, ImageStore, Layer, NewLayer, StoreError};
pub use unpack::UnpackError;
