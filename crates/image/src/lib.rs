//! OCI images: store, import, unpack, garbage collection, and build from source.
