//! Closed loops: each client asks, waits for the whole reply and asks again.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::client::{Ask, Connection, Server};
use super::objects::{self, BYTES, CHANGED, CHANGED_COUNT, CREATED, READ, READ_COUNT, name, path};
use crate::memory;

/// How long one round measures, and how long it runs before that.
const MEASURED: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);
/// The kernel counts CPU time in these.
const MS_PER_TICK: f64 = 10.0;

/// What the clients ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Create,
    Get,
    ListOf1000,
    MergePatch,
    Apply,
}

/// What was given of another server.
#[derive(Clone, Copy, Default)]
pub struct Given {
    pub per_second: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub cpu_ms: Option<f64>,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Create, Self::Get, Self::ListOf1000, Self::MergePatch, Self::Apply];

    /// What the command line calls it.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        const NAMES: [&str; 5] = ["create", "get", "list", "patch", "apply"];
        let found = NAMES.iter().position(|known| *known == name);
        let found = found.map(|at| Self::ALL[at]);
        found
            .with_context(|| format!("there is no load '{name}': give one of {}", NAMES.join(", ")))
    }

    /// A kube-apiserver 1.36 with etcd 3.6 at 16 clients over HTTP/2 on such a machine.
    pub fn given(self) -> Option<Given> {
        let rate = |per_second| Given { per_second: Some(per_second), ..Given::default() };
        match self {
            Self::Create => Some(Given { p99_ms: Some(26.0), cpu_ms: Some(0.9), ..rate(1_934.0) }),
            Self::Get => Some(rate(4_400.0)),
            Self::MergePatch => Some(rate(1_499.0)),
            Self::Apply => Some(rate(1_285.0)),
            // Of one client, and that alone was given: 14 ms.
            Self::ListOf1000 => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create of 1 KiB",
            Self::Get => "get",
            Self::ListOf1000 => "list of 1,000",
            Self::MergePatch => "merge patch",
            Self::Apply => "server-side apply",
        })
    }
}

/// What came of a round.
pub struct Measured {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// CPU time of the server for each request.
    pub cpu_ms: f64,
}

/// One round as the kubeconfig's user.
pub async fn run(server: &Server, kind: Kind, clients: usize) -> anyhow::Result<Measured> {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(server.connect().await?);
    }
    let measured = run_on(server, kind, connections).await?;
    if kind == Kind::Create {
        objects::empty(server, CREATED).await?;
    }
    Ok(measured)
}

/// One round over these connections.
pub async fn run_on(
    server: &Server,
    kind: Kind,
    connections: Vec<Connection>,
) -> anyhow::Result<Measured> {
    let began = Instant::now() + WARM_UP;
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| tokio::spawn(client(connection, kind, number * 31, began)))
        .collect();
    tokio::time::sleep_until(began.into()).await;
    let before = memory::cpu_ticks(server.pids());
    tokio::time::sleep_until((began + MEASURED).into()).await;
    let used = memory::cpu_ticks(server.pids()).saturating_sub(before);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.context("a client panicked")??);
    }
    Ok(Measured {
        per_second: times.len() as f64 / MEASURED.as_secs_f64(),
        p50_ms: percentile(&mut times, 50),
        p99_ms: percentile(&mut times, 99),
        cpu_ms: used as f64 * MS_PER_TICK / times.len() as f64,
    })
}

/// How long each request took that began and ended in the measured time.
async fn client(
    mut connection: Connection,
    kind: Kind,
    mut index: usize,
    began: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    loop {
        let request = Prepared::new(kind, index);
        let asked = Instant::now();
        if asked >= began + MEASURED {
            return Ok(times);
        }
        connection.ask(request.ask()).await?;
        let answered = Instant::now();
        index += 1;
        if asked >= began && answered < began + MEASURED {
            times.push(answered - asked);
        }
    }
}

/// No two objects that are created have the same name, and no two changes are the same.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A request that only has to be sent.
struct Prepared {
    method: &'static str,
    path: String,
    media: &'static str,
    body: String,
}

impl Prepared {
    fn new(kind: Kind, index: usize) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let read = || format!("{}/{}", path(READ), name(index % READ_COUNT));
        let changed = name(index % CHANGED_COUNT);
        let get =
            |path| Self { method: "GET", path, media: "application/json", body: String::new() };
        match kind {
            Kind::Get => get(read()),
            Kind::ListOf1000 => get(path(READ)),
            Kind::Create => Self {
                method: "POST",
                path: path(CREATED),
                media: "application/json",
                body: objects::object(&format!("created-{number}"), BYTES),
            },
            Kind::MergePatch => Self {
                method: "PATCH",
                path: format!("{}/{changed}", path(CHANGED)),
                media: "application/merge-patch+json",
                body: json!({"data": {"number": number.to_string()}}).to_string(),
            },
            Kind::Apply => Self {
                method: "PATCH",
                path: format!("{}/{changed}?fieldManager=bench-apply&force=true", path(CHANGED)),
                media: "application/apply-patch+yaml",
                body: json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": changed, "labels": {"applied": "yes"}},
                    "data": {"applied": number.to_string()},
                })
                .to_string(),
            },
        }
    }

    fn ask(&self) -> Ask<'_> {
        let body = self.body.clone().into();
        Ask { method: self.method, path: &self.path, media: self.media, body }
    }
}

/// In milliseconds; the times are sorted on the way.
pub fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
