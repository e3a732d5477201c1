//! What users may watch, lease, lock and campaign for when authentication is on: as in etcd 3.5.

mod support;
#[path = "watch/client.rs"]
mod watch_client;

use std::time::Duration;

use etcd::pb::authpb::{Permission, permission};
use etcd::pb::etcdserverpb as pb;
use etcd::pb::etcdserverpb::auth_client::AuthClient;
use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::v3electionpb::CampaignRequest;
use etcd::pb::v3electionpb::election_client::ElectionClient;
use etcd::pb::v3lockpb::LockRequest;
use etcd::pb::v3lockpb::lock_client::LockClient;
use store::{LeaseId, Op, Store, Txn};
use support::Fixture;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use watch_client::{Said, Stream, want};

/// Alice may read and write `a`, nothing else. The leases 1 and 2 have a key each, `a` and `b`.
struct Scene {
    store: Store,
    channel: Channel,
    token: String,
    _server: Fixture,
}

impl Scene {
    async fn new() -> Scene {
        let store = Store::in_memory();
        for (lease, key) in [(1, "a"), (2, "b")] {
            store.grant_lease(LeaseId(lease), Duration::from_secs(60)).await.expect("a lease");
            let put = Txn::new().then(Op::put_leased(key, "v", LeaseId(lease)));
            store.commit(put).await.expect("a write");
        }
        let server = Fixture::start_over(store.clone()).await;
        let channel = server.channel().await;
        let token = users(AuthClient::new(channel.clone())).await.expect("users");
        Scene { store, channel, token, _server: server }
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("token", self.token.parse().expect("a token is ASCII"));
        request
    }

    fn leases(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    async fn keep_alive(&self, id: i64) -> Result<Option<i64>, Status> {
        let requests = futures::stream::iter([pb::LeaseKeepAliveRequest { id }]);
        let stream = self.leases().lease_keep_alive(self.signed(requests)).await?;
        let response = stream.into_inner().message().await?;
        Ok(response.map(|response| response.ttl))
    }

    async fn time_to_live(&self, id: i64, keys: bool) -> Result<i64, Status> {
        let request = self.signed(pb::LeaseTimeToLiveRequest { id, keys });
        Ok(self.leases().lease_time_to_live(request).await?.into_inner().granted_ttl)
    }

    async fn revoke(&self, id: i64) -> Result<(), Status> {
        self.leases().lease_revoke(self.signed(pb::LeaseRevokeRequest { id })).await.map(drop)
    }
}

/// Makes the users, turns authentication on, and logs alice in.
async fn users(mut auth: AuthClient<Channel>) -> Result<String, Status> {
    let user = |name: &str| pb::AuthUserAddRequest {
        name: name.into(),
        password: "p".into(),
        ..Default::default()
    };
    for (name, role) in [("root", "root"), ("alice", "a")] {
        auth.role_add(pb::AuthRoleAddRequest { name: role.into() }).await?;
        auth.user_add(user(name)).await?;
        let grant = pb::AuthUserGrantRoleRequest { user: name.into(), role: role.into() };
        auth.user_grant_role(grant).await?;
    }
    let perm_type = permission::Type::Readwrite.into();
    for (key, range_end) in [("a", ""), ("a/", "a0")] {
        let perm = Permission { perm_type, key: key.into(), range_end: range_end.into() };
        let grant = pb::AuthRoleGrantPermissionRequest { name: "a".into(), perm: Some(perm) };
        auth.role_grant_permission(grant).await?;
    }
    auth.auth_enable(pb::AuthEnableRequest {}).await?;
    let request = pb::AuthenticateRequest { name: "alice".into(), password: "p".into() };
    Ok(auth.authenticate(request).await?.into_inner().token)
}

const DENIED: &str = "etcdserver: permission denied";

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code) {
    let status = answer.expect_err("it is refused");
    assert_eq!((status.code(), status.message()), (code, DENIED));
}

#[tokio::test]
async fn a_watch_without_permission_is_created_and_canceled_with_the_reason() {
    let s = Scene::new().await;
    let mut stream = Stream::open_with(s.channel.clone(), Some(&s.token)).await;
    assert_eq!(stream.watch(want("a", "")).await, 0);
    for request in [want("b", ""), want("a", "b"), want("", "\0")] {
        stream.create(request);
        let response = stream.next().await;
        assert_eq!((response.watch_id, response.created, response.canceled), (-1, true, true));
        let reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
        assert_eq!(response.cancel_reason, reason);
    }
    assert_eq!(stream.watch(want("a/1", "a/2")).await, 1, "the stream goes on");
}

#[tokio::test]
async fn a_watch_without_a_token_that_is_valid_says_so() {
    let s = Scene::new().await;
    for (token, reason) in [
        (None, "rpc error: code = InvalidArgument desc = etcdserver: user name is empty"),
        (Some("no.1"), "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"),
    ] {
        let mut stream = Stream::open_with(s.channel.clone(), token).await;
        stream.create(want("a", ""));
        let response = stream.next().await;
        assert_eq!((response.watch_id, response.canceled), (-1, true));
        assert_eq!(response.cancel_reason, reason);
    }
}

#[tokio::test]
async fn who_ends_a_lease_must_be_allowed_to_write_its_keys() {
    let s = Scene::new().await;
    refused(s.revoke(2).await, Code::PermissionDenied);
    refused(s.keep_alive(2).await, Code::PermissionDenied);
    assert_eq!(s.keep_alive(1).await.expect("it lives on"), Some(60));
    s.revoke(1).await.expect("it goes");
    assert!(s.store.get(b"a").is_none() && s.store.get(b"b").is_some());
}

#[tokio::test]
async fn who_sees_the_keys_of_a_lease_must_be_allowed_to_read_them() {
    let s = Scene::new().await;
    refused(s.time_to_live(2, true).await, Code::PermissionDenied);
    assert_eq!(s.time_to_live(2, false).await.expect("a time"), 60);
    assert_eq!(s.time_to_live(1, true).await.expect("a time"), 60);
    let listed = s.leases().lease_leases(s.signed(pb::LeaseLeasesRequest {})).await;
    refused(listed, Code::PermissionDenied);
}

#[tokio::test]
async fn locks_and_elections_are_writes_of_their_keys() {
    let s = Scene::new().await;
    let lock = async |name: &'static str, lease| {
        let request = s.signed(LockRequest { name: name.into(), lease });
        LockClient::new(s.channel.clone()).lock(request).await
    };
    assert_eq!(lock("a", 1).await.expect("the lock").into_inner().key, "a/1");
    refused(lock("b", 1).await, Code::Unknown);
    refused(lock("a", 2).await, Code::Unknown);
    let campaign = CampaignRequest { name: "b".into(), lease: 1, value: "v".into() };
    let campaign = s.signed(campaign);
    refused(ElectionClient::new(s.channel.clone()).campaign(campaign).await, Code::Unknown);
}

#[tokio::test]
async fn a_watch_that_was_permitted_hears_what_it_watches() {
    let s = Scene::new().await;
    let mut stream = Stream::open_with(s.channel.clone(), Some(&s.token)).await;
    stream.watch(want("a", "")).await;
    s.revoke(1).await.expect("it goes");
    assert_eq!(stream.said().await, Said::Events(0, "-a@4".into()));
}
