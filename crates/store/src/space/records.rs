//! Small things that are kept beside the keys: who owns the store puts there what is no key of
//! anybody's.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

/// The most bytes of names and contents all records may have together.
pub const RECORDS_BYTES_MAX: usize = 16 << 20;

#[derive(Default)]
pub(crate) struct Records {
    contents: BTreeMap<String, Bytes>,
    bytes: usize,
}

impl Records {
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.contents.get(name)
    }

    /// Those whose name begins with a prefix, in the order of their names.
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Bytes)> {
        let from = self.contents.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// The content is copied: it may be a slice of something larger.
    pub fn set(&mut self, name: String, content: Option<Bytes>) {
        if let Some(old) = self.contents.remove(&name) {
            self.bytes -= name.len() + old.len();
        }
        if let Some(new) = content {
            self.bytes += name.len() + new.len();
            self.contents.insert(name, Bytes::copy_from_slice(&new));
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_prefix_and_their_bytes_counted() {
        let mut records = Records::default();
        for name in ["auth/user/b", "auth/user/a", "auth/role/a", "id"] {
            records.set(name.to_owned(), Some("12345".into()));
        }
        let found: Vec<_> = records.with_prefix("auth/user/").map(|(name, _)| name).collect();
        assert_eq!(found, ["auth/user/a", "auth/user/b"]);
        records.set("id".to_owned(), Some("1".into()));
        assert_eq!(records.bytes(), 11 + 11 + 11 + 2 + 15 + 1);
        for name in ["auth/user/b", "auth/user/a", "auth/role/a", "id", "none"] {
            records.set(name.to_owned(), None);
        }
        assert_eq!((records.bytes(), records.get("id")), (0, None));
    }
}
