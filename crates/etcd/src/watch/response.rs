//! What a client is told, message by message.

use prost::Message as _;
use store::{Batch, Event, EventKind, KeyValue};

use crate::kv::key_value;
use crate::pb::etcdserverpb::WatchResponse;
use crate::pb::mvccpb;

/// The most bytes of a response to a watch that asked for fragments: the largest request, and what
/// gRPC may add to it, as in etcd.
pub(super) const FRAGMENT_BYTES_MAX: usize = (1536 + 512) << 10;

/// An event as the API has it, of a batch that holds all events of its key.
pub(super) fn event(event: &Event, batch: &Batch, prev_kv: bool) -> mvccpb::Event {
    let kind = match event.kind {
        EventKind::Put => mvccpb::event::EventType::Put,
        EventKind::Delete => mvccpb::event::EventType::Delete,
    };
    let prev_kv = if prev_kv { before(event, batch) } else { None };
    let kv = Some(key_value(event.kv.clone()));
    mvccpb::Event { r#type: kind.into(), kv, prev_kv: prev_kv.map(key_value) }
}

/// The key before the revision, whatever else that revision did to it.
fn before(event: &Event, batch: &Batch) -> Option<KeyValue> {
    let changed_before =
        event.prev.as_ref().is_some_and(|prev| prev.mod_revision == batch.revision);
    let first = if changed_before {
        batch.events.iter().find(|first| first.kv.key == event.kv.key)
    } else {
        None
    };
    first.unwrap_or(event).prev.clone()
}

/// Splits a response into ones below a size; a single event is never split. All but the last say
/// that there is more to come.
pub(super) fn fragments(mut response: WatchResponse, bytes_max: usize) -> Vec<WatchResponse> {
    if response.events.len() < 2 || response.encoded_len() < bytes_max {
        return vec![response];
    }
    let events = std::mem::take(&mut response.events);
    let head = WatchResponse { fragment: true, ..response };
    let head_bytes = head.encoded_len();
    let mut fragments: Vec<WatchResponse> = Vec::new();
    let mut bytes = usize::MAX;
    for event in events {
        let event_bytes = field_bytes(&event);
        bytes = bytes.saturating_add(event_bytes);
        match fragments.last_mut() {
            Some(fragment) if bytes < bytes_max => fragment.events.push(event),
            _ => {
                bytes = head_bytes + event_bytes;
                fragments.push(WatchResponse { events: vec![event], ..head.clone() });
            }
        }
    }
    if let Some(last) = fragments.last_mut() {
        last.fragment = false;
    }
    fragments
}

/// What an event takes in its response: number, length, and itself.
fn field_bytes(event: &mvccpb::Event) -> usize {
    let len = event.encoded_len();
    1 + prost::length_delimiter_len(len) + len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(sizes: &[usize]) -> WatchResponse {
        let event = |(n, size): (i64, &usize)| mvccpb::Event {
            kv: Some(mvccpb::KeyValue {
                mod_revision: n,
                value: vec![0; *size].into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let events = (1..).zip(sizes).map(event).collect();
        WatchResponse { watch_id: 7, events, ..Default::default() }
    }

    fn check(sizes: &[usize], bytes_max: usize, expected: &[usize]) {
        let whole = response(sizes);
        let split = fragments(whole.clone(), bytes_max);
        let lengths: Vec<usize> = split.iter().map(|fragment| fragment.events.len()).collect();
        assert_eq!(lengths, expected, "{sizes:?} in fragments of {bytes_max}");
        let events: Vec<_> = split.iter().flat_map(|fragment| fragment.events.clone()).collect();
        assert_eq!(events, whole.events, "nothing is lost and the order kept");
        let (last, others) = split.split_last().expect("there is one");
        assert!(!last.fragment && others.iter().all(|fragment| fragment.fragment));
        for fragment in &split {
            assert_eq!(fragment.watch_id, 7);
            assert!(fragment.events.len() < 2 || fragment.encoded_len() < bytes_max);
        }
    }

    #[test]
    fn a_response_is_split_between_events_only_when_it_is_too_large() {
        check(&[100, 100, 100], 1_000, &[3]);
        check(&[100, 100, 100], 300, &[2, 1]);
        check(&[400, 400, 400], 300, &[1, 1, 1]);
        check(&[10, 400, 10, 10], 300, &[1, 1, 2]);
        check(&[400], 300, &[1]);
        check(&[], 1, &[0]);
    }
}
