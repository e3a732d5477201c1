//! A condition on what is stored.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::{KeyValue, LeaseId, Range, Revision};

/// What of a key a compare looks at. Of a key that is not there, the numbers are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// How many times it was written since it was created.
    Version(u64),
    /// The revision that created it.
    CreateRevision(Revision),
    /// The revision that wrote it last.
    ModRevision(Revision),
    /// Its value; a key that is not there has none, and no relation to one holds.
    Value(Bytes),
    /// The lease it is attached to.
    Lease(LeaseId),
}

/// How what is stored must relate to the [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Stored and given are the same.
    Equal,
    /// They differ.
    NotEqual,
    /// The stored one is the greater.
    Greater,
    /// The stored one is the less.
    Less,
}

/// A condition on every key of a range. A range without keys is looked at as one key that is not
/// there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The keys.
    pub range: Range,
    /// What the stored must relate to.
    pub target: Target,
    /// How.
    pub relation: Relation,
}

impl Compare {
    /// Any condition on one key; the others here are short for one with [`Relation::Equal`].
    pub fn new(key: impl Into<Bytes>, target: Target, relation: Relation) -> Compare {
        Compare::over(Range::key(key), target, relation)
    }

    /// Any condition on a range.
    pub fn over(range: Range, target: Target, relation: Relation) -> Compare {
        Compare { range, target, relation }
    }

    /// The key was last written by `revision`.
    pub fn mod_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare::new(key, Target::ModRevision(revision), Relation::Equal)
    }

    /// The key was created by `revision`.
    pub fn create_revision(key: impl Into<Bytes>, revision: Revision) -> Compare {
        Compare::new(key, Target::CreateRevision(revision), Relation::Equal)
    }

    /// The key was written `version` times since it was created.
    pub fn version(key: impl Into<Bytes>, version: u64) -> Compare {
        Compare::new(key, Target::Version(version), Relation::Equal)
    }

    /// The key has this value.
    pub fn value(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::Value(value.into()), Relation::Equal)
    }

    /// The key is not there.
    pub fn absent(key: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::CreateRevision(Revision::NONE), Relation::Equal)
    }

    /// The key is there.
    pub fn exists(key: impl Into<Bytes>) -> Compare {
        Compare::new(key, Target::CreateRevision(Revision::NONE), Relation::Greater)
    }

    /// Whether it holds for all that the range holds.
    pub(crate) fn holds<'a>(&self, mut stored: impl Iterator<Item = &'a KeyValue>) -> bool {
        match stored.next() {
            None => self.holds_for(None),
            Some(first) => self.holds_for(Some(first)) && stored.all(|kv| self.holds_for(Some(kv))),
        }
    }

    fn holds_for(&self, stored: Option<&KeyValue>) -> bool {
        let revision = |of: fn(&KeyValue) -> Revision| stored.map_or(Revision::NONE, of);
        let order = match &self.target {
            Target::Version(given) => stored.map_or(0, |kv| kv.version).cmp(given),
            Target::CreateRevision(given) => revision(|kv| kv.create_revision).cmp(given),
            Target::ModRevision(given) => revision(|kv| kv.mod_revision).cmp(given),
            Target::Lease(given) => stored.map_or(LeaseId::NONE, |kv| kv.lease).cmp(given),
            Target::Value(given) => match stored {
                Some(kv) => kv.value.cmp(given),
                None => return false,
            },
        };
        match self.relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::NotEqual => order != Ordering::Equal,
            Relation::Greater => order == Ordering::Greater,
            Relation::Less => order == Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> KeyValue {
        KeyValue {
            key: "k".into(),
            value: "m".into(),
            create_revision: Revision(4),
            mod_revision: Revision(9),
            version: 3,
            lease: LeaseId(7),
        }
    }

    fn check(compare: Compare, on_stored: bool, on_absent: bool) {
        assert_eq!(compare.holds([&stored()].into_iter()), on_stored, "{compare:?} on the key");
        assert_eq!(compare.holds([].into_iter()), on_absent, "{compare:?} on an absent key");
    }

    #[test]
    fn compares_look_at_revisions_version_value_and_lease() {
        check(Compare::mod_revision("k", Revision(9)), true, false);
        check(Compare::mod_revision("k", Revision::NONE), false, true);
        check(Compare::create_revision("k", Revision(4)), true, false);
        check(Compare::version("k", 3), true, false);
        check(Compare::version("k", 0), false, true);
        check(Compare::value("k", "m"), true, false);
        check(Compare::absent("k"), false, true);
        check(Compare::exists("k"), true, false);
        check(Compare::new("k", Target::Lease(LeaseId(7)), Relation::Equal), true, false);
        check(Compare::new("k", Target::Lease(LeaseId::NONE), Relation::Equal), false, true);
    }

    #[test]
    fn relations_put_the_stored_on_the_left() {
        let value = |value, relation| Compare::new("k", Target::Value(value), relation);
        check(value("a".into(), Relation::Greater), true, false);
        check(value("a".into(), Relation::Less), false, false);
        check(value("z".into(), Relation::NotEqual), true, false);
        check(Compare::new("k", Target::Version(4), Relation::Less), true, true);
    }

    #[test]
    fn a_compare_over_a_range_holds_for_every_key_or_not_at_all() {
        let compare = Compare::over(Range::all(), Target::Version(3), Relation::Equal);
        let other = KeyValue { version: 4, ..stored() };
        assert!(compare.holds([&stored(), &stored()].into_iter()));
        assert!(!compare.holds([&stored(), &other].into_iter()));
    }
}
