//! The Lease service over a socket. What is expected here was seen of etcd 3.4.

mod support;

use std::time::{Duration, Instant};

use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseLeasesRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use store::{LeaseId, Op, Options, Range, Revision, Store, Txn};
use support::Fixture;
use tonic::transport::Channel;
use tonic::{Code, Status};

struct Scene {
    store: Store,
    client: LeaseClient<Channel>,
    _server: Fixture,
}

impl Scene {
    async fn new() -> Scene {
        Scene::over(Store::in_memory()).await
    }

    async fn over(store: Store) -> Scene {
        let server = Fixture::start_over(store.clone()).await;
        let client = LeaseClient::new(server.channel().await);
        Scene { store, client, _server: server }
    }

    async fn grant(&self, ttl: i64, id: i64) -> Result<LeaseGrantResponse, Status> {
        let request = LeaseGrantRequest { ttl, id };
        self.client.clone().lease_grant(request).await.map(tonic::Response::into_inner)
    }

    async fn revoke(&self, id: i64) -> Result<i64, Status> {
        let response = self.client.clone().lease_revoke(LeaseRevokeRequest { id }).await?;
        Ok(response.into_inner().header.expect("a header").revision)
    }

    async fn time_to_live(&self, id: i64) -> LeaseTimeToLiveResponse {
        let request = LeaseTimeToLiveRequest { id, keys: true };
        let response = self.client.clone().lease_time_to_live(request).await;
        response.expect("a time to live").into_inner()
    }

    /// The time to live that each of the leases is told when it is kept alive.
    async fn keep_alive(&self, ids: &[i64]) -> Vec<(i64, i64)> {
        let requests: Vec<_> = ids.iter().map(|&id| LeaseKeepAliveRequest { id }).collect();
        let stream = self.client.clone().lease_keep_alive(futures::stream::iter(requests)).await;
        let mut stream = stream.expect("a stream").into_inner();
        let mut told = Vec::new();
        while let Some(response) = stream.message().await.expect("a response") {
            told.push((response.id, response.ttl));
        }
        told
    }

    async fn put(&self, key: &'static str, lease: i64) {
        let put = Txn::new().then(Op::put_leased(key, "v", LeaseId(lease)));
        self.store.commit(put).await.expect("a write");
    }

    fn keys(&self) -> usize {
        self.store.count(&Range::all(), None).expect("the head counts")
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let status = answer.expect_err("it is refused");
    assert_eq!((status.code(), status.message()), (code, text));
}

#[tokio::test]
async fn leases_have_ids_given_or_chosen_and_live_no_shorter_than_two_seconds() {
    let s = Scene::new().await;
    let granted = s.grant(30, 7).await.expect("a lease");
    assert_eq!((granted.id, granted.ttl, granted.error.as_str()), (7, 30, ""));
    assert_eq!(granted.header.expect("a header").revision, 1, "a lease takes no revision");
    assert!(s.grant(30, 0).await.expect("a lease").id > 0);
    assert_eq!(s.grant(30, -4).await.expect("a lease").id, -4);
    for ttl in [1, 0, -9] {
        assert_eq!(s.grant(ttl, 0).await.expect("a lease").ttl, 2);
    }
    assert_eq!(s.grant(9_000_000_000, 9).await.expect("a lease").ttl, 9_000_000_000);
    let too_large = s.grant(9_000_000_001, 8).await;
    refused(too_large, Code::OutOfRange, "etcdserver: too large lease TTL");
    let again = s.grant(30, 7).await;
    refused(again, Code::FailedPrecondition, "etcdserver: lease already exists");
}

#[tokio::test]
async fn a_revoked_lease_takes_its_keys_along_in_one_revision() {
    let s = Scene::new().await;
    s.grant(30, 7).await.expect("a lease");
    s.put("b", 7).await;
    s.put("a", 7).await;
    let mut watcher = s.store.watch(Range::all(), Revision::NONE).expect("a watcher");
    assert_eq!(s.revoke(7).await.expect("it goes"), 4);
    let deleted = watcher.next().await.expect("a batch");
    let keys: Vec<_> = deleted.events.iter().map(|event| event.kv.key.clone()).collect();
    assert_eq!((deleted.revision, keys), (Revision(4), vec!["a".into(), "b".into()]));
    refused(s.revoke(7).await, Code::NotFound, "etcdserver: requested lease not found");
}

#[tokio::test]
async fn keep_alives_are_answered_in_order_and_unknown_leases_with_zero() {
    let s = Scene::new().await;
    s.grant(30, 7).await.expect("a lease");
    s.grant(60, 8).await.expect("a lease");
    let told = s.keep_alive(&[8, 99, 7, 8]).await;
    assert_eq!(told, [(8, 60), (99, 0), (7, 30), (8, 60)]);
}

#[tokio::test]
async fn a_lease_tells_how_long_it_lives_and_with_what() {
    let s = Scene::new().await;
    s.grant(30, 7).await.expect("a lease");
    s.put("b", 7).await;
    s.put("a", 7).await;
    let told = s.time_to_live(7).await;
    assert_eq!((told.id, told.granted_ttl, told.keys), (7, 30, vec!["a".into(), "b".into()]));
    assert!((28..=30).contains(&told.ttl), "{}", told.ttl);
    let told = s.time_to_live(99).await;
    assert_eq!((told.id, told.ttl, told.granted_ttl, told.keys.len()), (99, -1, 0, 0));
}

#[tokio::test]
async fn all_leases_are_listed_those_that_end_soonest_first() {
    let s = Scene::new().await;
    for (id, ttl) in [(7, 60), (3, 30), (-2, 90)] {
        s.grant(ttl, id).await.expect("a lease");
    }
    let response = s.client.clone().lease_leases(LeaseLeasesRequest {}).await;
    let listed = response.expect("a list").into_inner().leases;
    let ids: Vec<i64> = listed.into_iter().map(|lease| lease.id).collect();
    assert_eq!(ids, [3, 7, -2]);
}

#[tokio::test]
async fn a_lease_that_nobody_keeps_alive_ends_in_time_and_watchers_learn_it_at_once() {
    let s = Scene::new().await;
    s.grant(2, 7).await.expect("a lease");
    s.put("service", 7).await;
    let mut watcher = s.store.watch(Range::all(), Revision::NONE).expect("a watcher");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let kept_alive = Instant::now();
    assert_eq!(s.keep_alive(&[7]).await, [(7, 2)]);
    watcher.next().await.expect("a batch");
    let lived = kept_alive.elapsed();
    assert!((2.0..3.0).contains(&lived.as_secs_f64()), "{lived:?}");
    assert_eq!((s.keys(), s.time_to_live(7).await.ttl), (0, -1));
}

#[tokio::test]
async fn a_lease_that_is_kept_alive_outlives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || Store::open(dir.path(), Options::default()).expect("a store");
    let s = Scene::over(open()).await;
    s.grant(60, 7).await.expect("a lease");
    s.put("service", 7).await;
    s.store.clone().close().await;
    drop(s);
    let s = Scene::over(open()).await;
    assert_eq!(s.keep_alive(&[7]).await, [(7, 60)]);
    let told = s.time_to_live(7).await;
    assert_eq!((told.granted_ttl, told.keys), (60, vec!["service".into()]));
}
