//! Where users and roles are kept: a record of the store, beside the key space.

use bytes::Bytes;
use prost::DecodeError;
use store::{Store, WriteError};

use super::Accounts;

/// Its name.
const NAME: &str = "etcd/auth";

/// The users and roles in a store.
///
/// # Errors
/// When the record is damaged.
pub(super) fn read(store: &Store) -> Result<Accounts, DecodeError> {
    decode(store.record(NAME))
}

/// The users and roles among exported records.
///
/// # Errors
/// When the record is damaged.
pub(crate) fn accounts_among(records: &[(String, Bytes)]) -> Result<Accounts, DecodeError> {
    let found = records.iter().find(|(name, _)| name == NAME);
    decode(found.map(|(_, record)| record.clone()))
}

/// Keeps a record instead of the one before.
pub(super) async fn write(store: &Store, record: Bytes) -> Result<(), WriteError> {
    store.put_record(NAME, Some(record)).await
}

/// Where nothing was ever changed, there is no record.
fn decode(record: Option<Bytes>) -> Result<Accounts, DecodeError> {
    record.map_or_else(|| Ok(Accounts::default()), Accounts::decode)
}
