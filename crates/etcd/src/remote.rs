//! A [`store::Store`] that is kept in an external etcd.
