//! The Auth service over a socket: users, roles and tokens as clients use them. What is expected
//! here was seen of etcd 3.4.

mod support;

use etcd::pb::authpb::{Permission, UserAddOptions, permission};
use etcd::pb::etcdserverpb as pb;
use etcd::pb::etcdserverpb::auth_client::AuthClient;
use etcd::pb::etcdserverpb::cluster_client::ClusterClient;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::maintenance_client::MaintenanceClient;
use support::Fixture;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

type Asked = Result<(), Status>;

/// A connection, and the token that is sent with each request.
#[derive(Clone)]
struct Peer {
    channel: Channel,
    token: Option<String>,
}

impl Peer {
    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.parse().expect("a token is ASCII"));
        }
        request
    }

    fn auth(&self) -> AuthClient<Channel> {
        AuthClient::new(self.channel.clone())
    }

    async fn user_add(&self, name: &str, password: &str) -> Asked {
        let (name, password) = (name.into(), password.into());
        let request = pb::AuthUserAddRequest { name, password, ..Default::default() };
        self.auth().user_add(self.signed(request)).await.map(drop)
    }

    async fn user_delete(&self, name: &str) -> Asked {
        let request = pb::AuthUserDeleteRequest { name: name.into() };
        self.auth().user_delete(self.signed(request)).await.map(drop)
    }

    async fn change_password(&self, name: &str, password: &str) -> Asked {
        let (name, password) = (name.into(), password.into());
        let request = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
        self.auth().user_change_password(self.signed(request)).await.map(drop)
    }

    async fn grant_role(&self, user: &str, role: &str) -> Asked {
        let request = pb::AuthUserGrantRoleRequest { user: user.into(), role: role.into() };
        self.auth().user_grant_role(self.signed(request)).await.map(drop)
    }

    async fn role_add(&self, name: &str) -> Asked {
        let request = pb::AuthRoleAddRequest { name: name.into() };
        self.auth().role_add(self.signed(request)).await.map(drop)
    }

    async fn role_grant(&self, name: &str, key: &str, end: &str) -> Asked {
        let (key, range_end) = (key.to_owned().into(), end.to_owned().into());
        let perm_type = permission::Type::Readwrite.into();
        let perm = Some(Permission { perm_type, key, range_end });
        let request = pb::AuthRoleGrantPermissionRequest { name: name.into(), perm };
        self.auth().role_grant_permission(self.signed(request)).await.map(drop)
    }

    async fn roles_of(&self, name: &str) -> Result<Vec<String>, Status> {
        let request = pb::AuthUserGetRequest { name: name.into() };
        self.auth().user_get(self.signed(request)).await.map(|reply| reply.into_inner().roles)
    }

    async fn permissions_of(&self, role: &str) -> Result<Vec<Permission>, Status> {
        let request = pb::AuthRoleGetRequest { role: role.into() };
        self.auth().role_get(self.signed(request)).await.map(|reply| reply.into_inner().perm)
    }

    async fn enable(&self) -> Asked {
        self.auth().auth_enable(self.signed(pb::AuthEnableRequest {})).await.map(drop)
    }

    async fn disable(&self) -> Asked {
        self.auth().auth_disable(self.signed(pb::AuthDisableRequest {})).await.map(drop)
    }

    async fn status(&self) -> Result<(bool, u64), Status> {
        let reply = self.auth().auth_status(self.signed(pb::AuthStatusRequest {})).await?;
        let reply = reply.into_inner();
        Ok((reply.enabled, reply.auth_revision))
    }

    /// The same connection, as a user.
    async fn logged_in(&self, name: &str, password: &str) -> Result<Peer, Status> {
        let (name, password) = (name.into(), password.into());
        let request = pb::AuthenticateRequest { name, password };
        let token = self.auth().authenticate(request).await?.into_inner().token;
        Ok(Peer { channel: self.channel.clone(), token: Some(token) })
    }

    async fn put(&self, key: &'static str) -> Asked {
        let request = pb::PutRequest { key: key.into(), ..Default::default() };
        KvClient::new(self.channel.clone()).put(self.signed(request)).await.map(drop)
    }

    async fn get(&self, key: &'static str, end: &'static str) -> Asked {
        let (key, range_end) = (key.into(), end.into());
        let request = pb::RangeRequest { key, range_end, ..Default::default() };
        KvClient::new(self.channel.clone()).range(self.signed(request)).await.map(drop)
    }
}

/// What tells how the server is: its status, its members, its alarms.
async fn looks(peer: &Peer) -> [Asked; 3] {
    let mut maintenance = MaintenanceClient::new(peer.channel.clone());
    let mut cluster = ClusterClient::new(peer.channel.clone());
    [
        maintenance.status(peer.signed(pb::StatusRequest {})).await.map(drop),
        cluster.member_list(peer.signed(pb::MemberListRequest::default())).await.map(drop),
        maintenance.alarm(peer.signed(pb::AlarmRequest::default())).await.map(drop),
    ]
}

/// What only an administrator may do, and takes nothing away.
async fn maintains(peer: &Peer) -> [Asked; 5] {
    use pb::alarm_request::AlarmAction::Deactivate;
    let mut client = MaintenanceClient::new(peer.channel.clone());
    let alarm = pb::AlarmRequest { action: Deactivate.into(), ..Default::default() };
    [
        client.defragment(peer.signed(pb::DefragmentRequest {})).await.map(drop),
        client.hash(peer.signed(pb::HashRequest {})).await.map(drop),
        client.hash_kv(peer.signed(pb::HashKvRequest { revision: 0 })).await.map(drop),
        client.snapshot(peer.signed(pb::SnapshotRequest {})).await.map(drop),
        client.alarm(peer.signed(alarm)).await.map(drop),
    ]
}

/// Nobody in particular, on a server over this store.
async fn nobody(fixture: &Fixture) -> Peer {
    Peer { channel: fixture.channel().await, token: None }
}

/// Authentication is on; the answer is nobody and root. Alice may use `a` to `c`.
async fn guarded(fixture: &Fixture) -> (Peer, Peer) {
    let nobody = nobody(fixture).await;
    nobody.user_add("root", "secret").await.expect("a user");
    nobody.role_add("root").await.expect("a role");
    nobody.grant_role("root", "root").await.expect("a grant");
    nobody.user_add("alice", "secret").await.expect("a user");
    nobody.role_add("guest").await.expect("a role");
    nobody.role_grant("guest", "a", "b").await.expect("a grant");
    nobody.role_grant("guest", "b", "c").await.expect("a grant");
    nobody.grant_role("alice", "guest").await.expect("a grant");
    nobody.enable().await.expect("root has the root role");
    let root = nobody.logged_in("root", "secret").await.expect("the right password");
    (nobody, root)
}

#[track_caller]
fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let refused = answer.expect_err("to be refused");
    assert_eq!((refused.code(), refused.message()), (code, text));
}

const USER_EMPTY: (Code, &str) = (Code::InvalidArgument, "etcdserver: user name is empty");
const DENIED: (Code, &str) = (Code::PermissionDenied, "etcdserver: permission denied");
const BAD_TOKEN: (Code, &str) = (Code::Unauthenticated, "etcdserver: invalid auth token");

#[tokio::test]
async fn it_is_not_turned_on_without_a_root_that_may_turn_it_off() {
    let fixture = Fixture::start().await;
    let nobody = nobody(&fixture).await;
    let text = "etcdserver: root user does not exist";
    check(nobody.enable().await, Code::FailedPrecondition, text);
    nobody.user_add("root", "secret").await.expect("a user");
    let text = "etcdserver: root user does not have root role";
    check(nobody.enable().await, Code::FailedPrecondition, text);
    nobody.grant_role("root", "root").await.expect("the root role need not have been made");
    nobody.enable().await.expect("root has it");
    let root = nobody.logged_in("root", "secret").await.expect("the right password");
    assert_eq!(root.status().await.expect("a status"), (true, 3));
    root.disable().await.expect("root may");
    assert_eq!(nobody.status().await.expect("a status"), (false, 4));
    nobody.put("a").await.expect("it is off");
}

#[tokio::test]
async fn without_a_user_nothing_is_permitted() {
    let fixture = Fixture::start().await;
    let (nobody, _root) = guarded(&fixture).await;
    check(nobody.put("a").await, USER_EMPTY.0, USER_EMPTY.1);
    check(nobody.get("a", "").await, USER_EMPTY.0, USER_EMPTY.1);
    check(nobody.user_add("bob", "").await, USER_EMPTY.0, USER_EMPTY.1);
    check(nobody.roles_of("alice").await, USER_EMPTY.0, USER_EMPTY.1);
    let wrong = Peer { token: Some("wrong.1".into()), ..nobody };
    check(wrong.put("a").await, BAD_TOKEN.0, BAD_TOKEN.1);
    check(wrong.status().await, BAD_TOKEN.0, BAD_TOKEN.1);
}

#[tokio::test]
async fn a_user_may_do_what_the_roles_add_up_to() {
    let fixture = Fixture::start().await;
    let (nobody, root) = guarded(&fixture).await;
    let alice = nobody.logged_in("alice", "secret").await.expect("the right password");
    alice.put("b").await.expect("it is granted");
    alice.get("a", "c").await.expect("two ranges that touch are one");
    check(alice.put("c").await, DENIED.0, DENIED.1);
    check(alice.get("a", "d").await, DENIED.0, DENIED.1);
    check(alice.get("a", "\0").await, DENIED.0, DENIED.1);
    check(alice.user_add("bob", "").await, DENIED.0, DENIED.1);
    root.put("c").await.expect("root may do everything");
    root.get("\0", "\0").await.expect("root may do everything");
}

#[tokio::test]
async fn users_look_at_themselves_and_their_roles_only() {
    let fixture = Fixture::start().await;
    let (nobody, root) = guarded(&fixture).await;
    let alice = nobody.logged_in("alice", "secret").await.expect("the right password");
    assert_eq!(alice.roles_of("alice").await.expect("her own"), ["guest"]);
    assert_eq!(alice.permissions_of("guest").await.expect("her own").len(), 2);
    check(alice.roles_of("root").await, DENIED.0, DENIED.1);
    check(alice.permissions_of("root").await, DENIED.0, DENIED.1);
    let text = "etcdserver: user name not found";
    check(root.roles_of("bob").await, Code::FailedPrecondition, text);
    let everything = root.permissions_of("root").await.expect("root may");
    assert_eq!(
        (everything[0].key.as_ref(), everything[0].range_end.as_ref()),
        (&b""[..], &[0][..])
    );
}

#[tokio::test]
async fn users_may_look_and_administrators_maintain() {
    let fixture = Fixture::start().await;
    let (nobody, root) = guarded(&fixture).await;
    let alice = nobody.logged_in("alice", "secret").await.expect("the right password");
    for answer in looks(&nobody).await.into_iter().chain(maintains(&nobody).await) {
        check(answer, USER_EMPTY.0, USER_EMPTY.1);
    }
    for answer in looks(&alice).await.into_iter().chain(maintains(&root).await) {
        answer.expect("it is permitted");
    }
    for answer in maintains(&alice).await {
        check(answer, DENIED.0, DENIED.1);
    }
}

#[tokio::test]
async fn only_the_password_of_a_user_gets_a_token() {
    let fixture = Fixture::start().await;
    let (nobody, root) = guarded(&fixture).await;
    let text = "etcdserver: authentication failed, invalid user ID or password";
    let failed = |peer: Result<Peer, Status>| check(peer.map(|_| ()), Code::InvalidArgument, text);
    failed(nobody.logged_in("alice", "wrong").await);
    failed(nobody.logged_in("bob", "secret").await);
    failed(nobody.logged_in("", "").await);
    let options = Some(UserAddOptions { no_password: true });
    let request = pb::AuthUserAddRequest { name: "cert".into(), options, ..Default::default() };
    root.auth().user_add(root.signed(request)).await.expect("a user");
    let refused = nobody.logged_in("cert", "").await.map(|_| ());
    let text = "auth: authentication failed, password was given for no password user";
    check(refused, Code::Unknown, text);
}

#[tokio::test]
async fn tokens_go_with_the_password_and_the_user() {
    let fixture = Fixture::start().await;
    let (nobody, root) = guarded(&fixture).await;
    let alice = nobody.logged_in("alice", "secret").await.expect("the right password");
    root.change_password("alice", "new").await.expect("root may");
    check(alice.put("a").await, BAD_TOKEN.0, BAD_TOKEN.1);
    let alice = nobody.logged_in("alice", "new").await.expect("the new password");
    alice.put("a").await.expect("a token of the new password");
    root.user_delete("alice").await.expect("root may");
    check(alice.put("a").await, BAD_TOKEN.0, BAD_TOKEN.1);
    let text = "etcdserver: invalid auth management";
    check(root.user_delete("root").await, Code::InvalidArgument, text);
}

#[tokio::test]
async fn users_and_roles_are_there_after_a_restart_and_tokens_are_not() {
    let data = tempfile::tempdir().expect("a directory");
    let open = || store::Store::open(data.path(), store::Options::default()).expect("the store");
    let store = open();
    let fixture = Fixture::start_over(store.clone()).await;
    let (nobody, _) = guarded(&fixture).await;
    let alice = nobody.logged_in("alice", "secret").await.expect("the right password");
    alice.put("a").await.expect("it is granted");
    fixture.end().await;
    store.close().await;

    let fixture = Fixture::start_over(open()).await;
    let alice = Peer { channel: fixture.channel().await, ..alice };
    check(alice.put("a").await, BAD_TOKEN.0, BAD_TOKEN.1);
    let alice = alice.logged_in("alice", "secret").await.expect("the right password");
    alice.put("a").await.expect("it is granted");
    check(alice.put("c").await, DENIED.0, DENIED.1);
}

/// PEM files of an authority, of a server and of clients, by their common names.
fn papers(dir: &std::path::Path, names: &[&str]) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    let write = |name: &str, text: String| {
        std::fs::write(dir.join(name), text).expect("a file");
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    write("ca.pem", authority.pem());
    for name in names {
        let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("an address");
        params.distinguished_name.push(DnType::CommonName, *name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// What `etcdctl` says to a command, with the certificate of a name.
async fn etcdctl(fixture: &Fixture, dir: &std::path::Path, name: &str, words: &[&str]) -> String {
    let file = |name: String| dir.join(name).display().to_string();
    let output = tokio::process::Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints=https://{}", fixture.address))
        .arg(format!("--cacert={}", file("ca.pem".into())))
        .arg(format!("--cert={}", file(format!("{name}.pem"))))
        .arg(format!("--key={}", file(format!("{name}.key"))))
        .args(words)
        .output();
    let output = output.await.expect("run etcdctl");
    let said = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_for_the_user_of_its_name() {
    if std::process::Command::new("etcdctl").arg("--help").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI installs etcdctl");
        return eprintln!("SKIPPED: etcdctl is not installed");
    }
    let dir = tempfile::tempdir().expect("a directory");
    papers(dir.path(), &["server", "root", "alice", "stranger"]);
    let path = |name: &str| dir.path().join(name);
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let tls = etcd::server_tls(&certificate, &key, Some(&path("ca.pem")), true);
    let fixture = Fixture::start_trusting_names(tls.expect("good papers")).await;
    let say = async |name: &str, words: &[&str]| etcdctl(&fixture, dir.path(), name, words).await;
    for words in [
        &["user", "add", "root", "--no-password"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "alice", "--no-password"],
        &["role", "add", "guest"],
        &["role", "grant-permission", "guest", "readwrite", "a"],
        &["user", "grant-role", "alice", "guest"],
        &["auth", "enable"],
    ] {
        say("root", words).await;
    }
    assert_eq!(say("alice", &["put", "a", "1"]).await, "OK\n");
    assert!(say("alice", &["put", "b", "1"]).await.contains("etcdserver: permission denied"));
    assert!(say("stranger", &["put", "a", "1"]).await.contains("etcdserver: permission denied"));
    assert_eq!(say("root", &["user", "list"]).await, "alice\nroot\n");
    assert!(say("alice", &["user", "list"]).await.contains("etcdserver: permission denied"));
}
