//! How a listener ends.

use http::StatusCode;
use sampan_gateway::{Drained, Protocol::Http1};
use tokio::net::TcpStream;

use super::client::get;
use super::upstream::Upstream;
use super::{Served, soon, to};

#[tokio::test]
async fn requests_under_way_are_finished_and_new_connections_refused() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let address = served.address;
    let slow = tokio::spawn(get(address, "x", "/slow"));
    let arrived = async {
        while upstream.requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    assert_eq!(served.stop().await, Drained::Complete);
    assert_eq!(soon(slow).await.unwrap(), (StatusCode::OK, "a".into()));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_it_up() {
    let served = Served::with(Http1, &[]).await;
    let _silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(served.stop().await, Drained::Complete);
}

#[tokio::test]
async fn an_endpoint_is_released_when_it_left_and_its_requests_are_through() {
    let upstream = Upstream::start("a").await;
    let served = Served::with(Http1, &[upstream.address]).await;
    let slow = tokio::spawn(get(served.address, "x", "/never"));
    let arrived = async {
        while upstream.requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(arrived).await;
    served.gateway.set_routes(to(Http1, &[]));
    // Another change meanwhile does not make the gateway forget what is under way.
    served.gateway.set_routes(to(Http1, &[]));
    let released = served.gateway.released(upstream.address);
    tokio::pin!(released);
    assert!(futures::poll!(released.as_mut()).is_pending());
    slow.abort();
    soon(released).await;
    soon(served.gateway.released(upstream.address)).await;
}
