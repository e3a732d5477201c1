//! Which keys a user may read and write: the ranges of all its roles, merged.

use bytes::Bytes;
use store::Range;

use crate::pb::authpb::{Permission, permission};

/// What the roles of one user add up to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Permissions {
    /// Ranges that may be read.
    pub(super) read: Spans,
    /// Ranges that may be written and deleted.
    pub(super) write: Spans,
}

impl Permissions {
    /// Adds up permissions, in any order.
    pub(super) fn of<'a>(permissions: impl Iterator<Item = &'a Permission> + Clone) -> Permissions {
        let ranges = |wanted: permission::Type| {
            permissions
                .clone()
                .filter(move |one| grants(one, wanted))
                .map(|one| range_of(&one.key, &one.range_end))
        };
        Permissions {
            read: Spans::merge(ranges(permission::Type::Read)),
            write: Spans::merge(ranges(permission::Type::Write)),
        }
    }
}

/// A kind that we do not know grants nothing.
fn grants(permission: &Permission, wanted: permission::Type) -> bool {
    let kind = permission::Type::try_from(permission.perm_type);
    kind.is_ok_and(|kind| kind == wanted || kind == permission::Type::Readwrite)
}

/// A key and a range end as etcd's requests have them, as one range.
pub(super) fn range_of(key: &Bytes, range_end: &Bytes) -> Range {
    match range_end.as_ref() {
        [] => Range::key(key.clone()),
        [0] => Range::starting_at(key.clone()),
        _ => Range::new(key.clone(), range_end.clone()),
    }
}

/// Whether a permission for this range could ever permit something. etcd refuses others since
/// 3.5.9.
pub(super) fn is_valid(permission: &Permission) -> bool {
    let end = permission.range_end.as_ref();
    !permission.key.is_empty() && (end.is_empty() || end == [0] || permission.key.as_ref() < end)
}

/// Ranges that neither touch nor overlap, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Spans(Vec<Range>);

impl Spans {
    fn merge(ranges: impl Iterator<Item = Range>) -> Spans {
        let mut sorted: Vec<Range> = ranges.collect();
        sorted.sort_by(|a, b| a.start().cmp(b.start()));
        let mut merged: Vec<Range> = Vec::new();
        for range in sorted {
            match merged.pop() {
                Some(last) if reaches(&last, &range) => merged.push(union(&last, &range)),
                Some(last) => merged.extend([last, range]),
                None => merged.push(range),
            }
        }
        Spans(merged)
    }

    /// Whether every key of `range` lies in one of these.
    pub(super) fn cover(&self, range: &Range) -> bool {
        let behind = self.0.partition_point(|span| span.start() <= range.start());
        let Some(span) = behind.checked_sub(1).map(|last| &self.0[last]) else {
            return false;
        };
        span.contains(range.start()) && !ends_before(span, range)
    }
}

/// Whether no key can lie between the end of `first` and the start of `next`.
fn reaches(first: &Range, next: &Range) -> bool {
    first.end().is_none_or(|end| next.start() <= end)
}

fn ends_before(first: &Range, other: &Range) -> bool {
    match (first.end(), other.end()) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(a), Some(b)) => a < b,
    }
}

fn union(first: &Range, next: &Range) -> Range {
    let longest = if ends_before(first, next) { next } else { first };
    match longest.end() {
        Some(end) => Range::new(first.start().clone(), end.clone()),
        None => Range::starting_at(first.start().clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permission(kind: permission::Type, key: &str, end: &str) -> Permission {
        Permission {
            perm_type: kind.into(),
            key: Bytes::copy_from_slice(key.as_bytes()),
            range_end: Bytes::copy_from_slice(end.as_bytes()),
        }
    }

    fn range(key: &str, end: &str) -> Range {
        range_of(&Bytes::copy_from_slice(key.as_bytes()), &Bytes::copy_from_slice(end.as_bytes()))
    }

    /// Of these readable ranges, what can be read and what not.
    fn check(granted: &[(&str, &str)], readable: &[(&str, &str)], hidden: &[(&str, &str)]) {
        let granted: Vec<Permission> =
            granted.iter().map(|(k, e)| permission(permission::Type::Read, k, e)).collect();
        let permissions = Permissions::of(granted.iter());
        for (key, end) in readable {
            assert!(permissions.read.cover(&range(key, end)), "{key:?}..{end:?} of {granted:?}");
        }
        for (key, end) in hidden {
            assert!(!permissions.read.cover(&range(key, end)), "{key:?}..{end:?} of {granted:?}");
        }
    }

    #[test]
    fn a_key_permits_that_key_only() {
        check(&[("a", "")], &[("a", "")], &[("b", ""), ("a\0", ""), ("a", "b"), ("", "")]);
    }

    #[test]
    fn ranges_that_touch_or_overlap_are_one() {
        check(
            &[("c", "e"), ("a", "c"), ("d", "g"), ("x", "y")],
            &[("a", "g"), ("b", "f"), ("x", "")],
            &[("a", "h"), ("g", ""), ("f", "x"), ("a", "y"), ("a", "\0")],
        );
    }

    #[test]
    fn a_range_inside_another_does_not_shorten_it() {
        check(&[("a", "z"), ("b", "c"), ("m", "")], &[("a", "z"), ("d", "")], &[("z", "")]);
    }

    #[test]
    fn an_open_end_reaches_to_the_last_key() {
        check(&[("m", "\0")], &[("m", "\0"), ("z", ""), ("n", "p")], &[("a", "\0"), ("l", "")]);
        check(&[("\0", "\0")], &[("\0", "\0"), ("a", "")], &[]);
    }

    #[test]
    fn reading_and_writing_are_apart() {
        let granted = [
            permission(permission::Type::Read, "r", ""),
            permission(permission::Type::Write, "w", ""),
            permission(permission::Type::Readwrite, "b", ""),
        ];
        let both = Permissions::of(granted.iter());
        for (key, reads, writes) in [("r", true, false), ("w", false, true), ("b", true, true)] {
            assert_eq!(both.read.cover(&range(key, "")), reads, "{key}");
            assert_eq!(both.write.cover(&range(key, "")), writes, "{key}");
        }
    }

    #[test]
    fn a_kind_that_is_not_known_grants_nothing() {
        let unknown = Permission { perm_type: 9, ..permission(permission::Type::Read, "a", "") };
        assert_eq!(Permissions::of([unknown].iter()), Permissions::default());
    }

    #[test]
    fn a_permission_for_no_key_is_not_valid() {
        let check = |key, end, valid| {
            assert_eq!(
                is_valid(&permission(permission::Type::Read, key, end)),
                valid,
                "{key} {end}"
            );
        };
        check("a", "", true);
        check("a", "b", true);
        check("a", "\0", true);
        check("", "", false);
        check("b", "a", false);
        check("a", "a", false);
    }

    proptest! {
        /// Merged or not, a key is covered when one of the ranges has it.
        #[test]
        fn merging_changes_no_key(
            ranges in prop::collection::vec(("[a-d]{1,2}", "[a-d]{0,2}"), 0..6),
            key in "[a-e]{1,3}",
        ) {
            let ranges: Vec<Range> = ranges.iter().map(|(k, e)| range(k, e)).collect();
            let key = Bytes::from(key);
            let one_has_it = ranges.iter().any(|range| range.contains(&key));
            let spans = Spans::merge(ranges.into_iter());
            prop_assert_eq!(spans.cover(&Range::key(key)), one_has_it);
        }
    }
}
