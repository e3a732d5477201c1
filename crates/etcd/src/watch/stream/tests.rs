use std::time::Duration;

use store::{Op, Store, Txn};

use super::*;
use crate::server::Config;

const SOON: Duration = Duration::from_secs(20);

async fn stream(places_max: usize, progress_interval: Duration) -> (Store, WatchStream) {
    let store = Store::in_memory();
    let config = Config {
        store: store.clone(),
        name: "default".into(),
        client_urls: Vec::new(),
        quota_bytes: 0,
        client_cert_auth: false,
    };
    let member = Arc::new(Member::start(config).await.expect("a member"));
    let places = Arc::new(Places::new(places_max));
    let caller = Request::new(());
    (store, WatchStream::new(member, caller, None, places, progress_interval))
}

fn want(key: &'static str, progress_notify: bool) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), progress_notify, ..Default::default() }
}

async fn next(stream: &mut WatchStream) -> WatchResponse {
    let response = tokio::time::timeout(SOON, stream.next()).await;
    response.expect("something comes soon").expect("a response")
}

fn revision(response: &WatchResponse) -> i64 {
    response.header.expect("a header").revision
}

#[tokio::test]
async fn a_quiet_watch_that_asked_for_it_is_told_of_its_progress() {
    let (store, mut stream) = stream(10, Duration::from_millis(200)).await;
    stream.create(&want("other", false)).expect("a watch");
    stream.create(&want("a", true)).expect("a watch");
    assert!(next(&mut stream).await.created && next(&mut stream).await.created);
    store.commit(Txn::new().then(Op::put("b", "v"))).await.expect("a write");
    let told = next(&mut stream).await;
    assert_eq!((told.watch_id, told.events.len(), revision(&told)), (1, 0, 2));
    // An event is as good as a notice: the next tick says nothing.
    store.commit(Txn::new().then(Op::put("a", "v"))).await.expect("a write");
    let told = next(&mut stream).await;
    assert_eq!((told.watch_id, told.events.len(), revision(&told)), (1, 1, 3));
    let began = Instant::now();
    assert_eq!(next(&mut stream).await.events.len(), 0);
    assert!(began.elapsed() > Duration::from_millis(200), "one tick was left out");
}

#[tokio::test]
async fn there_are_so_many_places_for_watches_and_all_are_given_back() {
    let (_store, mut stream) = stream(2, SOON).await;
    let places = stream.places.clone();
    for _ in 0..3 {
        stream.create(&want("a", false)).expect("an answer");
    }
    assert!(next(&mut stream).await.created && next(&mut stream).await.created);
    let refused = next(&mut stream).await;
    assert_eq!((refused.watch_id, refused.canceled), (NO_WATCH, true));
    assert_eq!(refused.cancel_reason, TOO_MANY);
    stream.cancel(WatchCancelRequest { watch_id: 0 });
    stream.create(&want("a", false)).expect("an answer");
    assert!(next(&mut stream).await.canceled);
    assert!(!next(&mut stream).await.canceled, "there was a place again");
    drop(stream);
    assert!(places.take() && places.take() && !places.take());
}
