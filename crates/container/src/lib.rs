//! Containers: one shim per pod, made by libcontainer. The only user of libcontainer.
