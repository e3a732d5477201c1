//! h2 with prior knowledge on both sides, and trailers.

use http::Method;
use http_body_util::BodyExt;
use sampan_gateway::Protocol::H2c;

use super::client::{self, empty, full, request, send, text};
use super::upstream::Upstream;
use super::{Served, soon};

#[tokio::test]
async fn a_call_passes_with_its_authority_and_trailers() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(H2c, &[upstream.address]).await;
    let client = client::h2();
    let wanted = request(Method::POST, served.address, "/grpc").header("te", "trailers");
    let response = send(&client, wanted.body(full("message")).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let body = soon(response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "message");

    let wanted = request(Method::GET, served.address, "/head").header("te", "trailers");
    let (_, head) = text(send(&client, wanted.body(empty()).unwrap()).await).await;
    let line = format!("GET /head {} HTTP/2.0\n", served.address);
    assert!(head.starts_with(&line), "{head}");
    assert!(head.contains("\nte: trailers\n"), "{head}");
}

#[tokio::test]
async fn many_calls_share_one_connection_to_the_endpoint() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(H2c, &[upstream.address]).await;
    let client = client::h2();
    let call = |n: usize| {
        let client = client.clone();
        let wanted = request(Method::POST, served.address, "/echo");
        let wanted = wanted.body(full(n.to_string())).unwrap();
        async move { assert_eq!(text(send(&client, wanted).await).await.1, n.to_string()) }
    };
    let calls: Vec<_> = (0..100).map(|n| tokio::spawn(call(n))).collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(upstream.connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_endpoint_that_was_restarted_is_connected_to_again() {
    let upstream = Upstream::start("old").await;
    let served = Served::with(H2c, &[upstream.address]).await;
    let client = client::h2();
    let get = || request(Method::GET, served.address, "/").body(empty()).unwrap();
    assert_eq!(text(send(&client, get()).await).await.1, "old");
    upstream.stop().await;
    let upstream = Upstream::start("new").await;
    served.gateway.set_routes(super::to(H2c, &[upstream.address]));
    assert_eq!(text(send(&client, get()).await).await.1, "new");
}
