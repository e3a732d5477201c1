use store::{Options, Range, Store, Watcher};

use super::*;
use crate::pb::etcdserverpb::ResponseHeader;
use crate::remote::RemoteConfig;
use crate::remote::client::Client;

const TERM: i64 = 7;

/// A feed of a mirror at revision 10 that has seen nothing yet, and a watcher of the store.
fn feed() -> (Feed, Store, Watcher) {
    let config = RemoteConfig::new(["http://127.0.0.1:1".to_owned()]);
    let client = Client::new(&config).expect("an endpoint");
    let (store, mirror) = Store::mirrored(Options::default());
    mirror.reset(Vec::new(), Revision(10));
    let state = State::leading(client, Keys::new("/s/"), mirror, TERM, 1);
    let watcher = store.watch(Range::all(), Revision::NONE).expect("from now on");
    let (state, pause) = (Arc::new(state), PAUSE_MAX);
    (Feed { state, cluster: 1, fragments: Vec::new(), pause }, store, watcher)
}

fn event(key: &str, at: i64) -> mvccpb::Event {
    let kv = mvccpb::KeyValue {
        key: format!("/s/{key}").into(),
        value: "1".into(),
        create_revision: at,
        mod_revision: at,
        version: 1,
        lease: 0,
    };
    mvccpb::Event { kv: Some(kv), ..mvccpb::Event::default() }
}

fn answer(events: Vec<mvccpb::Event>) -> WatchResponse {
    let header = Some(ResponseHeader { revision: 99, ..ResponseHeader::default() });
    WatchResponse { header, events, ..WatchResponse::default() }
}

/// What the watcher is told next: revision and number of changes.
async fn next(watcher: &mut Watcher) -> (u64, usize) {
    let batch = timeout(Duration::from_secs(5), watcher.next()).await.expect("in time");
    let batch = batch.expect("the watcher goes on");
    (batch.revision.0, batch.events.len())
}

#[tokio::test]
async fn an_answer_with_several_revisions_is_as_many_batches() {
    let (mut feed, store, mut watcher) = feed();
    let events = vec![event("data/a", 11), event("data/b", 11), event("data/a", 14)];
    assert!(feed.take(answer(events)).is_ok());
    assert_eq!((next(&mut watcher).await, next(&mut watcher).await), ((11, 2), (14, 1)));
    assert_eq!(store.revision(), Revision(14), "the header is ahead of what was sent");
    assert_eq!(feed.pause, PAUSE_MIN);
}

#[tokio::test]
async fn fragments_are_put_together_before_anything_is_shown() {
    let (mut feed, store, mut watcher) = feed();
    let first = WatchResponse { fragment: true, ..answer(vec![event("data/a", 11)]) };
    assert!(feed.take(first).is_ok());
    assert_eq!(store.revision(), Revision(10));
    assert!(feed.take(answer(vec![event("data/b", 11)])).is_ok());
    assert_eq!(next(&mut watcher).await, (11, 2));
}

#[tokio::test]
async fn only_what_etcd_says_by_itself_is_taken_for_progress() {
    let (mut feed, store, _watcher) = feed();
    assert!(feed.take(WatchResponse { watch_id: NO_WATCH, ..answer(Vec::new()) }).is_ok());
    assert!(feed.take(WatchResponse { created: true, ..answer(Vec::new()) }).is_ok());
    assert_eq!(store.revision(), Revision(10));
    assert!(feed.take(answer(Vec::new())).is_ok());
    assert_eq!(store.revision(), Revision(99));
}

#[tokio::test]
async fn keys_that_are_ours_only_move_the_revision() {
    let (mut feed, store, _watcher) = feed();
    assert!(feed.take(answer(vec![event("sync", 11), event("data/a", 12)])).is_ok());
    assert!(feed.take(answer(vec![event("sync", 13)])).is_ok());
    assert_eq!(store.revision(), Revision(13));
    assert_eq!(store.range(&Range::all(), None, 0).expect("the head").count, 1);
}

#[tokio::test]
async fn a_leader_key_that_is_not_ours_raises_suspicion() {
    let suspicious = |events| async {
        let (mut feed, _store, _watcher) = feed();
        assert!(feed.take(answer(events)).is_ok());
        feed.state.suspicion.notified().now_or_never().is_some()
    };
    assert!(!suspicious(vec![event("leader", TERM)]).await);
    assert!(suspicious(vec![event("leader", 20)]).await);
    let mut gone = event("leader", 20);
    gone.set_type(EventType::Delete);
    assert!(suspicious(vec![gone]).await);
}

#[tokio::test]
async fn a_watch_that_was_canceled_ends_with_a_gap_only_after_a_compaction() {
    let (mut feed, _store, _watcher) = feed();
    let canceled = WatchResponse { canceled: true, ..WatchResponse::default() };
    assert!(matches!(feed.take(canceled.clone()), Err(Lost::Stream(_))));
    let compacted = WatchResponse { compact_revision: 12, ..canceled };
    assert!(matches!(feed.take(compacted), Err(Lost::Gap)));
}
