//! Objects that were converted lately, so that the watchers of a kind ask once for all of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use store::{KeyValue, Revision};

/// Converted objects together; the oldest go.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// What an entry takes beside its object and its key.
const OVERHEAD: usize = 160;

/// A version of an object, in one version of its kind.
type Id = (Bytes, Revision);

#[derive(Default)]
pub(super) struct Cache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    converted: HashMap<Id, Bytes>,
    /// The oldest first.
    order: VecDeque<Id>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, kv: &KeyValue) -> Option<Bytes> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.converted.get(&id(kv)).cloned()
    }

    /// Keeps what an object is in this version; `kv` has that for a value.
    pub(super) fn put(&self, kv: &KeyValue) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.converted.insert(id(kv), kv.value.clone()).is_some() {
            return;
        }
        entries.order.push_back(id(kv));
        entries.bytes += size(&kv.key, &kv.value);
        while entries.bytes > BYTES_MAX {
            let Some(oldest) = entries.order.pop_front() else { return };
            if let Some(value) = entries.converted.remove(&oldest) {
                entries.bytes -= size(&oldest.0, &value);
            }
        }
    }
}

fn id(kv: &KeyValue) -> Id {
    (kv.key.clone(), kv.mod_revision)
}

fn size(key: &Bytes, value: &Bytes) -> usize {
    OVERHEAD + key.len() + value.len()
}

#[cfg(test)]
mod tests {
    use store::LeaseId;

    use super::*;

    fn kv(name: &str, revision: u64, len: usize) -> KeyValue {
        KeyValue {
            key: name.to_owned().into(),
            value: vec![b'x'; len].into(),
            create_revision: Revision(1),
            mod_revision: Revision(revision),
            version: 1,
            lease: LeaseId::NONE,
        }
    }

    #[test]
    fn each_version_of_an_object_is_another() {
        let cache = Cache::default();
        cache.put(&kv("a", 5, 3));
        assert_eq!(cache.get(&kv("a", 5, 0)).map(|bytes| bytes.len()), Some(3));
        assert_eq!(cache.get(&kv("a", 6, 0)), None);
        assert_eq!(cache.get(&kv("b", 5, 0)), None);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let cache = Cache::default();
        for revision in 0..9 {
            cache.put(&kv("a", revision, BYTES_MAX / 4));
        }
        let kept: Vec<u64> = (0..9).filter(|at| cache.get(&kv("a", *at, 0)).is_some()).collect();
        assert_eq!(kept, [6, 7, 8]);
    }
}
