//! The server as a whole: start, memory and CPU at rest, pods from apply to ready.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::TryStreamExt;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;

use crate::boat::{Boat, PATIENCE};
use crate::table::{Table, median};
use crate::{memory, workspace};

/// How often the server is started.
const STARTS: usize = 11;
/// How often one pod is made alone.
const PODS_ALONE: usize = 11;
/// How many pods are made at once.
const PODS_AT_ONCE: usize = 30;
/// How long CPU use is watched at rest.
const REST: Duration = Duration::from_secs(20);
/// What a moment of start-up leaves to settle before memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// All of it.
pub fn all(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    start_to_ready(binary, table)?;
    idle_and_apply(binary, table)?;
    shop(binary, table)
}

/// Start of the process to ready, on a fresh data directory and on one that is known.
fn start_to_ready(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut first = Vec::new();
    let mut again = Vec::new();
    for _ in 0..STARTS {
        let mut boat = Boat::new(binary)?;
        first.push(boat.start()?.as_secs_f64() * 1000.0);
        boat.sampan(&["stop"])?;
        again.push(boat.start()?.as_secs_f64() * 1000.0);
    }
    table.alone("start to ready, fresh data directory", format!("{:.0} ms", median(first)));
    table.alone("start to ready, known data directory", format!("{:.0} ms", median(again)));
    Ok(())
}

/// Idle memory and CPU with 0 and 10 pods, and the time from creating a pod to its readiness.
fn idle_and_apply(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut boat = Boat::new(binary)?;
    boat.start()?;
    let echo = workspace().join("sampan/tests/fixtures/echo");
    boat.sampan(&["build", echo.to_str().context("a path in UTF-8")?, "--tag", "echo:1"])?;
    at_rest(&boat, "0 pods", table);
    let alone: Vec<f64> = (0..PODS_ALONE)
        .map(|i| until_ready(&boat, &format!("alone{i}"), 1))
        .collect::<Result<_, _>>()?;
    table.alone("pod created to Ready, alone", format!("{:.0} ms", median(alone)));
    boat.kubectl(&["delete", "pods", "--all", "--wait"])?;
    let many = until_ready(&boat, "many", PODS_AT_ONCE)?;
    table.alone("30 pods created at once to all Ready", format!("{many:.0} ms"));
    boat.kubectl(&["delete", "pods", "--all", "--wait"])?;
    until_ready(&boat, "rest", 10)?;
    at_rest(&boat, "10 pods", table);
    Ok(())
}

fn at_rest(boat: &Boat, with: &str, table: &mut Table) {
    std::thread::sleep(SETTLE);
    let own = memory::own_processes(boat.pid(), &boat.run_dir());
    let before = memory::cpu_ticks(&own);
    std::thread::sleep(REST);
    let used = memory::cpu_ticks(&own).saturating_sub(before);
    let percent = used as f64 / REST.as_secs_f64();
    let megabytes = memory::pss_kb(&own) as f64 / 1024.0;
    table.alone(
        &format!("idle memory, {with} (PSS, server and shims)"),
        format!("{megabytes:.1} MB"),
    );
    table.alone(&format!("idle CPU, {with}"), format!("{percent:.2} % of a core"));
}

/// Creates pods at once and watches them. Returns the milliseconds until all were Ready.
fn until_ready(boat: &Boat, name: &str, count: usize) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = boat.client().await?;
        let pods: Api<Pod> = Api::default_namespaced(client);
        let watched = watcher::Config::default().labels(&format!("run={name}"));
        let events = watcher(pods.clone(), watched).default_backoff().applied_objects();
        let mut events = std::pin::pin!(events);
        let began = Instant::now();
        let made = (0..count).map(|i| create(&pods, format!("{name}-{i}")));
        try_join_all(made).await?;
        let mut ready = BTreeSet::new();
        while ready.len() < count {
            let pod = tokio::time::timeout(PATIENCE, events.try_next()).await??;
            let pod = pod.context("the watch ended")?;
            if is_ready(&pod) {
                ready.insert(pod.metadata.name);
            }
        }
        Ok(began.elapsed().as_secs_f64() * 1000.0)
    })
}

async fn create(pods: &Api<Pod>, name: String) -> anyhow::Result<Pod> {
    let pod = serde_json::from_value(pod(&name)).context("read our own manifest")?;
    pods.create(&PostParams::default(), &pod).await.context("create a pod")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn pod(name: &str) -> Value {
    let run = name.rsplit_once('-').map_or(name, |(run, _)| run);
    serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"run": run}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "echo", "image": "echo:1"}]},
    })
}

/// The example app: what it takes at rest.
fn shop(binary: &Path, table: &mut Table) -> anyhow::Result<()> {
    let mut boat = Boat::new(binary)?;
    boat.start()?;
    let shop = workspace().join("examples/shop");
    boat.sampan(&["up", shop.to_str().context("a path in UTF-8")?])?;
    at_rest(&boat, "the shop", table);
    Ok(())
}
