//! The Watch service over a socket. What is expected here was seen of etcd 3.4, and read of 3.5
//! where the two differ.

mod support;
#[path = "watch/client.rs"]
mod watch_client;

use etcd::pb::etcdserverpb::WatchCreateRequest;
use store::{Op, Options, Range, Revision, Store, Txn};
use support::Fixture;
use tonic::Code;
use watch_client::{Said, Stream, events, want, want_from};

struct Scene {
    store: Store,
    server: Fixture,
    stream: Stream,
}

impl Scene {
    async fn new() -> Scene {
        Scene::over(Store::in_memory()).await
    }

    async fn over(store: Store) -> Scene {
        let server = Fixture::start_over(store.clone()).await;
        let stream = Stream::open(server.channel().await).await;
        Scene { store, server, stream }
    }

    async fn write(&self, ops: impl IntoIterator<Item = Op>) -> i64 {
        let txn = Txn { success: ops.into_iter().collect(), ..Txn::new() };
        let revision = self.store.commit(txn).await.expect("a write").revision;
        i64::try_from(revision.0).expect("a small one")
    }

    async fn put(&self, key: &'static str) -> i64 {
        self.write([Op::put(key, "v")]).await
    }

    async fn compact(&self, revision: i64) {
        let revision = Revision(revision.unsigned_abs());
        self.store.compact(revision).await.expect("a compaction");
    }
}

fn seen(id: i64, events: &str) -> Said {
    Said::Events(id, events.to_owned())
}

#[tokio::test]
async fn a_watch_is_created_and_then_told_of_what_happens() {
    let mut s = Scene::new().await;
    s.put("a").await;
    s.stream.create(want("a", ""));
    let created = s.stream.next().await;
    assert_eq!((created.watch_id, created.created, created.canceled), (0, true, false));
    assert_eq!(created.header.expect("a header").revision, 2);
    s.put("b").await;
    s.put("a").await;
    let response = s.stream.next().await;
    assert_eq!(events(&response), "+a@4");
    let kv = response.events[0].kv.clone().expect("a key");
    assert_eq!((kv.create_revision, kv.version, kv.value.as_ref()), (2, 2, &b"v"[..]));
    assert_eq!(response.events[0].prev_kv, None);
    assert_eq!(response.header.expect("a header").revision, 4);
    s.write([Op::delete("a")]).await;
    let response = s.stream.next().await;
    let kv = response.events[0].kv.clone().expect("a key");
    assert_eq!((events(&response).as_str(), kv.create_revision, kv.version), ("-a@5", 0, 0));
}

#[tokio::test]
async fn a_watch_of_the_past_gets_it_in_order_with_what_was_before() {
    let mut s = Scene::new().await;
    for key in ["k0", "k1", "other", "k0"] {
        s.put(key).await;
    }
    s.stream.watch(WatchCreateRequest { prev_kv: true, ..want_from("k", "l", 3) }).await;
    let response = s.stream.next().await;
    assert_eq!(events(&response), "+k1@3 +k0@5");
    assert_eq!(response.events[0].prev_kv, None);
    let prev = response.events[1].prev_kv.clone().expect("what was before");
    assert_eq!((prev.mod_revision, prev.version), (2, 1));
    assert_eq!(response.header.expect("a header").revision, 5);
}

#[tokio::test]
async fn a_watch_may_start_in_the_future() {
    let mut s = Scene::new().await;
    s.stream.watch(want_from("a", "", 4)).await;
    for _ in 0..3 {
        s.put("a").await;
    }
    assert_eq!(s.stream.said().await, seen(0, "+a@4"));
}

#[tokio::test]
async fn the_events_of_one_revision_come_together() {
    let mut s = Scene::new().await;
    s.stream.watch(want("k", "l")).await;
    s.write([Op::put("k1", "1"), Op::put("x", "1"), Op::put("k0", "1")]).await;
    assert_eq!(s.stream.said().await, seen(0, "+k1@2 +k0@2"));
    s.write([Op::delete_range(Range::all())]).await;
    assert_eq!(s.stream.said().await, seen(0, "-k0@3 -k1@3"));
}

#[tokio::test]
async fn ids_are_counted_or_given_and_never_twice() {
    let mut s = Scene::new().await;
    let given = |watch_id| WatchCreateRequest { watch_id, ..want("a", "") };
    assert_eq!(s.stream.watch(given(0)).await, 0);
    assert_eq!(s.stream.watch(given(2)).await, 2);
    assert_eq!(s.stream.watch(given(0)).await, 1);
    assert_eq!(s.stream.watch(given(0)).await, 3, "2 is taken");
    s.stream.create(given(2));
    let refused = s.stream.next().await;
    assert_eq!((refused.watch_id, refused.created, refused.canceled), (-1, true, true));
    let reason = "mvcc: duplicate watch ID provided on the WatchStream";
    assert_eq!(refused.cancel_reason, reason);
    s.stream.cancel(2);
    assert_eq!(s.stream.said().await, Said::Canceled(2));
    assert_eq!(s.stream.watch(given(2)).await, 2, "it is free again");
}

#[tokio::test]
async fn what_cannot_be_watched_is_created_and_canceled_at_once() {
    let mut s = Scene::new().await;
    for (request, reason) in [
        (want("b", "a"), "mvcc: watcher range is empty"),
        (want_from("a", "", -1), "etcdserver: mvcc: required revision has been compacted"),
    ] {
        s.stream.create(request);
        let refused = s.stream.next().await;
        assert_eq!((refused.watch_id, refused.created, refused.canceled), (-1, true, true));
        assert_eq!(refused.cancel_reason, reason);
    }
}

#[tokio::test]
async fn a_compacted_past_cancels_the_watch_and_says_from_where_to_go_on() {
    let mut s = Scene::new().await;
    for _ in 0..4 {
        s.put("a").await;
    }
    s.compact(4).await;
    assert_eq!(s.stream.watch(want_from("a", "", 3)).await, 0);
    let canceled = s.stream.next().await;
    assert_eq!((canceled.watch_id, canceled.canceled, canceled.compact_revision), (0, true, 4));
    assert_eq!(canceled.header.expect("a header").revision, 0);
    assert_eq!(s.stream.watch(want_from("a", "", 4)).await, 1, "the compacted one itself is kept");
    assert_eq!(s.stream.said().await, seen(1, "+a@4 +a@5"));
}

#[tokio::test]
async fn filters_keep_puts_or_deletes_away() {
    let mut s = Scene::new().await;
    let filtered = |filters| WatchCreateRequest { filters, ..want("a", "") };
    let no_puts = s.stream.watch(filtered(vec![0])).await;
    s.put("a").await;
    assert_eq!(s.stream.nothing_until_progress().await, 2);
    s.write([Op::delete("a")]).await;
    assert_eq!(s.stream.said().await, seen(no_puts, "-a@3"));
    s.stream.cancel(no_puts);
    assert_eq!(s.stream.said().await, Said::Canceled(no_puts));
    let no_deletes = s.stream.watch(filtered(vec![1])).await;
    s.put("a").await;
    assert_eq!(s.stream.said().await, seen(no_deletes, "+a@4"));
    s.write([Op::delete("a")]).await;
    assert_eq!(s.stream.nothing_until_progress().await, 5);
}

#[tokio::test]
async fn a_canceled_watch_is_silent_and_an_unknown_one_no_error() {
    let mut s = Scene::new().await;
    let (one, other) = (s.stream.watch(want("a", "")).await, s.stream.watch(want("a", "")).await);
    s.stream.cancel(77);
    s.stream.cancel(one);
    assert_eq!(s.stream.said().await, Said::Canceled(one));
    s.put("a").await;
    assert_eq!(s.stream.said().await, seen(other, "+a@2"));
    assert_eq!(s.stream.nothing_until_progress().await, 2);
}

#[tokio::test]
async fn progress_is_told_once_everything_before_it_was() {
    let mut s = Scene::new().await;
    for _ in 0..3_000 {
        s.put("k").await;
    }
    s.stream.create(want_from("k", "", 2));
    s.stream.create(want_from("k", "l", 2));
    s.stream.ask_for_progress();
    let mut counts = [0, 0];
    loop {
        let response = s.stream.next().await;
        match usize::try_from(response.watch_id) {
            Ok(id) => counts[id] += response.events.len(),
            Err(_) => {
                assert_eq!(response.header.expect("a header").revision, 3_001);
                break;
            }
        }
    }
    assert_eq!(counts, [3_000, 3_000]);
}

#[tokio::test]
async fn large_revisions_come_in_fragments_when_that_was_asked_for() {
    let mut s = Scene::new().await;
    let whole = s.stream.watch(want("k", "l")).await;
    let fragmented = WatchCreateRequest { fragment: true, ..want("k", "l") };
    let fragmented = s.stream.watch(fragmented).await;
    let large = |n: usize| Op::put(format!("k{n}"), vec![b'v'; 1 << 20]);
    s.write((0..5).map(large)).await;
    let (mut fragments, mut seen) = (0, [String::new(), String::new()]);
    while seen[1].matches('+').count() < 5 || seen[0].is_empty() {
        let response = s.stream.next().await;
        let id = usize::try_from(response.watch_id).expect("one of the two");
        if response.watch_id == fragmented {
            fragments += 1;
            assert_eq!(response.fragment, fragments < 5, "the last one says that it is");
        }
        seen[id].extend([events(&response), " ".into()]);
    }
    let all = "+k0@2 +k1@2 +k2@2 +k3@2 +k4@2 ";
    assert_eq!((whole, fragments, seen), (0, 5, [all.into(), all.into()]));
}

#[tokio::test]
async fn ten_thousand_watches_share_a_stream() {
    let mut s = Scene::new().await;
    for n in 0..10_000 {
        let key = format!("k{n:05}").into();
        s.stream.create(WatchCreateRequest { key, ..Default::default() });
    }
    for n in 0..10_000 {
        assert_eq!(s.stream.said().await, Said::Created(n));
    }
    for (n, revision) in [(9_999, 2), (0, 3), (5_000, 4), (0, 5)] {
        s.write([Op::put(format!("k{n:05}"), "v")]).await;
        assert_eq!(s.stream.said().await, seen(n, &format!("+k{n:05}@{revision}")));
    }
    assert_eq!(s.store.watchers(), 10_000);
}

#[tokio::test]
async fn a_thousand_streams_all_get_every_event_and_leave_nothing_behind() {
    let s = Scene::new().await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let channel = s.server.channel().await;
        for _ in 0..100 {
            let mut stream = Stream::open(channel.clone()).await;
            stream.watch(want("a", "")).await;
            streams.push(stream);
        }
    }
    for _ in 0..5 {
        s.put("a").await;
    }
    for stream in &mut streams {
        let mut got = String::new();
        while got.matches('+').count() < 5 {
            got.extend([events(&stream.next().await), " ".into()]);
        }
        assert_eq!(got, "+a@2 +a@3 +a@4 +a@5 +a@6 ");
    }
    drop(streams);
    let all_gone = async {
        while s.store.watchers() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(watch_client::SOON, all_gone).await.expect("the watches go");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_canceled_when_history_has_passed_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options { history_revisions_max: 50, ..Options::default() };
    let mut s = Scene::over(Store::open(dir.path(), options).expect("a store")).await;
    s.stream.watch(want("k", "")).await;
    // Far more than the windows and buffers between the two hold.
    for _ in 0..400 {
        s.write([Op::put("k", vec![b'v'; 32 << 10])]).await;
    }
    let mut last = 1;
    loop {
        let response = s.stream.next().await;
        if response.canceled {
            assert!(response.compact_revision > last, "what follows is gone");
            break;
        }
        for event in &response.events {
            let revision = event.kv.as_ref().expect("a key").mod_revision;
            assert_eq!(revision, last + 1, "nothing is left out before");
            last = revision;
        }
    }
    assert!(last < 400, "it had no chance to read all: {last}");
    s.stream.watch(want("k", "")).await;
    s.put("k").await;
    assert_eq!(s.stream.said().await, seen(1, "+k@402"), "the stream goes on");
}

#[tokio::test]
async fn watches_go_on_after_the_last_request_of_their_client() {
    let mut s = Scene::new().await;
    s.stream.watch(want("a", "")).await;
    s.stream.finish();
    s.put("a").await;
    assert_eq!(s.stream.said().await, seen(0, "+a@2"));
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let mut s = Scene::new().await;
    s.stream.watch(want("a", "")).await;
    s.server.end().await;
    let status = s.stream.try_next().await.expect_err("the end");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}
