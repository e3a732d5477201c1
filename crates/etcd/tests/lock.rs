//! Locks and elections over a socket. What is expected here was seen of etcd 3.4; where a lease
//! ends while its owner waits, of 3.5, which is told at once.

mod support;

use std::future::Future;
use std::time::Duration;

use etcd::pb::v3electionpb::election_client::ElectionClient;
use etcd::pb::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use etcd::pb::v3lockpb::lock_client::LockClient;
use etcd::pb::v3lockpb::{LockRequest, UnlockRequest};
use store::{LeaseId, Op, Range, Store, Txn};
use support::Fixture;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};

const SOON: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Scene {
    store: Store,
    channel: Channel,
    _server: std::sync::Arc<Fixture>,
}

impl Scene {
    /// With the leases 1 to 3.
    async fn new() -> Scene {
        let store = Store::in_memory();
        for id in 1..=3 {
            store.grant_lease(LeaseId(id), Duration::from_secs(60)).await.expect("a lease");
        }
        let server = Fixture::start_over(store.clone()).await;
        let channel = server.channel().await;
        Scene { store, channel, _server: std::sync::Arc::new(server) }
    }

    async fn lock(&self, lease: i64) -> Result<(String, i64), Status> {
        let request = LockRequest { name: "n".into(), lease };
        let response = LockClient::new(self.channel.clone()).lock(request).await?.into_inner();
        let key = String::from_utf8(response.key.to_vec()).expect("a readable key");
        Ok((key, response.header.expect("a header").revision))
    }

    async fn unlock(&self, key: &str) -> Result<i64, Status> {
        let request = UnlockRequest { key: key.to_owned().into() };
        let response = LockClient::new(self.channel.clone()).unlock(request).await?;
        Ok(response.into_inner().header.expect("a header").revision)
    }

    async fn campaign(&self, lease: i64, value: &'static str) -> Result<LeaderKey, Status> {
        let request = CampaignRequest { name: "e".into(), lease, value: value.into() };
        let response = ElectionClient::new(self.channel.clone()).campaign(request).await?;
        Ok(response.into_inner().leader.expect("a leader"))
    }

    async fn proclaim(
        &self,
        leader: Option<LeaderKey>,
        value: &'static str,
    ) -> Result<i64, Status> {
        let request = ProclaimRequest { leader, value: value.into() };
        let response = ElectionClient::new(self.channel.clone()).proclaim(request).await?;
        Ok(response.into_inner().header.expect("a header").revision)
    }

    async fn resign(&self, leader: Option<LeaderKey>) -> Result<i64, Status> {
        let request = ResignRequest { leader };
        let response = ElectionClient::new(self.channel.clone()).resign(request).await?;
        Ok(response.into_inner().header.expect("a header").revision)
    }

    async fn leader(&self) -> Result<String, Status> {
        let request = LeaderRequest { name: "e".into() };
        let response = ElectionClient::new(self.channel.clone()).leader(request).await?;
        let kv = response.into_inner().kv.expect("a key");
        Ok(String::from_utf8(kv.value.to_vec()).expect("a readable value"))
    }

    /// Waits until there are so many keys.
    async fn keys(&self, count: usize) {
        let there = async {
            while self.store.count(&Range::all(), None).expect("the head counts") != count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, there).await.expect("the keys come or go soon");
    }

    /// Begins to wait in a queue, and is in it when this returns.
    async fn wait<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let before = self.store.count(&Range::all(), None).expect("the head counts");
        let waiting = tokio::spawn(what);
        self.keys(before + 1).await;
        waiting
    }

    async fn lock_later(&self, lease: i64) -> JoinHandle<Result<(String, i64), Status>> {
        let scene = self.clone();
        self.wait(async move { scene.lock(lease).await }).await
    }

    async fn campaign_later(
        &self,
        lease: i64,
        value: &'static str,
    ) -> JoinHandle<Result<LeaderKey, Status>> {
        let scene = self.clone();
        self.wait(async move { scene.campaign(lease, value).await }).await
    }
}

async fn soon<T>(task: JoinHandle<T>) -> T {
    tokio::time::timeout(SOON, task).await.expect("it ends soon").expect("it does not panic")
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, text: &str) {
    let status = answer.expect_err("it is refused");
    assert_eq!((status.code(), status.message()), (Code::Unknown, text));
}

#[tokio::test]
async fn a_free_lock_is_taken_and_whoever_has_it_may_take_it_again() {
    let s = Scene::new().await;
    assert_eq!(s.lock(1).await.expect("the lock"), ("n/1".into(), 2));
    assert_eq!(s.lock(1).await.expect("the lock"), ("n/1".into(), 2));
    assert_eq!(s.unlock("n/1").await.expect("it is free"), 3);
    assert_eq!(s.unlock("n/1").await.expect("it was free"), 3);
    refused(s.unlock("").await, "etcdserver: key is not provided");
}

#[tokio::test]
async fn a_lock_without_a_lease_gets_one_of_a_minute() {
    let s = Scene::new().await;
    let (key, _) = s.lock(0).await.expect("the lock");
    let id = i64::from_str_radix(key.trim_start_matches("n/"), 16).expect("a lease in the key");
    let lease = s.store.lease(LeaseId(id)).expect("the lease");
    assert_eq!(lease.ttl, Duration::from_secs(60));
}

#[tokio::test]
async fn a_lock_of_no_lease_that_there_is_says_so() {
    let s = Scene::new().await;
    refused(s.lock(99).await, "etcdserver: requested lease not found");
}

#[tokio::test]
async fn those_who_wait_get_the_lock_in_the_order_in_which_they_came() {
    let s = Scene::new().await;
    s.lock(1).await.expect("the lock");
    let second = s.lock_later(2).await;
    let third = s.lock_later(3).await;
    assert!(!second.is_finished() && !third.is_finished());
    s.unlock("n/1").await.expect("it is free");
    assert_eq!(soon(second).await.expect("the lock"), ("n/2".into(), 5));
    assert!(!third.is_finished());
    s.store.revoke_lease(LeaseId(2)).await.expect("it goes");
    assert_eq!(soon(third).await.expect("the lock").0, "n/3");
}

#[tokio::test]
async fn who_waits_is_told_when_its_own_lease_ends() {
    let s = Scene::new().await;
    s.lock(1).await.expect("the lock");
    let second = s.lock_later(2).await;
    let third = s.lock_later(3).await;
    s.store.revoke_lease(LeaseId(2)).await.expect("it goes");
    refused(soon(second).await, "mutex: session is expired");
    s.unlock("n/1").await.expect("it is free");
    assert_eq!(soon(third).await.expect("the lock").0, "n/3");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_queue() {
    let s = Scene::new().await;
    s.lock(1).await.expect("the lock");
    let second = s.lock_later(2).await;
    let third = s.lock_later(3).await;
    second.abort();
    s.keys(2).await;
    s.unlock("n/1").await.expect("it is free");
    assert_eq!(soon(third).await.expect("the lock").0, "n/3");
}

#[tokio::test]
async fn a_wait_outlives_compaction() {
    let s = Scene::new().await;
    s.lock(1).await.expect("the lock");
    let second = s.lock_later(2).await;
    for _ in 0..10 {
        s.store.commit(Txn::new().then(Op::put("other", "v"))).await.expect("a write");
        s.store.compact(s.store.revision()).await.expect("a compaction");
    }
    s.unlock("n/1").await.expect("it is free");
    assert_eq!(soon(second).await.expect("the lock").0, "n/2");
}

#[tokio::test]
async fn a_leader_proclaims_and_resigns_and_another_follows() {
    let s = Scene::new().await;
    refused(s.leader().await, "election: no leader");
    let leader = s.campaign(1, "one").await.expect("it leads");
    assert_eq!((leader.name.as_ref(), leader.key.as_ref()), (&b"e"[..], &b"e/1"[..]));
    assert_eq!((leader.rev, leader.lease), (2, 1));
    assert_eq!(s.proclaim(Some(leader.clone()), "uno").await.expect("it leads"), 3);
    assert_eq!(s.leader().await.expect("a leader"), "uno");
    let second = s.campaign_later(2, "two").await;
    assert_eq!(s.leader().await.expect("a leader"), "uno");
    assert_eq!(s.resign(Some(leader.clone())).await.expect("it led"), 5);
    assert_eq!(soon(second).await.expect("it leads").rev, 4);
    assert_eq!(s.leader().await.expect("a leader"), "two");
    refused(s.proclaim(Some(leader.clone()), "one").await, "election: not leader");
    assert_eq!(s.resign(Some(leader)).await.expect("no matter"), 5);
}

#[tokio::test]
async fn a_campaign_of_the_leader_changes_its_value_and_keeps_its_place() {
    let s = Scene::new().await;
    let first = s.campaign(1, "one").await.expect("it leads");
    let again = s.campaign(1, "uno").await.expect("it leads");
    assert_eq!(first, again);
    assert_eq!(s.leader().await.expect("a leader"), "uno");
}

#[tokio::test]
async fn what_names_no_leader_is_refused() {
    let s = Scene::new().await;
    refused(s.proclaim(None, "v").await, "\"leader\" field must be provided");
    refused(s.resign(None).await, "\"leader\" field must be provided");
    refused(s.campaign(99, "v").await, "etcdserver: requested lease not found");
    let nobody = LeaderKey { name: "e".into(), key: "e/1".into(), rev: 1, lease: 1 };
    refused(s.proclaim(Some(nobody), "v").await, "election: not leader");
}

#[tokio::test]
async fn a_campaign_whose_lease_ends_never_leads() {
    let s = Scene::new().await;
    let leader = s.campaign(1, "one").await.expect("it leads");
    let second = s.campaign_later(2, "two").await;
    s.store.revoke_lease(LeaseId(2)).await.expect("it goes");
    refused(soon(second).await, "etcdserver: requested lease not found");
    let third = s.campaign_later(3, "three").await;
    third.abort();
    s.keys(1).await;
    s.resign(Some(leader)).await.expect("it led");
    refused(s.leader().await, "election: no leader");
}

#[tokio::test]
async fn observers_see_every_leader_and_what_it_proclaims() {
    let s = Scene::new().await;
    let request = LeaderRequest { name: "e".into() };
    let stream = ElectionClient::new(s.channel.clone()).observe(request).await;
    let mut stream = stream.expect("a stream").into_inner();
    let mut seen = async || {
        let told = tokio::time::timeout(SOON, stream.message()).await.expect("it is told soon");
        let told = told.expect("a response").expect("not the end");
        let kv = told.kv.expect("a key");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&kv.key), text(&kv.value), told.header.expect("a header").revision)
    };
    let leader = s.campaign(1, "one").await.expect("it leads");
    assert_eq!(seen().await, ("e/1".into(), "one".into(), 2));
    s.proclaim(Some(leader.clone()), "uno").await.expect("it leads");
    assert_eq!(seen().await, ("e/1".into(), "uno".into(), 3));
    let second = s.campaign_later(2, "two").await;
    s.resign(Some(leader)).await.expect("it led");
    let second = soon(second).await.expect("it leads");
    assert_eq!(seen().await, ("e/2".into(), "two".into(), 5));
    s.resign(Some(second)).await.expect("it led");
    s.campaign(3, "three").await.expect("it leads");
    assert_eq!(seen().await, ("e/3".into(), "three".into(), 7));
}
