//! The way to a real etcd: a snapshot of ours, restored by `etcdctl`, served by Debian's etcd, has
//! every key with its revisions, every lease, every user and role.

#[path = "support/port.rs"]
mod port;
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use etcd::pb::authpb::{Permission, permission};
use etcd::pb::etcdserverpb as pb;
use etcd::pb::etcdserverpb::auth_client::AuthClient;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd::pb::mvccpb::KeyValue;
use sha2::{Digest as _, Sha256};
use store::{LeaseId, Op, Range, Store, Txn};
use support::Fixture;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// How long etcd may take to start on the database.
const START_MAX: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A store with something of everything.
async fn laden_store() -> Store {
    let store = Store::in_memory();
    let write = async |txn| store.commit(txn).await.expect("a write").revision;
    for number in 0..3_000_u32 {
        let value = number.to_string().repeat(number as usize % 40);
        write(Txn::new().then(Op::put(format!("many/{:05}", number * 7 % 3_000), value))).await;
    }
    let long = "n".repeat(10_000);
    write(Txn::new().then(Op::put("large", vec![7; 1 << 20]))).await;
    write(Txn::new().then(Op::put(long, "a long key"))).await;
    let together = Txn::new().then(Op::put("z", "1")).then(Op::put("a", "2"));
    write(together.then(Op::put(&b"\xff\0binary"[..], &b"\0\xff"[..]))).await;
    for number in 0..5 {
        write(Txn::new().then(Op::put("again", format!("version {number}")))).await;
    }
    for (id, ttl) in [(7, 3_600), (i64::MAX, 600)] {
        store.grant_lease(LeaseId(id), Duration::from_secs(ttl)).await.expect("a lease");
        let leased = Op::put_leased(format!("leased/{id}"), "value", LeaseId(id));
        write(Txn::new().then(leased)).await;
    }
    // The newest revision is one that no key has.
    write(Txn::new().then(Op::Delete { range: Range::key("many/00017") })).await;
    store
}

/// Users and roles; authentication is on.
async fn guard(channel: &Channel) {
    let mut auth = AuthClient::new(channel.clone());
    for name in ["root", "alice"] {
        let (name, password) = (name.into(), "secret".into());
        let user = pb::AuthUserAddRequest { name, password, ..Default::default() };
        auth.user_add(user).await.expect("a user");
    }
    for name in ["root", "guest"] {
        auth.role_add(pb::AuthRoleAddRequest { name: name.into() }).await.expect("a role");
    }
    let perm_type = permission::Type::Read.into();
    let perm = Some(Permission { perm_type, key: "many/".into(), range_end: "many0".into() });
    let grant = pb::AuthRoleGrantPermissionRequest { name: "guest".into(), perm };
    auth.role_grant_permission(grant).await.expect("a grant");
    for (user, role) in [("root", "root"), ("alice", "guest")] {
        let grant = pb::AuthUserGrantRoleRequest { user: user.into(), role: role.into() };
        auth.user_grant_role(grant).await.expect("a grant");
    }
    auth.auth_enable(pb::AuthEnableRequest {}).await.expect("root is there");
}

/// A connection of a user.
#[derive(Clone)]
struct Peer {
    channel: Channel,
    token: String,
}

impl Peer {
    async fn login(channel: &Channel, name: &str) -> Peer {
        let request = pb::AuthenticateRequest { name: name.into(), password: "secret".into() };
        let reply = AuthClient::new(channel.clone()).authenticate(request).await;
        let token = reply.expect("the right password").into_inner().token;
        Peer { channel: channel.clone(), token }
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("token", self.token.parse().expect("a token is ASCII"));
        request
    }

    /// All keys, and the revision at which they are so.
    async fn keys(&self) -> (i64, Vec<KeyValue>) {
        let request = pb::RangeRequest {
            key: (&b"\0"[..]).into(),
            range_end: (&b"\0"[..]).into(),
            ..Default::default()
        };
        let mut kv = KvClient::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        let reply = kv.range(self.signed(request)).await.expect("root may").into_inner();
        (reply.header.expect("a header").revision, reply.kvs)
    }

    async fn lease(&self, id: i64) -> (i64, Vec<bytes::Bytes>) {
        let request = pb::LeaseTimeToLiveRequest { id, keys: true };
        let mut client = LeaseClient::new(self.channel.clone());
        let reply = client.lease_time_to_live(self.signed(request)).await.expect("a lease");
        let reply = reply.into_inner();
        assert!((1..=reply.granted_ttl).contains(&reply.ttl), "{reply:?}");
        (reply.granted_ttl, reply.keys)
    }

    async fn snapshot(&self) -> Vec<u8> {
        let mut client = MaintenanceClient::new(self.channel.clone());
        let stream = client.snapshot(self.signed(pb::SnapshotRequest {})).await;
        let mut stream = stream.expect("root may").into_inner();
        let mut file = Vec::new();
        while let Some(piece) = stream.message().await.expect("the next piece") {
            file.extend(piece.blob);
        }
        file
    }
}

/// Debian's etcd on what `etcdctl` restored.
struct Etcd {
    child: Child,
    url: String,
}

impl Etcd {
    fn restored(snapshot: &Path, dir: &Path) -> Etcd {
        let [client, peer] = [free_url(), free_url()];
        let cluster = format!("default={peer}");
        etcdctl(&[
            "snapshot",
            "restore",
            &snapshot.display().to_string(),
            &format!("--data-dir={}", dir.display()),
            "--name=default",
            &format!("--initial-cluster={cluster}"),
            &format!("--initial-advertise-peer-urls={peer}"),
        ]);
        let child = Command::new("etcd")
            .arg(format!("--data-dir={}", dir.display()))
            .arg("--name=default")
            .arg(format!("--initial-cluster={cluster}"))
            .args([format!("--listen-peer-urls={peer}")])
            .args([format!("--initial-advertise-peer-urls={peer}")])
            .args([format!("--listen-client-urls={client}")])
            .args([format!("--advertise-client-urls={client}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start etcd");
        Etcd { child, url: client }
    }

    /// A connection, once it answers who is not known.
    async fn channel(&self) -> Channel {
        let deadline = Instant::now() + START_MAX;
        let channel = Endpoint::from_shared(self.url.clone()).expect("a url").connect_lazy();
        loop {
            let request = pb::AuthenticateRequest { name: "root".into(), password: "no".into() };
            let answer = AuthClient::new(channel.clone()).authenticate(request).await;
            let refused = answer.expect_err("it is not the password");
            if refused.code() == tonic::Code::InvalidArgument {
                return channel;
            }
            assert!(Instant::now() < deadline, "etcd does not start: {refused}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_url() -> String {
    format!("http://127.0.0.1:{}", port::free_port())
}

fn etcdctl(arguments: &[&str]) -> String {
    let output = Command::new("etcdctl").env("ETCDCTL_API", "3").args(arguments).output();
    let output = output.expect("run etcdctl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "etcdctl {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

fn is_installed() -> bool {
    let runs = |program| Command::new(program).arg("--help").output().is_ok();
    let installed = runs("etcd") && runs("etcdctl");
    if !installed {
        assert!(std::env::var_os("CI").is_none(), "CI installs etcd and etcdctl");
        eprintln!("SKIPPED: etcd and etcdctl are not installed");
    }
    installed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_etcd_goes_on_from_a_snapshot_of_ours() {
    if !is_installed() {
        return;
    }
    let fixture = Fixture::start_over(laden_store().await).await;
    let channel = fixture.channel().await;
    guard(&channel).await;
    let ours = Peer::login(&channel, "root").await;
    let (revision, keys) = ours.keys().await;

    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("snapshot.db");
    std::fs::write(&file, ours.snapshot().await).expect("a file");
    let status = etcdctl(&["snapshot", "status", &file.display().to_string(), "-w", "json"]);
    assert!(status.contains("\"totalKey\""), "{status}");

    let etcd = Etcd::restored(&file, &dir.path().join("data"));
    let channel = etcd.channel().await;
    let theirs = Peer::login(&channel, "root").await;
    let (their_revision, their_keys) = theirs.keys().await;
    assert_eq!(their_revision, revision);
    assert_eq!(their_keys.len(), keys.len());
    for (our_key, their_key) in keys.iter().zip(&their_keys) {
        assert!(our_key == their_key, "{:?} and {:?}", our_key.key, their_key.key);
    }
    for id in [7, i64::MAX] {
        assert_eq!(theirs.lease(id).await, ours.lease(id).await);
    }
    let alice = Peer::login(&channel, "alice").await;
    let read = |key: &'static str| {
        let request = pb::RangeRequest { key: key.into(), ..Default::default() };
        let (mut kv, request) = (KvClient::new(channel.clone()), alice.signed(request));
        async move { kv.range(request).await.map(|reply| reply.into_inner().count) }
    };
    assert_eq!(read("many/00016").await.expect("her role permits it"), 1);
    let refused = read("large").await.expect_err("her role does not permit it");
    assert_eq!(refused.message(), "etcdserver: permission denied");
}

#[tokio::test]
async fn a_snapshot_ends_with_its_checksum() {
    let fixture = Fixture::start().await;
    let peer = Peer { channel: fixture.channel().await, token: "none is needed".into() };
    let file = peer.snapshot().await;
    assert_eq!(file.len() % 512, 32, "which is how etcdctl knows that there is one");
    let (database, checksum) = file.split_at(file.len() - 32);
    assert_eq!(Sha256::digest(database).as_slice(), checksum);
}
