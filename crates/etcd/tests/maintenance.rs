//! Status, alarms, hashes, members and plain HTTP over a socket.

mod support;

use std::time::Duration;

use etcd::pb::etcdserverpb as pb;
use etcd::pb::etcdserverpb::cluster_client::ClusterClient;
use etcd::pb::etcdserverpb::maintenance_client::MaintenanceClient;
use store::{Op, Revision, Store, Txn};
use support::Fixture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// How long an answer to plain HTTP may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

async fn with_keys(count: u32) -> Store {
    let store = Store::in_memory();
    for number in 0..count {
        put(&store, &format!("key {number:08}"), "value").await;
    }
    store
}

async fn put(store: &Store, key: &str, value: &str) {
    let op = Op::put(key.to_owned(), value.to_owned());
    store.commit(Txn::new().then(op)).await.expect("a write");
}

async fn client(fixture: &Fixture) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(fixture.channel().await)
}

#[track_caller]
fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let refused = answer.expect_err("to be refused");
    assert_eq!((refused.code(), refused.message()), (code, text));
}

#[tokio::test]
async fn the_status_is_that_of_a_healthy_leader() {
    let fixture = Fixture::start_over(with_keys(3).await).await;
    let status = client(&fixture).await.status(pb::StatusRequest {}).await.expect("a status");
    let status = status.into_inner();
    let header = status.header.expect("a header");
    assert_eq!(status.version, "3.5.21");
    assert_eq!((status.leader, header.revision), (header.member_id, 4));
    assert_eq!((status.raft_index, status.raft_applied_index), (4, 4));
    assert_eq!(status.raft_term, header.raft_term);
    assert!(status.db_size >= status.db_size_in_use, "{status:?}");
    assert!(status.errors.is_empty() && !status.is_learner, "{status:?}");
}

#[tokio::test]
async fn alarms_cannot_be_set_by_hand() {
    let fixture = Fixture::start().await;
    let mut client = client(&fixture).await;
    let mut ask = async |action: pb::alarm_request::AlarmAction| {
        let alarm = pb::AlarmType::Nospace.into();
        let request = pb::AlarmRequest { action: action.into(), member_id: 0, alarm };
        client.alarm(request).await.map(|reply| reply.into_inner().alarms)
    };
    use pb::alarm_request::AlarmAction::{Activate, Deactivate, Get};
    assert_eq!(ask(Get).await.expect("a list"), []);
    let text = "etcdserver: an alarm is raised by what it is about, and cannot be by a request";
    check(ask(Activate).await, Code::Unimplemented, text);
    assert_eq!(ask(Deactivate).await.expect("a list"), []);
}

#[tokio::test]
async fn the_alarm_holds_as_long_as_there_is_no_room() {
    let data = tempfile::tempdir().expect("a directory");
    let options = store::Options { quota_bytes: Some(64 << 10), ..Default::default() };
    let store = Store::open(data.path(), options).expect("a new store");
    let fixture = Fixture::start_over(store.clone()).await;
    let mut client = client(&fixture).await;
    let large = async |number: u32| {
        let op = Op::put(format!("large {number}"), vec![0; 8 << 10]);
        store.commit(Txn::new().then(op)).await
    };
    let mut number = 0;
    while large(number).await.is_ok() {
        number += 1;
        assert!(number < 100, "the quota is reached");
    }
    let alarms = client.alarm(pb::AlarmRequest::default()).await.expect("a list").into_inner();
    let own = alarms.header.expect("a header").member_id;
    let nospace = pb::AlarmMember { member_id: own, alarm: pb::AlarmType::Nospace.into() };
    assert_eq!(alarms.alarms, [nospace]);
    let status = client.status(pb::StatusRequest {}).await.expect("a status").into_inner();
    assert_eq!(status.errors, [format!("memberID:{own} alarm:NOSPACE ")]);
    let unhealthy = r#"{"health":"false","reason":"ALARM NOSPACE"}"#;
    let answer = ("HTTP/1.1 503 Service Unavailable".to_owned(), unhealthy.to_owned());
    assert_eq!(ask(&fixture, "GET /health").await, answer);

    let delete = Op::Delete { range: store::Range::prefix("large") };
    store.commit(Txn::new().then(delete)).await.expect("a delete needs no room");
    large(0).await.expect("there is room again");
    let alarms = client.alarm(pb::AlarmRequest::default()).await.expect("a list").into_inner();
    assert_eq!(alarms.alarms, []);
    assert_eq!(ask(&fixture, "GET /health").await.0, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn the_same_keys_have_the_same_hash() {
    let (one, other) = (with_keys(2500).await, with_keys(2500).await);
    let (fixture, second) =
        (Fixture::start_over(one.clone()).await, Fixture::start_over(other).await);
    let (mut client, mut second) = (client(&fixture).await, self::client(&second).await);
    let hash = async |client: &mut MaintenanceClient<Channel>, revision: i64| {
        let reply = client.hash_kv(pb::HashKvRequest { revision }).await?;
        Ok::<u32, Status>(reply.into_inner().hash)
    };
    let before = hash(&mut client, 0).await.expect("a hash");
    assert_eq!(hash(&mut second, 0).await.expect("a hash"), before);
    put(&one, "key 00002400", "other").await;
    assert_ne!(hash(&mut client, 0).await.expect("a hash"), before);
    assert_eq!(hash(&mut client, 2501).await.expect("a hash"), before, "as it was");
    let text = "etcdserver: mvcc: required revision is a future revision";
    check(hash(&mut client, 2503).await, Code::OutOfRange, text);
    one.compact(Revision(2502)).await.expect("a compaction");
    let text = "etcdserver: mvcc: required revision has been compacted";
    check(hash(&mut client, 2501).await, Code::OutOfRange, text);
    let whole = client.hash(pb::HashRequest {}).await.expect("a hash").into_inner();
    assert_eq!(whole.hash, hash(&mut client, 2502).await.expect("a hash"));
}

#[tokio::test]
async fn the_leader_stays_and_the_version_too() {
    let fixture = Fixture::start().await;
    let mut client = client(&fixture).await;
    client.defragment(pb::DefragmentRequest {}).await.expect("nothing to do");
    let status = client.status(pb::StatusRequest {}).await.expect("a status");
    let own = status.into_inner().leader;
    client.move_leader(pb::MoveLeaderRequest { target_id: own }).await.expect("it is there");
    let elsewhere = pb::MoveLeaderRequest { target_id: own ^ 1 };
    let text = "etcdserver: bad leader transferee";
    check(client.move_leader(elsewhere).await, Code::FailedPrecondition, text);

    let mut downgrade = async |action: pb::downgrade_request::DowngradeAction, version: &str| {
        let request = pb::DowngradeRequest { action: action.into(), version: version.into() };
        client.downgrade(request).await
    };
    use pb::downgrade_request::DowngradeAction::{Cancel, Enable, Validate};
    let text = "etcdserver: invalid downgrade target version";
    check(downgrade(Enable, "3.4.0").await, Code::InvalidArgument, text);
    let text = "etcdserver: wrong downgrade target version format";
    check(downgrade(Validate, "old").await, Code::InvalidArgument, text);
    let text = "etcdserver: no inflight downgrade job";
    check(downgrade(Cancel, "").await, Code::FailedPrecondition, text);
}

#[tokio::test]
async fn there_is_one_member_and_there_will_be() {
    let fixture = Fixture::start().await;
    let mut client = ClusterClient::new(fixture.channel().await);
    let list = client.member_list(pb::MemberListRequest { linearizable: true }).await;
    let list = list.expect("a list").into_inner();
    let [member] = &list.members[..] else { panic!("one member, not {:?}", list.members) };
    assert_eq!(member.id, list.header.expect("a header").member_id);
    assert_eq!((member.name.as_str(), member.is_learner), ("default", false));
    assert_eq!(member.client_ur_ls, ["http://127.0.0.1:2379"]);
    let refused = client.member_remove(pb::MemberRemoveRequest { id: member.id }).await;
    let text = format!(
        "etcdserver: the cluster is the one member {:x} and stays so; keep the state in an etcd \
         cluster to have several",
        member.id
    );
    check(refused, Code::Unimplemented, &text);
    let elsewhere = client.member_remove(pb::MemberRemoveRequest { id: 99 }).await;
    check(elsewhere, Code::NotFound, "etcdserver: member not found");
    let promoted = client.member_promote(pb::MemberPromoteRequest { id: member.id }).await;
    let text = "etcdserver: can only promote a learner member";
    check(promoted, Code::FailedPrecondition, text);
    let add = |url: &str| pb::MemberAddRequest { peer_ur_ls: vec![url.into()], is_learner: false };
    let text = "etcdserver: given member URLs are invalid";
    check(client.member_add(add("not a url")).await, Code::InvalidArgument, text);
    let refused = client.member_add(add("http://127.0.0.1:1")).await;
    assert_eq!(refused.expect_err("to be refused").code(), Code::Unimplemented);
}

/// The status line and the body of a plain request.
async fn ask(fixture: &Fixture, request: &str) -> (String, String) {
    let asked = async {
        let mut stream = tokio::net::TcpStream::connect(fixture.address).await?;
        let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer =
        tokio::time::timeout(ANSWER_MAX, asked).await.expect("in time").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().expect("a status").to_owned(), body.to_owned())
}

#[tokio::test]
async fn health_and_version_are_told_to_plain_http() {
    let fixture = Fixture::start().await;
    let ok = "HTTP/1.1 200 OK";
    let healthy = (ok.to_owned(), r#"{"health":"true","reason":""}"#.to_owned());
    assert_eq!(ask(&fixture, "GET /health").await, healthy);
    let version = r#"{"etcdserver":"3.5.21","etcdcluster":"3.5.0"}"#;
    assert_eq!(ask(&fixture, "GET /version").await, (ok.to_owned(), version.to_owned()));
    assert_eq!(ask(&fixture, "GET /readyz").await.0, ok);
    assert_eq!(ask(&fixture, "GET /nothing").await.0, "HTTP/1.1 404 Not Found");
    assert_eq!(ask(&fixture, "POST /health").await.0, "HTTP/1.1 405 Method Not Allowed");
}

#[tokio::test]
async fn metrics_have_etcds_names_and_count_calls() {
    let fixture = Fixture::start_over(with_keys(2).await).await;
    let mut client = client(&fixture).await;
    client.hash(pb::HashRequest {}).await.expect("a hash");
    let elsewhere = pb::MoveLeaderRequest { target_id: 0 };
    client.move_leader(elsewhere).await.expect_err("to be refused");
    let (_, metrics) = ask(&fixture, "GET /metrics").await;
    for line in [
        "etcd_server_has_leader 1",
        "etcd_debugging_mvcc_keys_total 2",
        "etcd_debugging_mvcc_current_revision 3",
        "etcd_server_version{server_version=\"3.5.21\"} 1",
        "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Hash\",\
         grpc_service=\"etcdserverpb.Maintenance\",grpc_type=\"unary\"} 1",
        "grpc_server_handled_total{grpc_code=\"FailedPrecondition\",grpc_method=\"MoveLeader\",\
         grpc_service=\"etcdserverpb.Maintenance\",grpc_type=\"unary\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} in {metrics}");
    }
    assert!(metrics.contains("\nprocess_resident_memory_bytes "));
}
