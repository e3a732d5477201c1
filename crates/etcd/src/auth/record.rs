//! Where users and roles are kept: a record of the store, beside the key space.

use bytes::Bytes;
use store::{Store, WriteError};

/// Its name.
const NAME: &str = "etcd/auth";

/// The record, if there ever was a change.
pub(super) fn read(store: &Store) -> Option<Bytes> {
    store.record(NAME)
}

/// Keeps a record instead of the one before.
pub(super) async fn write(store: &Store, record: Bytes) -> Result<(), WriteError> {
    store.put_record(NAME, Some(record)).await
}
