//! The Kubernetes API over TLS and HTTP/2, with authentication, authorization, admission, validation and
//! managed fields on, as every request has them.
//!
//! The same client measures another server by its kubeconfig. What a real kube-apiserver 1.36 with
//! etcd 3.6 does on such a machine was given with the goal; it stands beside ours as given.

mod client;
mod fan_out;
mod load;
mod objects;
mod rules;

use std::path::Path;

use anyhow::Context;
use client::Server;
pub use load::Kind;
use load::Measured;

use crate::boat::Boat;
use crate::memory;
use crate::table::{Table, median};

/// Rounds of each load; the numbers are medians over them.
const ROUNDS: usize = 3;
/// Clients of the loads, each with a connection of its own.
const CLIENTS: [usize; 2] = [1, 16];
/// Objects of 2 KiB whose memory is measured.
const MANY: usize = 10_000;
/// What a kube-apiserver does at 16 clients, as it was given: requests per second.
const GIVEN: &str = "kube-apiserver (given)";

/// Our server.
pub fn ours(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    ours_by(binary, None, table)
}

/// Our server by one load, or by all there is.
pub fn ours_by(binary: &Path, load: Option<Kind>, table: &mut Table) -> anyhow::Result<()> {
    let mut boat = Boat::new(binary)?;
    boat.start()?;
    measure(&Server::new(&boat.data().join("kubeconfig"), vec![boat.pid()])?, load, table)
}

/// Another one, whose processes run on this machine.
pub fn another(
    kubeconfig: &Path,
    pids: Vec<u32>,
    load: Option<Kind>,
    table: &mut Table,
) -> anyhow::Result<()> {
    measure(&Server::new(kubeconfig, pids)?, load, table)
}

fn measure(server: &Server, only: Option<Kind>, table: &mut Table) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        objects::prepare(server).await.context("make what is asked for")?;
        if let Some(kind) = only {
            for clients in CLIENTS {
                load(server, kind, clients, table).await.context("measure a load")?;
            }
            return objects::remove(server).await.context("remove what was made");
        }
        // First, while nothing has been freed that would be taken again.
        for watchers in [16, 1_000] {
            fan_out(server, watchers, table).await.context("measure watches")?;
        }
        many(server, table).await.context("measure the memory of objects")?;
        for kind in Kind::ALL {
            for clients in CLIENTS {
                load(server, kind, clients, table).await.context("measure a load")?;
            }
        }
        rules::measure(server, table).await.context("measure rules")?;
        objects::remove(server).await.context("remove what was made")
    })
}

async fn load(
    server: &Server,
    kind: Kind,
    clients: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        all.push(load::run(server, kind, clients).await?);
    }
    let plural = if clients == 1 { "" } else { "s" };
    let what = format!("API: {kind}, {clients} client{plural}");
    rows(table, &what, &all, if clients == 16 { kind.given() } else { None });
    Ok(())
}

/// Requests per second, percentiles, and what a request costs the server.
fn rows(table: &mut Table, what: &str, all: &[Measured], given: Option<load::Given>) {
    let of = |value: fn(&Measured) -> f64| median(all.iter().map(value).collect());
    let mut row = |name: &str, unit: &str, value: f64, given: Option<f64>| match given {
        Some(given) => table.beside(&format!("{what}{name}"), unit, value, (GIVEN, given)),
        None => table.alone(&format!("{what}{name}"), shown(value, unit)),
    };
    row("", "/s", of(|m| m.per_second), given.and_then(|given| given.per_second));
    row(": p50", "ms", of(|m| m.p50_ms), given.and_then(|given| given.p50_ms));
    row(": p99", "ms", of(|m| m.p99_ms), given.and_then(|given| given.p99_ms));
    row(": CPU of the server", "ms", of(|m| m.cpu_ms), given.and_then(|given| given.cpu_ms));
}

fn shown(value: f64, unit: &str) -> String {
    format!("{value:.*} {unit}", if value < 10.0 { 2 } else { 0 })
}

/// What objects cost beside what the server takes without them.
async fn many(server: &Server, table: &mut Table) -> anyhow::Result<()> {
    let before = memory::pss_kb(server.pids());
    objects::fill(server, objects::MANY, MANY, 2 * 1024).await?;
    objects::settle().await;
    let after = memory::pss_kb(server.pids());
    let mb = |kb: u64| format!("{:.1} MB", kb as f64 / 1024.0);
    table.alone("API: memory before (PSS)", mb(before));
    table.alone(&format!("API: memory with {MANY} objects of 2 KiB (PSS)"), mb(after));
    let each = after.saturating_sub(before) as f64 / MANY as f64;
    table.alone("API: memory per object of 2 KiB", format!("{each:.1} KiB"));
    objects::empty(server, objects::MANY).await
}

async fn fan_out(server: &Server, watchers: usize, table: &mut Table) -> anyhow::Result<()> {
    let times = fan_out::run(server, watchers).await?;
    let what = format!("API: patch to event, {watchers} watchers");
    table.alone(&format!("{what}: p50"), shown(times.p50_ms, "ms"));
    table.alone(&format!("{what}: p99"), shown(times.p99_ms, "ms"));
    table.alone(&format!("{what}: memory per watcher (PSS)"), shown(times.watcher_kb, "KiB"));
    Ok(())
}
