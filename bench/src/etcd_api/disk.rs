//! What is left of many overwrites of few keys: disk and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use etcd::pb::etcdserverpb::kv_client::KvClient;

use super::load::{connect, put};
use super::peer::Peer;
use crate::memory;

/// Writes in all.
pub const OVERWRITES: usize = 1_000_000;
/// Clients that share them.
const CLIENTS: usize = 64;

/// What was used.
pub struct Used {
    pub per_second: f64,
    pub disk_mb: f64,
    pub memory_mb: f64,
}

/// Writes all and looks.
pub async fn run(peer: &Peer) -> anyhow::Result<Used> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CLIENTS {
        let mut kv = KvClient::new(connect(peer.url()).await?);
        let next = next.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= OVERWRITES {
                    return Ok::<_, tonic::Status>(());
                }
                kv.put(put(index)).await?;
            }
        }));
    }
    for task in tasks {
        task.await.context("a client panicked")??;
    }
    Ok(Used {
        per_second: OVERWRITES as f64 / began.elapsed().as_secs_f64(),
        disk_mb: peer.disk_bytes() as f64 / 1e6,
        memory_mb: memory::pss_kb(&[peer.pid()]) as f64 / 1e3,
    })
}
