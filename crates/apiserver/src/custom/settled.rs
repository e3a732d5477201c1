//! Which stored versions of a custom kind's objects are already as they are served: found out once
//! for each version, so that reading one again copies its bytes.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use store::{KeyValue, Revision};

/// So many objects are remembered; then it begins anew.
const OBJECTS_MAX: usize = 32_768;

/// What was found out, by the hashes of the keys. It is of one definition: another one begins with
/// nothing.
#[derive(Default)]
pub(super) struct Settled {
    found: Mutex<HashMap<u64, (Revision, bool)>>,
    hasher: RandomState,
}

impl Settled {
    /// Is this version so? `look` is asked for a version that was not seen before.
    pub(super) fn is(&self, kv: &KeyValue, look: impl FnOnce() -> bool) -> bool {
        let key = self.hasher.hash_one(&kv.key);
        // Two keys of one hash that were written at one revision would be taken for each other:
        // that takes one of 2^64 hashes, unknown to who chooses the keys.
        let known = |found: &HashMap<u64, (Revision, bool)>| {
            found.get(&key).filter(|(revision, _)| *revision == kv.mod_revision).map(|(_, is)| *is)
        };
        if let Some(is) = known(&self.found.lock().unwrap_or_else(PoisonError::into_inner)) {
            return is;
        }
        let is = look();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= OBJECTS_MAX && !found.contains_key(&key) {
            found.clear();
        }
        found.insert(key, (kv.mod_revision, is));
        is
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use store::LeaseId;

    use super::*;

    fn version(key: &'static str, revision: u64) -> KeyValue {
        KeyValue {
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::new(),
            create_revision: Revision(1),
            mod_revision: Revision(revision),
            version: 1,
            lease: LeaseId::NONE,
        }
    }

    #[test]
    fn each_version_is_looked_at_once() {
        let settled = Settled::default();
        let never = || -> bool { panic!("it was looked at before") };
        assert!(settled.is(&version("a", 7), || true));
        assert!(settled.is(&version("a", 7), never));
        assert!(!settled.is(&version("b", 7), || false));
        assert!(!settled.is(&version("b", 7), never));
        assert!(!settled.is(&version("a", 8), || false), "a new version is another matter");
        assert!(!settled.is(&version("a", 8), never));
    }
}
