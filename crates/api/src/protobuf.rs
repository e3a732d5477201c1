//! Kubernetes' protobuf request bodies.
