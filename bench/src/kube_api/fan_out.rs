//! One object, many watchers: how long after a patch was sent each of them has its event.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::client::{Ask, Connection, Server};
use super::load::percentile;
use super::objects::{self, WATCHED, name, path};
use crate::memory;

/// Watches on one connection: fewer than any server lets a client have.
const WATCHES_PER_CONNECTION: usize = 50;
/// Events that all watchers together wait for, roughly.
const EVENTS: usize = 20_000;
/// At most so many patches, one after the other.
const PATCHES_MAX: usize = 200;
/// How long an event may take.
const EVENT_MAX: Duration = Duration::from_secs(30);

/// What came of it.
pub struct Times {
    /// From the patch's sending to an event's arrival, over all watchers and patches.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// What a watcher takes of the server's memory, its part of the connection too.
    pub watcher_kb: f64,
}

/// One run.
pub async fn run(server: &Server, watchers: usize) -> anyhow::Result<Times> {
    let before = memory::pss_kb(server.pids());
    let mut connection = server.connect().await?;
    let revision = revision(&mut connection).await?;
    let (arrived, mut arrivals) = mpsc::channel(watchers);
    let mut tasks = Vec::new();
    let mut shared = connection.clone();
    for index in 0..watchers {
        if index % WATCHES_PER_CONNECTION == 0 {
            shared = server.connect().await?;
        }
        let body = watch(&mut shared, &revision).await?;
        tasks.push(tokio::spawn(follow(body, arrived.clone())));
    }
    drop(arrived);
    let patches = (EVENTS / watchers).clamp(1, PATCHES_MAX);
    let mut times = Vec::new();
    for number in 0..patches {
        let sent = Instant::now();
        patch(&mut connection, number).await?;
        for _ in 0..watchers {
            let arrival = tokio::time::timeout(EVENT_MAX, arrivals.recv()).await;
            let at: Instant = arrival.context("an event never came")?.context("a watch ended")?;
            times.push(at.saturating_duration_since(sent));
        }
    }
    objects::settle().await;
    let grown = memory::pss_kb(server.pids()).saturating_sub(before);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(Times {
        p50_ms: percentile(&mut times, 50),
        p99_ms: percentile(&mut times, 99),
        watcher_kb: grown as f64 / watchers as f64,
    })
}

async fn revision(connection: &mut Connection) -> anyhow::Result<String> {
    let list = connection.ask(Ask::get(&path(WATCHED))).await?;
    let list: Value = serde_json::from_slice(&list)?;
    Ok(list["metadata"]["resourceVersion"].as_str().context("a list without a version")?.to_owned())
}

async fn watch(connection: &mut Connection, revision: &str) -> anyhow::Result<Incoming> {
    let path = format!("{}?watch=true&resourceVersion={revision}", path(WATCHED));
    let reply = connection.send(Ask::get(&path)).await?;
    if !reply.status().is_success() {
        bail!("the watch was refused: {}", reply.status());
    }
    Ok(reply.into_body())
}

async fn patch(connection: &mut Connection, number: usize) -> anyhow::Result<()> {
    let path = format!("{}/{}", path(WATCHED), name(0));
    let body = json!({"data": {"number": number.to_string()}}).to_string();
    let media = "application/merge-patch+json";
    let ask = Ask { method: "PATCH", path: &path, media, body: body.into() };
    connection.ask(ask).await.map(drop)
}

/// Tells when each event was there as a whole.
async fn follow(mut body: Incoming, arrived: mpsc::Sender<Instant>) {
    while let Some(Ok(frame)) = body.frame().await {
        let at = Instant::now();
        let Ok(data) = frame.into_data() else { continue };
        for _ in data.iter().filter(|byte| **byte == b'\n') {
            if arrived.send(at).await.is_err() {
                return;
            }
        }
    }
}
