//! Where things lie in the external etcd, and the way from the store's keys to etcd's and back.
//!
//! Under the prefix: `data/` and then the store's keys as they are; `leader`, who may write;
//! `sync`, written for no other reason than to see it come back by the watch.

use bytes::Bytes;
use store::Range;

use crate::pb::mvccpb;

/// The names under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: Bytes,
    data: Bytes,
    pub leader: Bytes,
    pub sync: Bytes,
}

/// A stretch of etcd's keys, as its messages say it: an empty end means one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub key: Bytes,
    pub range_end: Bytes,
}

impl Keys {
    /// A prefix that does not end with a slash gets one.
    pub fn new(prefix: &str) -> Keys {
        let prefix = if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") };
        let under = |name: &str| Bytes::from(format!("{prefix}{name}"));
        Keys {
            data: under("data/"),
            leader: under("leader"),
            sync: under("sync"),
            prefix: under(""),
        }
    }

    /// Everything under the prefix.
    pub fn all(&self) -> Span {
        Span { key: self.prefix.clone(), range_end: behind(&self.prefix) }
    }

    /// Every key of the store.
    pub fn data(&self) -> Span {
        Span { key: self.data.clone(), range_end: behind(&self.data) }
    }

    /// Where a key of the store lies.
    pub fn outside(&self, key: &[u8]) -> Bytes {
        [&self.data, key].concat().into()
    }

    /// Where a range of the store lies; one that is open goes to the last key of the store.
    pub fn span(&self, range: &Range) -> Span {
        let key = self.outside(range.start());
        let range_end = match range.end() {
            Some(end) if end.strip_prefix(range.start().as_ref()) == Some(&[0]) => Bytes::new(),
            Some(end) => self.outside(end),
            None => behind(&self.data),
        };
        Span { key, range_end }
    }

    /// The store's key, if it is one of its keys.
    pub fn inside<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        key.strip_prefix(self.data.as_ref())
    }

    /// A key and value as the store has them, if it is one of its keys. Copied: what etcd sends
    /// are slices of large buffers, which must not live as long as a key does.
    pub fn key_value(&self, kv: &mvccpb::KeyValue) -> Option<store::KeyValue> {
        let key = Bytes::copy_from_slice(self.inside(&kv.key)?);
        Some(store::KeyValue {
            key,
            value: Bytes::copy_from_slice(&kv.value),
            create_revision: revision(kv.create_revision),
            mod_revision: revision(kv.mod_revision),
            version: number(kv.version),
            lease: store::LeaseId(kv.lease),
        })
    }
}

/// The first key behind all that begin with a prefix, which ends with a slash.
fn behind(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

/// etcd's numbers are signed and never negative.
pub(super) fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn revision(revision: i64) -> store::Revision {
    store::Revision(number(revision))
}

/// For a message. No revision there can be is beyond.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &Range, key: &'static str, range_end: &'static str) {
        let expected = Span { key: key.into(), range_end: range_end.into() };
        assert_eq!(Keys::new("/s").span(range), expected, "{range:?}");
    }

    #[test]
    fn ranges_lie_within_the_prefix_however_open_they_are() {
        check(&Range::key("a"), "/s/data/a", "");
        check(&Range::key(""), "/s/data/", "");
        check(&Range::new("a", "c"), "/s/data/a", "/s/data/c");
        check(&Range::prefix("a/"), "/s/data/a/", "/s/data/a0");
        check(&Range::all(), "/s/data/", "/s/data0");
        check(&Range::starting_at("x"), "/s/data/x", "/s/data0");
    }

    #[test]
    fn a_key_comes_back_as_it_went_and_others_do_not() {
        let keys = Keys::new("/sampan/");
        for key in [&b""[..], b"a", b"leader", b"\0\xff"] {
            assert_eq!(keys.inside(&keys.outside(key)), Some(key));
        }
        assert_eq!(keys.inside(&keys.leader), None);
        assert_eq!(keys.inside(b"/sampan/dataset"), None);
        let all = keys.all();
        for inside in [&keys.leader, &keys.sync, &keys.outside(b"\xff")] {
            assert!(all.key <= *inside && *inside < all.range_end);
        }
    }
}
