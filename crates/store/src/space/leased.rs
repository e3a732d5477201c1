//! Which keys go with which lease.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{KeyValue, LeaseId};

#[derive(Default)]
pub(super) struct Leased(BTreeMap<LeaseId, BTreeSet<Bytes>>);

impl Leased {
    pub fn keys(&self, lease: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.0.get(&lease).into_iter().flatten()
    }

    /// A key was set or deleted; a deleted one has no lease.
    pub fn changed(&mut self, prev: Option<&KeyValue>, now: &KeyValue) {
        let before = prev.map_or(LeaseId::NONE, |prev| prev.lease);
        if before == now.lease {
            return;
        }
        if let Some(keys) = self.0.get_mut(&before) {
            keys.remove(&now.key);
            if keys.is_empty() {
                self.0.remove(&before);
            }
        }
        self.attach(now);
    }

    fn attach(&mut self, kv: &KeyValue) {
        if kv.lease != LeaseId::NONE {
            self.0.entry(kv.lease).or_default().insert(kv.key.clone());
        }
    }
}

impl<'a> FromIterator<&'a KeyValue> for Leased {
    fn from_iter<T: IntoIterator<Item = &'a KeyValue>>(entries: T) -> Leased {
        let mut leased = Leased::default();
        entries.into_iter().for_each(|kv| leased.attach(kv));
        leased
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn kv(key: &'static str, lease: i64) -> KeyValue {
        let lease = LeaseId(lease);
        KeyValue { version: 1, lease, ..KeyValue::deleted(key.into(), Revision(2)) }
    }

    fn check(leased: &Leased, lease: i64, expected: &[&str]) {
        let keys: Vec<_> = leased.keys(LeaseId(lease)).collect();
        assert_eq!(keys, expected, "of {lease}");
    }

    #[test]
    fn keys_move_between_leases_and_leave_nothing_behind() {
        let mut leased: Leased = [&kv("a", 1), &kv("b", 1), &kv("c", 0)].into_iter().collect();
        check(&leased, 1, &["a", "b"]);
        leased.changed(Some(&kv("a", 1)), &kv("a", 2));
        leased.changed(None, &kv("d", 2));
        check(&leased, 1, &["b"]);
        check(&leased, 2, &["a", "d"]);
        leased.changed(Some(&kv("b", 1)), &kv("b", 0));
        check(&leased, 1, &[]);
        for key in ["a", "d"] {
            leased.changed(Some(&kv(key, 2)), &KeyValue::deleted(key.into(), Revision(3)));
        }
        assert!(leased.0.is_empty());
    }
}
