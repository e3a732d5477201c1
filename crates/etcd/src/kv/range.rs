//! Ranges: how much is read, and what is made of it.

use std::cmp::Ordering;

use store::{KeyValue, RangeReply, Revision};

use super::key_value;
use crate::pb::etcdserverpb::range_request::{SortOrder, SortTarget};
use crate::pb::etcdserverpb::{RangeRequest, RangeResponse, ResponseHeader};

/// What the store is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) at: Option<Revision>,
    /// 0 stands for all.
    pub(super) limit: usize,
}

impl Read {
    /// What is sorted or filtered is read whole, and of what is only counted not more than needed.
    pub(super) fn of(request: &RangeRequest) -> Read {
        let at = u64::try_from(request.revision).ok().filter(|at| *at > 0).map(Revision);
        let limit = if request.count_only {
            1
        } else if is_sorted(request) || Filter::of(request).is_some() {
            0
        } else {
            // Sorting by anything but the key without an order sorts what the limit let through
            // and one entry more: so does etcd.
            match limit(request) {
                0 => 0,
                limit if sorts_by_other(request) => limit.saturating_add(1),
                limit => limit,
            }
        };
        Read { at, limit }
    }
}

/// The response to a request, of what the store found for it. The count is that of the whole
/// range, before limit and filters.
pub(super) fn response(
    request: &RangeRequest,
    found: RangeReply,
    header: ResponseHeader,
) -> RangeResponse {
    let count = i64::try_from(found.count).unwrap_or(i64::MAX);
    let header = Some(header);
    if request.count_only {
        return RangeResponse { header, count, ..Default::default() };
    }
    let RangeReply { mut entries, mut more, .. } = found;
    if let Some(filter) = Filter::of(request) {
        entries.retain(|kv| filter.passes(kv));
    }
    sort(request, &mut entries);
    let limit = limit(request);
    if limit > 0 && entries.len() > limit {
        entries.truncate(limit);
        more = true;
    }
    let kvs = entries.into_iter().map(key_value);
    let kvs = if request.keys_only {
        kvs.map(|kv| crate::pb::mvccpb::KeyValue { value: Default::default(), ..kv }).collect()
    } else {
        kvs.collect()
    };
    RangeResponse { header, kvs, more, count }
}

fn limit(request: &RangeRequest) -> usize {
    usize::try_from(request.limit).unwrap_or(0)
}

fn is_sorted(request: &RangeRequest) -> bool {
    request.sort_order() != SortOrder::None
}

fn sorts_by_other(request: &RangeRequest) -> bool {
    request.sort_target() != SortTarget::Key
}

fn sort(request: &RangeRequest, entries: &mut [KeyValue]) {
    let by: fn(&KeyValue, &KeyValue) -> Ordering = match request.sort_target() {
        SortTarget::Key => |a, b| a.key.cmp(&b.key),
        SortTarget::Version => |a, b| a.version.cmp(&b.version),
        SortTarget::Create => |a, b| a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => |a, b| a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => |a, b| a.value.cmp(&b.value),
    };
    match request.sort_order() {
        SortOrder::Descend => entries.sort_by(|a, b| by(b, a)),
        // They come in the order of their keys.
        SortOrder::None | SortOrder::Ascend if !sorts_by_other(request) => {}
        SortOrder::None | SortOrder::Ascend => entries.sort_by(by),
    }
}

/// Bounds of revisions, 0 standing for none.
struct Filter {
    modified: (u64, u64),
    created: (u64, u64),
}

impl Filter {
    /// `None` when everything passes.
    fn of(request: &RangeRequest) -> Option<Filter> {
        let bounds = |min: i64, max: i64| {
            let max = if max == 0 { i64::MAX } else { max };
            // Below 0 are no revisions: such a least is none, such a greatest lets nothing pass.
            (u64::try_from(min).unwrap_or(0), u64::try_from(max).unwrap_or(0))
        };
        let asked = request.min_mod_revision != 0
            || request.max_mod_revision != 0
            || request.min_create_revision != 0
            || request.max_create_revision != 0;
        asked.then(|| Filter {
            modified: bounds(request.min_mod_revision, request.max_mod_revision),
            created: bounds(request.min_create_revision, request.max_create_revision),
        })
    }

    fn passes(&self, kv: &KeyValue) -> bool {
        let within = |(min, max), revision: Revision| (min..=max).contains(&revision.0);
        within(self.modified, kv.mod_revision) && within(self.created, kv.create_revision)
    }
}

#[cfg(test)]
mod tests {
    use store::LeaseId;

    use super::*;

    /// Keys a, b, c, d; written at 4, 3, 2, 5 and created at 4, 3, 2, 1.
    fn entries() -> Vec<KeyValue> {
        let kv = |key, value, written, created| KeyValue {
            key: bytes::Bytes::from_static(key),
            value: bytes::Bytes::from_static(value),
            create_revision: Revision(created),
            mod_revision: Revision(written),
            version: if written == created { 1 } else { 2 },
            lease: LeaseId::NONE,
        };
        vec![kv(b"a", b"x", 4, 4), kv(b"b", b"z", 3, 3), kv(b"c", b"y", 2, 2), kv(b"d", b"w", 5, 1)]
    }

    /// What is answered, as its keys, whether there is more, and the count.
    #[track_caller]
    fn check(change: impl FnOnce(&mut RangeRequest), expected: (&str, bool, i64)) {
        let mut request = RangeRequest { key: "a".into(), ..Default::default() };
        change(&mut request);
        let limit = Read::of(&request).limit;
        let mut entries = entries();
        let (count, more) = (entries.len(), limit > 0 && entries.len() > limit);
        entries.truncate(if limit == 0 { usize::MAX } else { limit });
        let found = RangeReply { entries, revision: Revision(9), more, count };
        let response = response(&request, found, ResponseHeader::default());
        let keys: Vec<u8> = response.kvs.iter().flat_map(|kv| kv.key.clone()).collect();
        let keys = String::from_utf8(keys).expect("letters");
        assert_eq!((keys.as_str(), response.more, response.count), expected, "{request:?}");
    }

    fn by(target: SortTarget, order: SortOrder) -> impl FnOnce(&mut RangeRequest) {
        move |request| {
            request.set_sort_target(target);
            request.set_sort_order(order);
        }
    }

    #[test]
    fn limits_leave_the_count_alone() {
        check(|_| {}, ("abcd", false, 4));
        check(|request| request.limit = 2, ("ab", true, 4));
        check(|request| request.limit = 4, ("abcd", false, 4));
        check(|request| request.limit = -1, ("abcd", false, 4));
        check(|request| request.count_only = true, ("", false, 4));
    }

    #[test]
    fn every_target_sorts_both_ways() {
        check(by(SortTarget::Key, SortOrder::Descend), ("dcba", false, 4));
        check(by(SortTarget::Value, SortOrder::Ascend), ("dacb", false, 4));
        check(by(SortTarget::Mod, SortOrder::Descend), ("dabc", false, 4));
        check(by(SortTarget::Create, SortOrder::Ascend), ("dcba", false, 4));
        check(by(SortTarget::Version, SortOrder::Descend), ("dabc", false, 4));
        check(by(SortTarget::Mod, SortOrder::None), ("cbad", false, 4));
    }

    #[test]
    fn a_limit_comes_after_the_order_if_one_is_given() {
        let limited = |order| {
            move |request: &mut RangeRequest| {
                request.limit = 1;
                by(SortTarget::Mod, order)(request);
            }
        };
        check(limited(SortOrder::Ascend), ("c", true, 4));
        check(limited(SortOrder::Descend), ("d", true, 4));
        check(limited(SortOrder::None), ("b", true, 4));
    }

    #[test]
    fn filters_come_before_the_limit_and_after_the_count() {
        check(|request| request.min_mod_revision = 3, ("abd", false, 4));
        check(|request| request.max_mod_revision = 3, ("bc", false, 4));
        check(|request| request.min_create_revision = 2, ("abc", false, 4));
        check(|request| request.max_create_revision = 1, ("d", false, 4));
        check(|request| request.max_mod_revision = -1, ("", false, 4));
        check(|request| request.min_mod_revision = -1, ("abcd", false, 4));
        let both = |request: &mut RangeRequest| (request.min_mod_revision, request.limit) = (3, 2);
        check(both, ("ab", true, 4));
    }

    #[test]
    fn keys_only_has_no_values() {
        let request = RangeRequest { keys_only: true, ..Default::default() };
        let found = RangeReply { entries: entries(), revision: Revision(9), more: false, count: 4 };
        let response = response(&request, found, ResponseHeader::default());
        assert!(response.kvs.iter().all(|kv| kv.value.is_empty() && kv.mod_revision > 0));
    }
}
