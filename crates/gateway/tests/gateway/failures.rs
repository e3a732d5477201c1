//! What a client is told when there is no response, and what is tried before.

use std::time::Duration;

use http::{Method, StatusCode};
use sampan_gateway::{GatewayConfig, Protocol::Http1, RouteTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::client::{self, empty, full, get, request, send, text};
use super::upstream::Upstream;
use super::{Served, nobody, route, soon, to};

async fn check(served: &Served, path: &str, expected: (StatusCode, &str)) {
    let (status, body) = get(served.address, "shop.example", path).await;
    assert_eq!((status, &body[..]), expected, "{path}");
}

#[tokio::test]
async fn no_route_is_404_and_no_endpoint_503() {
    let served = Served::start(GatewayConfig::default()).await;
    let no_route = (StatusCode::NOT_FOUND, "no route for this host and path\n");
    check(&served, "/", no_route).await;
    let routes = vec![route("shop.example", "/a", Http1, &[])];
    served.gateway.set_routes(RouteTable { routes, certificates: vec![] });
    let empty = (StatusCode::SERVICE_UNAVAILABLE, "no endpoint is ready for this route\n");
    check(&served, "/a", empty).await;
    check(&served, "/b", no_route).await;
    assert_eq!(served.gateway.counts()[0].failures, 1);
}

#[tokio::test]
async fn an_endpoint_that_refuses_is_502_and_one_that_is_silent_504() {
    let upstream = Upstream::start("a").await;
    let response_timeout = Duration::from_millis(100);
    let served = Served::start(GatewayConfig { response_timeout, ..Default::default() }).await;
    served.gateway.set_routes(to(Http1, &[nobody().await]));
    let text = "the endpoint could not be reached, or did not answer properly\n";
    check(&served, "/", (StatusCode::BAD_GATEWAY, text)).await;
    served.gateway.set_routes(to(Http1, &[upstream.address]));
    check(&served, "/never", (StatusCode::GATEWAY_TIMEOUT, text)).await;
    assert_eq!(upstream.requests(), 1, "a request that was seen is not sent again on a timeout");
}

#[tokio::test]
async fn an_upload_that_takes_longer_than_the_response_may_is_no_timeout() {
    let upstream = Upstream::start("a").await;
    let response_timeout = Duration::from_millis(1_000);
    let served = Served::start(GatewayConfig { response_timeout, ..Default::default() }).await;
    served.gateway.set_routes(to(Http1, &[upstream.address]));
    let frames = futures::stream::unfold(0, |sent| async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let frame = http_body::Frame::data("part".into());
        (sent < 22).then_some((Ok::<_, hyper::Error>(frame), sent + 1))
    });
    let body = http_body_util::BodyExt::boxed_unsync(http_body_util::StreamBody::new(frames));
    let wanted = request(Method::POST, served.address, "/").body(body).unwrap();
    assert_eq!(text(send(&client::http1(), wanted).await).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_connection_is_tried_at_another_endpoint_with_any_body() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[nobody().await, nobody().await, upstream.address]).await;
    for n in 0..30 {
        let body = format!("body {n}");
        let wanted =
            request(Method::POST, served.address, "/echo").body(full(body.clone())).unwrap();
        let answer = text(send(&client::http1(), wanted).await).await;
        assert_eq!(answer, (StatusCode::OK, body));
    }
}

/// Reads a request and closes the connection, as a server that dies does.
async fn dying() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
        }
    });
    address
}

#[tokio::test]
async fn only_a_request_that_may_be_repeated_survives_a_dying_endpoint() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[dying().await, upstream.address]).await;
    let mut posts_failed = 0;
    for _ in 0..40 {
        assert_eq!(get(served.address, "x", "/").await.0, StatusCode::OK);
        let wanted = request(Method::POST, served.address, "/").body(empty()).unwrap();
        let (status, _) = text(send(&client::http1(), wanted).await).await;
        posts_failed += usize::from(status == StatusCode::BAD_GATEWAY);
    }
    assert!(posts_failed > 0, "a POST that was seen must not be sent twice");
    assert!(served.gateway.counts()[0].retries > 0);
}

#[tokio::test]
async fn a_request_without_a_host_is_400() {
    let served = Served::start(GatewayConfig::default()).await;
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_no_request_is_left() {
    let idle_timeout = Duration::from_millis(50);
    let served = Served::start(GatewayConfig { idle_timeout, ..Default::default() }).await;
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let read = soon(stream.read(&mut [0; 16])).await.unwrap();
    assert_eq!(read, 0);
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_left() {
    let header_timeout = Duration::from_millis(50);
    let served = Served::start(GatewayConfig { header_timeout, ..Default::default() }).await;
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_between_requests_is_ended_without_a_word() {
    let upstream = Upstream::start("a").await;
    let times = GatewayConfig {
        header_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_millis(50),
        ..Default::default()
    };
    let served = Served::start(times).await;
    served.gateway.set_routes(to(Http1, &[upstream.address]));
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\na"), "{answer}");
}
