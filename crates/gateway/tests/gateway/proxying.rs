//! What arrives, and what comes back.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use sampan_gateway::Protocol::Http1;
use sampan_gateway::{GatewayConfig, RouteTable};

use super::client::{self, empty, get, request, send, text};
use super::upstream::Upstream;
use super::{Served, route, soon, to};

#[tokio::test]
async fn a_request_arrives_with_its_host_and_where_it_came_from() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let (status, head) = get(served.address, "shop.example:8080", "/head?x=1").await;
    assert_eq!(status, StatusCode::OK);
    let expected = "GET /head?x=1 - HTTP/1.1
host: shop.example:8080
x-forwarded-for: 127.0.0.1
x-forwarded-host: shop.example:8080
x-forwarded-proto: http
";
    assert_eq!(head, expected);
}

#[tokio::test]
async fn an_h2_request_reaches_an_http1_endpoint_with_its_host() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let wanted = request(Method::GET, served.address, "/head").body(empty()).unwrap();
    let response = send(&client::h2(), wanted).await;
    assert_eq!(response.version(), Version::HTTP_2);
    let (_, head) = text(response).await;
    assert!(head.starts_with("GET /head - HTTP/1.1\n"), "{head}");
    assert!(head.contains(&format!("\nhost: {}\n", served.address)), "{head}");
}

#[tokio::test]
async fn headers_of_the_endpoints_connection_stay_there() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let wanted = request(Method::GET, served.address, "/private").body(empty()).unwrap();
    let response = send(&client::http1(), wanted).await;
    assert!(response.headers().contains_key("x-public"));
    assert!(!response.headers().contains_key("x-private"));
    assert!(!response.headers().contains_key("connection"));
}

#[tokio::test]
async fn hosts_and_paths_have_their_own_endpoints() {
    let [shop, admin] = [Upstream::start("shop").await, Upstream::start("admin").await];
    let served = Served::start(GatewayConfig::default()).await;
    let routes = vec![
        route("shop.example", "/", Http1, &[shop.address]),
        route("shop.example", "/admin", Http1, &[admin.address]),
    ];
    served.gateway.set_routes(RouteTable { routes, certificates: vec![] });
    for (host, path, expected) in [
        ("shop.example", "/", (StatusCode::OK, "shop")),
        ("SHOP.example:80", "/admin/users", (StatusCode::OK, "admin")),
        ("shop.example", "/administrator", (StatusCode::OK, "shop")),
    ] {
        let (status, name) = get(served.address, host, path).await;
        assert_eq!((status, &name[..]), expected, "{host}{path}");
    }
    let counts = served.gateway.counts();
    assert_eq!((&counts[0].path[..], counts[0].requests), ("/", 2));
    assert_eq!((&counts[1].path[..], counts[1].responses), ("/admin", [0, 1, 0, 0, 0]));
}

#[tokio::test]
async fn a_body_streams_both_ways_at_once() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let frames = futures::stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, hyper::Error>(Frame::data(chunk)), receiver))
    });
    let body = StreamBody::new(frames).boxed_unsync();
    let wanted = request(Method::POST, served.address, "/echo").body(body).unwrap();
    sender.send("one".into()).unwrap();
    let mut response = send(&client::http1(), wanted).await.into_body();
    for chunk in ["one", "two", "three"] {
        if chunk != "one" {
            sender.send(chunk.into()).unwrap();
        }
        let frame = soon(response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), chunk);
    }
    drop(sender);
    assert!(soon(response.frame()).await.is_none());
}

#[tokio::test]
async fn connections_to_an_endpoint_are_used_again() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let client = client::http1();
    for _ in 0..50 {
        let wanted = request(Method::GET, served.address, "/").body(empty()).unwrap();
        text(send(&client, wanted).await).await;
    }
    assert_eq!(upstream.requests(), 50);
    // The next request may begin before the connection of the last is ready again.
    let connections = upstream.connections.load(Ordering::Relaxed);
    assert!(connections < 10, "{connections}");
}

#[tokio::test]
async fn an_endpoint_that_left_the_table_gets_no_new_request() {
    let [old, new] = [Upstream::start("old").await, Upstream::start("new").await];
    let served = Served::with(Http1, &[old.address]).await;
    assert_eq!(get(served.address, "x", "/").await.1, "old");
    served.gateway.set_routes(to(Http1, &[new.address]));
    for _ in 0..20 {
        assert_eq!(get(served.address, "x", "/").await.1, "new");
    }
    assert_eq!(old.requests(), 1);
    soon(old.stop()).await;
}
