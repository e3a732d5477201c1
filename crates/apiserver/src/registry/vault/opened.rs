//! Versions that were opened a moment ago: a change is opened once, not once for each watcher.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use store::{KeyValue, Revision};

/// So many versions are kept; those of the same place displace each other.
const PLACES: usize = 64;
/// Larger values are opened each time, so that all take 4 MiB at most.
const VALUE_BYTES_MAX: usize = 64 << 10;

struct Version {
    key: Bytes,
    revision: Revision,
    plain: Bytes,
}

pub(super) struct Opened(Vec<Mutex<Option<Version>>>);

impl Default for Opened {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

impl Opened {
    /// The plain value of this version.
    pub(super) fn find(&self, kv: &KeyValue) -> Option<Bytes> {
        let place = self.place(kv).lock().unwrap_or_else(PoisonError::into_inner);
        let version = place.as_ref()?;
        (version.revision == kv.mod_revision && version.key == kv.key)
            .then(|| version.plain.clone())
    }

    /// Keeps a version whose value is plain.
    pub(super) fn keep(&self, kv: &KeyValue) {
        if kv.value.len() > VALUE_BYTES_MAX {
            return;
        }
        let version =
            Version { key: kv.key.clone(), revision: kv.mod_revision, plain: kv.value.clone() };
        *self.place(kv).lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }

    fn place(&self, kv: &KeyValue) -> &Mutex<Option<Version>> {
        let mut hasher = DefaultHasher::new();
        (&kv.key, kv.mod_revision).hash(&mut hasher);
        let place = hasher.finish() % PLACES as u64;
        &self.0[usize::try_from(place).expect("less than PLACES")]
    }
}

#[cfg(test)]
mod tests {
    use store::LeaseId;

    use super::*;

    fn version(key: &'static str, revision: u64, bytes: usize) -> KeyValue {
        KeyValue {
            key: Bytes::from_static(key.as_bytes()),
            value: vec![b'x'; bytes].into(),
            create_revision: Revision(1),
            mod_revision: Revision(revision),
            version: 1,
            lease: LeaseId::NONE,
        }
    }

    #[test]
    fn a_version_is_found_and_no_other() {
        let opened = Opened::default();
        opened.keep(&version("a", 5, 3));
        assert_eq!(opened.find(&version("a", 5, 0)).unwrap().len(), 3);
        assert!(opened.find(&version("a", 6, 0)).is_none());
        assert!(opened.find(&version("b", 5, 0)).is_none());
    }

    #[test]
    fn large_values_are_not_kept() {
        let opened = Opened::default();
        opened.keep(&version("a", 5, VALUE_BYTES_MAX + 1));
        assert!(opened.find(&version("a", 5, 0)).is_none());
    }
}
