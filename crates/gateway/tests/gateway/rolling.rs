//! A rolling update under load loses no request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use sampan_gateway::Protocol::{self, H2c, Http1};

use super::client::{self, Client, full, request, text};
use super::upstream::Upstream;
use super::{Served, soon, to};

const REQUESTS_PER_SECOND: u32 = 1_000;
const CLIENTS: u32 = 16;
const REPLICAS: usize = 3;
const GENERATIONS: usize = 5;

/// Sends requests evenly until told to stop; half are POSTs, which must not be sent twice.
async fn load(client: Client, served: std::net::SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let pause = Duration::from_secs(1) * CLIENTS / REQUESTS_PER_SECOND;
    let mut ticks = tokio::time::interval(pause);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let body = format!("request {sent}");
        let method = if sent % 2 == 0 { Method::POST } else { Method::GET };
        let path = if method == Method::POST { "/echo" } else { "/" };
        let content = if method == Method::POST { full(body.clone()) } else { client::empty() };
        let wanted = request(method.clone(), served, path).body(content).unwrap();
        let response = soon(client.request(wanted)).await.expect("the gateway answers");
        let (status, answer) = text(response).await;
        assert_eq!(status, StatusCode::OK, "{method}: {answer}");
        if method == Method::POST {
            assert_eq!(answer, body);
        }
        sent += 1;
    }
    sent
}

async fn check(protocol: Protocol, client: fn() -> Client) {
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Upstream::start("old").await);
    }
    let addresses = |replicas: &[Upstream]| -> Vec<_> {
        replicas.iter().map(|replica| replica.address).collect()
    };
    let served = Served::with(protocol, &addresses(&replicas)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(load(client(), served.address, stop.clone()))).collect();
    let handled = AtomicUsize::new(0);
    for _ in 0..GENERATIONS * REPLICAS {
        tokio::time::sleep(Duration::from_millis(100)).await;
        replicas.push(Upstream::start("new").await);
        served.gateway.set_routes(to(protocol, &addresses(&replicas)));
        let old = replicas.remove(0);
        served.gateway.set_routes(to(protocol, &addresses(&replicas)));
        soon(served.gateway.released(old.address)).await;
        handled.fetch_add(old.requests(), Ordering::Relaxed);
        old.stop().await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for client in clients {
        sent += soon(client).await.expect("no request was lost");
    }
    let rate = sent as f64 / begun.elapsed().as_secs_f64();
    println!("{sent} requests, {rate:.0} each second");
    assert!(handled.into_inner() > sent / 2, "the replicas that went had their share");
    let counts = &served.gateway.counts()[0];
    assert_eq!(counts.requests, sent as u64);
    assert_eq!(counts.failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_under_load_loses_no_http1_request() {
    check(Http1, client::http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_under_load_loses_no_h2_request() {
    check(H2c, client::h2).await;
}
