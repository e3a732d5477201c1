//! A stretch of keys.

use std::ops::Bound;

use bytes::Bytes;

/// What a map of keys is asked with.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// What kind of range it is.
pub(crate) enum Shape {
    /// One key: the start.
    Key,
    /// All keys that begin with the start.
    Prefix,
    /// Anything else.
    Other,
}

/// All keys from a start (included) to an end (excluded), in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Range {
    start: Bytes,
    /// `None`: to the last key there is.
    end: Option<Bytes>,
}

impl Range {
    /// The keys from `start` (included) to `end` (excluded).
    pub fn new(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Range {
        Range { start: start.into(), end: Some(end.into()) }
    }

    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Range {
        let start = key.into();
        let end = Some(successor(&start));
        Range { start, end }
    }

    /// All keys that begin with `prefix`; every key when it is empty.
    pub fn prefix(prefix: impl Into<Bytes>) -> Range {
        let start = prefix.into();
        let end = end_of_prefix(&start);
        Range { start, end }
    }

    /// The keys from `start` (included) on.
    pub fn starting_at(start: impl Into<Bytes>) -> Range {
        Range { start: start.into(), end: None }
    }

    /// Every key.
    pub fn all() -> Range {
        Range::starting_at(Bytes::new())
    }

    /// What of this range comes after `key`: the next page, when `key` was the last of this one.
    #[must_use]
    pub fn after(self, key: &[u8]) -> Range {
        let start = successor(key);
        if start > self.start { Range { start, end: self.end } } else { self }
    }

    /// What of this range is not before `start`.
    #[must_use]
    pub fn not_before(self, start: impl Into<Bytes>) -> Range {
        let start = start.into().max(self.start);
        // Nothing is left where it begins behind the end.
        let start = self.end.clone().map_or(start.clone(), |end| start.min(end));
        Range { start, end: self.end }
    }

    /// Where the range begins.
    pub fn start(&self) -> &Bytes {
        &self.start
    }

    /// The first key behind the range; `None` when it reaches to the last key there is.
    pub fn end(&self) -> Option<&Bytes> {
        self.end.as_ref()
    }

    /// The only key that can lie in the range, if it is one of a single key.
    pub(crate) fn single(&self) -> Option<&Bytes> {
        let (last, rest) = self.end.as_ref()?.split_last()?;
        (*last == 0 && rest == self.start).then_some(&self.start)
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }

    /// What kind of range it is.
    pub(crate) fn shape(&self) -> Shape {
        let after_start = self.end.as_ref().and_then(|end| end.strip_prefix(self.start.as_ref()));
        match after_start {
            Some([0]) => Shape::Key,
            _ if self.end == end_of_prefix(&self.start) => Shape::Prefix,
            _ => Shape::Other,
        }
    }

    /// The bounds for a map lookup, or `None` when no key can lie between them.
    pub(crate) fn bounds(&self) -> Option<Bounds<'_>> {
        let start = Bound::Included(self.start.as_ref());
        match &self.end {
            None => Some((start, Bound::Unbounded)),
            Some(end) if *end > self.start => Some((start, Bound::Excluded(end.as_ref()))),
            Some(_) => None,
        }
    }
}

/// The least key that is greater than `key`.
fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// The least key that is greater than every key with this prefix.
fn end_of_prefix(prefix: &[u8]) -> Option<Bytes> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &Range, inside: &[&[u8]], outside: &[&[u8]]) {
        for key in inside {
            assert!(range.contains(key), "{key:?} should lie in {range:?}");
        }
        for key in outside {
            assert!(!range.contains(key), "{key:?} should not lie in {range:?}");
        }
    }

    #[test]
    fn a_key_is_a_range_of_one() {
        check(&Range::key("ab"), &[b"ab"], &[b"a", b"ab\0", b"abc", b""]);
    }

    #[test]
    fn a_range_of_one_key_is_known_as_one() {
        assert_eq!(Range::key("ab").single(), Some(&Bytes::from("ab")));
        assert_eq!(Range::key("").single(), Some(&Bytes::new()));
        for other in [Range::prefix("ab"), Range::new("a", "ab"), Range::new("b", "a\0")] {
            assert_eq!(other.single(), None, "{other:?}");
        }
    }

    #[test]
    fn a_prefix_holds_all_that_begin_with_it() {
        check(&Range::prefix("ab"), &[b"ab", b"ab\0", b"ab\xff\xff"], &[b"a", b"ac", b"aa\xff"]);
        check(&Range::prefix(&b"a\xff"[..]), &[b"a\xff", b"a\xff\xff"], &[b"a", b"b"]);
        check(&Range::prefix(&b"\xff"[..]), &[b"\xff", b"\xff\xff"], &[b"\xfe", b""]);
        check(&Range::prefix(""), &[b"", b"x", b"\xff"], &[]);
    }

    #[test]
    fn the_next_page_starts_behind_the_last_key() {
        check(&Range::prefix("a/").after(b"a/2"), &[b"a/2\0", b"a/3"], &[b"a/2", b"a/1", b"b"]);
        check(&Range::prefix("b").after(b"a"), &[b"b"], &[b"a", b"c"]);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_empty_and_has_no_bounds() {
        let range = Range::new("b", "a");
        check(&range, &[], &[b"a", b"b", b"aa"]);
        assert!(range.bounds().is_none());
    }
}
