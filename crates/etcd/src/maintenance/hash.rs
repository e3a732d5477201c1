//! A checksum of the key space at a revision: the same for the same keys, whatever happened before.

use crc32fast::Hasher;
use store::{KeyValue, Range, ReadError, Revision, Store};

/// Keys that are copied out of the store at once.
const PAGE_KEYS: usize = 1_000;

/// The checksum of all keys at a revision.
///
/// # Errors
/// When the revision is not kept (any more), or has not happened yet.
pub(super) async fn hash_at(store: &Store, revision: Revision) -> Result<u32, ReadError> {
    let mut hasher = Hasher::new();
    let mut rest = Range::all();
    loop {
        let page = store.range(&rest, Some(revision), PAGE_KEYS)?;
        for pair in &page.entries {
            add(&mut hasher, pair);
        }
        match page.entries.last() {
            Some(last) if page.entries.len() == PAGE_KEYS => rest = rest.after(&last.key),
            _ => return Ok(hasher.finalize()),
        }
        tokio::task::yield_now().await;
    }
}

fn add(hasher: &mut Hasher, pair: &KeyValue) {
    for bytes in [&pair.key, &pair.value] {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let (created, modified) = (pair.create_revision.0, pair.mod_revision.0);
    for number in [created, modified, pair.version, pair.lease.0 as u64] {
        hasher.update(&number.to_le_bytes());
    }
}
