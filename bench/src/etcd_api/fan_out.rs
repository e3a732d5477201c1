//! One key, many watchers: how long after a put was sent each of them has the event.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::watch_client::WatchClient;
use etcd::pb::etcdserverpb::{WatchCreateRequest, WatchRequest, watch_request::RequestUnion};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::load::{connect, percentile, put};

/// How many watch the key, each over a connection of its own.
pub const WATCHERS: usize = 100;
/// Puts that are waited for, one after the other.
const PUTS: usize = 100;
/// How long an event may take.
const EVENT_MAX: Duration = Duration::from_secs(10);

/// From the put's sending to an event's arrival, over all watchers and puts.
pub struct Times {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// One round.
pub async fn run(url: &str) -> anyhow::Result<Times> {
    let (arrived, mut arrivals) = mpsc::channel(WATCHERS);
    for _ in 0..WATCHERS {
        watch(url, arrived.clone()).await?;
    }
    let mut kv = KvClient::new(connect(url).await?);
    let mut times = Vec::new();
    for _ in 0..PUTS {
        let sent = Instant::now();
        kv.put(put(0)).await?;
        for _ in 0..WATCHERS {
            let arrival = tokio::time::timeout(EVENT_MAX, arrivals.recv()).await;
            let at: Instant = arrival.context("an event never came")?.context("no watcher left")?;
            times.push(at.saturating_duration_since(sent));
        }
    }
    Ok(Times { p50_ms: percentile(&mut times, 50), p99_ms: percentile(&mut times, 99) })
}

/// Watches the key and tells when each event comes; returns when the watch is there.
async fn watch(url: &str, arrived: mpsc::Sender<Instant>) -> anyhow::Result<()> {
    let mut client = WatchClient::new(connect(url).await?);
    let create = WatchCreateRequest { key: put(0).key, ..WatchCreateRequest::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // The watch lives for as long as its requests may come.
    let requests = stream::once(async { create }).chain(stream::pending());
    let mut replies = client.watch(requests).await?.into_inner();
    let created = replies.message().await?.context("the watch ended")?;
    if !created.created {
        bail!("the watch was not created: {}", created.cancel_reason);
    }
    tokio::spawn(async move {
        while let Ok(Some(reply)) = replies.message().await {
            let at = Instant::now();
            for _ in &reply.events {
                if arrived.send(at).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}
