//! The Cluster service: one member, which is all there is.
