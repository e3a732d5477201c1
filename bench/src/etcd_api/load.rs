//! Closed loops: each client asks, waits for the answer and asks again.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::etcdserverpb::{LeaseGrantRequest, PutRequest, RangeRequest};
use tonic::transport::{Channel, Endpoint};

/// How long one round measures, and how long it runs before that.
const MEASURED: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
/// Keys and the size of their values.
pub const KEYS: usize = 1_000;
pub const VALUE: usize = 256;
/// Leases end long after the run, so that their end is not part of it.
const LEASE_SECONDS: i64 = 3_600;

/// What the clients ask for.
#[derive(Clone, Copy)]
pub enum Kind {
    Put,
    Get,
    RangeOf1000,
    LeaseGrant,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Put => "durable put of 256 bytes",
            Kind::Get => "get",
            Kind::RangeOf1000 => "range of 1,000 keys",
            Kind::LeaseGrant => "lease grant",
        })
    }
}

/// What came of a round.
pub struct Measured {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// A connection of its own to a peer.
pub async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("connect to {url}"))
}

/// The name of key number `index`.
pub fn key(index: usize) -> String {
    format!("bench/{:08}", index % KEYS)
}

/// One round.
pub async fn run(url: &str, kind: Kind, clients: usize) -> anyhow::Result<Measured> {
    if !matches!(kind, Kind::Put | Kind::LeaseGrant) {
        fill(url).await?;
    }
    let mut channels = Vec::new();
    for _ in 0..clients {
        channels.push(connect(url).await?);
    }
    let began = Instant::now() + WARM_UP;
    let tasks: Vec<_> = channels
        .into_iter()
        .enumerate()
        .map(|(number, channel)| tokio::spawn(client(channel, kind, number * 7919, began)))
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.context("a client panicked")??);
    }
    Ok(Measured {
        per_second: times.len() as f64 / MEASURED.as_secs_f64(),
        p50_ms: percentile(&mut times, 50),
        p99_ms: percentile(&mut times, 99),
    })
}

/// Every key once.
async fn fill(url: &str) -> anyhow::Result<()> {
    let mut kv = KvClient::new(connect(url).await?);
    for index in 0..KEYS {
        kv.put(put(index)).await?;
    }
    Ok(())
}

/// A put of key number `index`.
pub fn put(index: usize) -> PutRequest {
    let value = vec![b'a' + (index % 26) as u8; VALUE];
    PutRequest { key: key(index).into(), value: value.into(), ..PutRequest::default() }
}

/// How long each request took that began and ended in the measured time.
async fn client(
    channel: Channel,
    kind: Kind,
    mut index: usize,
    began: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let (mut kv, mut leases) = (KvClient::new(channel.clone()), LeaseClient::new(channel));
    let mut times = Vec::new();
    loop {
        let asked = Instant::now();
        if asked >= began + MEASURED {
            return Ok(times);
        }
        match kind {
            Kind::Put => drop(kv.put(put(index)).await?),
            Kind::Get => drop(kv.range(get(index)).await?),
            Kind::RangeOf1000 => drop(kv.range(all()).await?),
            Kind::LeaseGrant => {
                let request = LeaseGrantRequest { ttl: LEASE_SECONDS, id: 0 };
                drop(leases.lease_grant(request).await?);
            }
        }
        index = index.wrapping_add(1);
        let answered = Instant::now();
        if asked >= began && answered < began + MEASURED {
            times.push(answered - asked);
        }
    }
}

fn get(index: usize) -> RangeRequest {
    RangeRequest { key: key(index).into(), ..RangeRequest::default() }
}

fn all() -> RangeRequest {
    let (key, range_end) = ("bench/".into(), "bench0".into());
    RangeRequest { key, range_end, limit: KEYS as i64, ..RangeRequest::default() }
}

/// In milliseconds; the times are sorted on the way.
pub fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
