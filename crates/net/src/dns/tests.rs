//! The server over real sockets, with an upstream of our own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{DnsTable, Handle, Server, Upstream};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running server; ends when dropped.
struct Running {
    address: SocketAddr,
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

async fn start(table: DnsTable, upstream: Upstream) -> Running {
    let handle = Handle::new(table);
    let server = Server::bind(&[LOCAL], handle.clone(), upstream).await.unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.run(async move { drop(stopped.await) }));
    Running { address, handle, _stop: stop }
}

fn table(names: &[(&str, u8)]) -> DnsTable {
    let entry = |(name, count): &(&str, u8)| {
        let addresses = (1..=*count).map(|n| Ipv4Addr::new(10, 43, 1, n)).collect();
        ((*name).to_owned(), addresses)
    };
    let cname = HashMap::from([("out.c.local".to_owned(), "www.example.com".to_owned())]);
    let a = names.iter().map(entry).collect();
    DnsTable { domain: "c.local".to_owned(), a, cname, ..DnsTable::default() }
}

fn request(name: &str) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message
}

async fn ask(server: SocketAddr, request: &Message) -> Message {
    let socket = tokio::net::UdpSocket::bind(LOCAL).await.unwrap();
    socket.send_to(&request.to_vec().unwrap(), server).await.unwrap();
    let mut buffer = vec![0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer));
    let length = received.await.expect("an answer comes").unwrap();
    let answer = Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!(answer.metadata.id, request.metadata.id);
    answer
}

async fn ask_tcp(server: SocketAddr, requests: &[Message]) -> Vec<Message> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut answers = Vec::new();
    for request in requests {
        let bytes = request.to_vec().unwrap();
        stream.write_u16(bytes.len() as u16).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        answers.push(Message::from_vec(&answer).unwrap());
    }
    answers
}

/// An upstream that answers 192.0.2.1 to all, and counts.
fn upstream() -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind(LOCAL).unwrap();
    let address = socket.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            counted.fetch_add(1, Ordering::SeqCst);
            let request = Message::from_vec(&buffer[..length]).unwrap();
            let mut reply = super::message::reply(&request, ResponseCode::NoError);
            let data = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
            let name = request.queries[0].name().clone();
            reply.add_answer(Record::from_rdata(name, 60, data));
            socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
        }
    });
    (address, count)
}

#[tokio::test]
async fn names_of_the_table_are_answered_and_a_new_table_counts_at_once() {
    let server = start(table(&[("web.c.local", 1)]), Upstream::Addresses(vec![])).await;
    let answer = ask(server.address, &request("web.c.local.")).await;
    assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
    assert_eq!(answer.answers.len(), 1);
    server.handle.store(table(&[("web.c.local", 3)]));
    assert_eq!(ask(server.address, &request("web.c.local.")).await.answers.len(), 3);
    let gone = ask(server.address, &request("gone.c.local.")).await;
    assert_eq!(gone.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn other_names_are_forwarded_and_kept() {
    let (upstream, count) = upstream();
    let server = start(table(&[]), Upstream::Addresses(vec![upstream])).await;
    for _ in 0..3 {
        let answer = ask(server.address, &request("example.com.")).await;
        assert_eq!(answer.answers[0].data.to_string(), "192.0.2.1");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let [answer] = &ask_tcp(server.address, &[request("tcp.example.com.")]).await[..] else {
        panic!("one answer")
    };
    assert_eq!(answer.answers.len(), 1);
}

#[tokio::test]
async fn an_alias_that_leads_out_brings_the_address() {
    let (upstream, _) = upstream();
    let server = start(table(&[]), Upstream::Addresses(vec![upstream])).await;
    let answer = ask(server.address, &request("out.c.local.")).await;
    let data: Vec<_> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(data, ["www.example.com.", "192.0.2.1"]);
}

#[tokio::test]
async fn without_a_server_to_ask_the_failure_is_quick() {
    let closed = UdpSocket::bind(LOCAL).unwrap().local_addr().unwrap();
    for upstream in [vec![], vec![closed]] {
        let server = start(table(&[]), Upstream::Addresses(upstream)).await;
        let start = Instant::now();
        let answer = ask(server.address, &request("example.com.")).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn the_server_never_asks_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("resolv.conf");
    std::fs::write(&path, "nameserver 127.0.0.77\n").unwrap();
    // Only the real port 53 can be named there, so the check is on the forwarder's own list.
    let own: SocketAddr = "127.0.0.77:53".parse().unwrap();
    let forwarder = super::forward::Forwarder::new(Upstream::ResolvConf(path), vec![own]);
    let request = request("example.com.");
    let bytes = request.to_vec().unwrap();
    let transport = super::forward::Transport::Udp(512);
    let answer = forwarder.answer(&request, &bytes, transport).await.unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn what_does_not_fit_in_a_datagram_comes_over_tcp() {
    let server = start(table(&[("many.c.local", 100)]), Upstream::Addresses(vec![])).await;
    let small = ask(server.address, &request("many.c.local.")).await;
    assert!(small.metadata.truncation && small.answers.is_empty());
    let mut large = request("many.c.local.");
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    large.set_edns(edns);
    assert!(ask(server.address, &large).await.metadata.truncation, "1,232 bytes at most");
    let both = [request("many.c.local."), request("many.c.local.")];
    for answer in ask_tcp(server.address, &both).await {
        assert_eq!(answer.answers.len(), 100);
    }
}

#[tokio::test]
async fn nonsense_is_survived() {
    let server = start(table(&[("web.c.local", 1)]), Upstream::Addresses(vec![])).await;
    let socket = UdpSocket::bind(LOCAL).unwrap();
    for nonsense in [&b""[..], &[0], &[0xff; 12], &[0; 12], &[1; 600]] {
        socket.send_to(nonsense, server.address).unwrap();
    }
    let mut two = request("web.c.local.");
    two.add_query(two.queries[0].clone());
    let answer = ask(server.address, &two).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(ask(server.address, &request("web.c.local.")).await.answers.len(), 1);
}
