//! What a client asks for when it creates a watch.

use bytes::Bytes;
use store::{Event, EventKind, Range, Revision};

use crate::error;
use crate::pb::etcdserverpb::WatchCreateRequest;
use crate::pb::etcdserverpb::watch_create_request::FilterType;

/// The id in responses that are about no watch in particular, or about none at all.
pub(super) const NO_WATCH: i64 = -1;

const EMPTY_RANGE: &str = "mvcc: watcher range is empty";

/// A watch as it was asked for, with etcd's shorthands resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub range: Range,
    pub from: Revision,
    /// 0 for one of our choice.
    pub id: i64,
    pub options: WatchOptions,
}

/// How a watch wants its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WatchOptions {
    pub no_puts: bool,
    pub no_deletes: bool,
    pub prev_kv: bool,
    pub progress_notify: bool,
    pub fragment: bool,
}

impl Wanted {
    /// What a request wants, or why there can be no such watch.
    pub fn read(request: &WatchCreateRequest) -> Result<Wanted, &'static str> {
        let from = match u64::try_from(request.start_revision) {
            Ok(revision) => Revision(revision),
            Err(_) => return Err(error::COMPACTED.text),
        };
        let range = range(&request.key, &request.range_end).ok_or(EMPTY_RANGE)?;
        let filtered = |filter: FilterType| request.filters.contains(&i32::from(filter));
        let options = WatchOptions {
            no_puts: filtered(FilterType::Noput),
            no_deletes: filtered(FilterType::Nodelete),
            prev_kv: request.prev_kv,
            progress_notify: request.progress_notify,
            fragment: request.fragment,
        };
        Ok(Wanted { range, from, id: request.watch_id, options })
    }
}

impl WatchOptions {
    pub fn wants(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Put => !self.no_puts,
            EventKind::Delete => !self.no_deletes,
        }
    }
}

/// No key stands for the least one, no end for a single key, and the end `\0` for no end.
///
/// The bytes are copied: a watch must not keep the buffer alive that its request came in.
fn range(key: &Bytes, end: &Bytes) -> Option<Range> {
    let key = Bytes::copy_from_slice(if key.is_empty() { &[0] } else { key });
    match end.as_ref() {
        [] => Some(Range::key(key)),
        [0] => Some(Range::starting_at(key)),
        end if key.as_ref() >= end => None,
        end => Some(Range::new(key, Bytes::copy_from_slice(end))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &'static str, end: &'static str, expected: Option<Range>) {
        let request =
            WatchCreateRequest { key: key.into(), range_end: end.into(), ..Default::default() };
        let found = Wanted::read(&request).map(|wanted| wanted.range);
        assert_eq!(found, expected.ok_or(EMPTY_RANGE), "{key:?} to {end:?}");
    }

    #[test]
    fn shorthands_of_ranges_are_those_of_etcd() {
        check("a", "", Some(Range::key("a")));
        check("", "", Some(Range::key("\0")));
        check("a", "\0", Some(Range::starting_at("a")));
        check("", "\0", Some(Range::starting_at("\0")));
        check("a", "b", Some(Range::prefix("a")));
        check("b", "a", None);
        check("a", "a", None);
    }

    #[test]
    fn a_negative_revision_is_one_that_was_compacted() {
        let request = WatchCreateRequest { start_revision: -5, ..Default::default() };
        assert_eq!(Wanted::read(&request), Err(error::COMPACTED.text));
    }

    #[test]
    fn filters_keep_puts_or_deletes_away() {
        let request = WatchCreateRequest { filters: vec![1, 7], ..Default::default() };
        let options = Wanted::read(&request).expect("a watch").options;
        assert_eq!((options.no_puts, options.no_deletes), (false, true));
    }
}
