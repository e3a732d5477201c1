//! WebSocket and other upgrades.

use std::time::Duration;

use sampan_gateway::{Drained, GatewayConfig, Protocol::Http1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::Upstream;
use super::{Served, soon, to};

/// Asks for an upgrade and returns the head of the answer.
async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

async fn echoes(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).await.unwrap();
    let mut echo = vec![0; message.len()];
    soon(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(echo, message);
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let answer = ask(&mut stream, "/upgrade").await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    echoes(&mut stream, b"hello").await;
    echoes(&mut stream, &[7; 100_000]).await;
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_ordinary_response() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let answer = ask(&mut stream, "/").await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    assert!(!answer.contains("upgrade"), "{answer}");
}

#[tokio::test]
async fn a_tunnel_lives_until_the_time_to_drain_is_over() {
    let upstream = Upstream::start("a").await;
    let drain_timeout = Duration::from_millis(200);
    let served = Served::start(GatewayConfig { drain_timeout, ..Default::default() }).await;
    served.gateway.set_routes(to(Http1, &[upstream.address]));
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    ask(&mut stream, "/upgrade").await;
    let stopping = tokio::spawn(served.stop());
    echoes(&mut stream, b"still here").await;
    assert_eq!(soon(stopping).await.unwrap(), Drained::CutOff { connections: 1 });
    assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap_or(0), 0);
}
