//! What nodes and containers use: measured by the node's kubelet API, which counts from the start;
//! how fast that grows is known from two measurements. Nobody measures unless somebody asks.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::error::{ApiError, ApiResult};
use crate::object::text;
use crate::server::Shared;
use crate::table::list;

/// A measurement is compared with one that is at least so old; without one, after so long.
const WINDOW_MIN: Duration = Duration::from_secs(2);
/// And at most so old.
const WINDOW_MAX: Duration = Duration::from_secs(120);
/// Who asks again so soon gets the same answer.
const FRESH: Duration = Duration::from_secs(10);
/// No summary is larger: 4 KiB for each of some thousand pods.
const SUMMARY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What was measured last, and before.
#[derive(Default)]
pub(crate) struct Usage(tokio::sync::Mutex<Option<Round>>);

struct Round {
    latest: Sample,
    rates: Rates,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    cpu_nanos: u64,
    memory_bytes: u64,
}

/// One measurement.
#[derive(Clone)]
struct Sample {
    at: Instant,
    time: Timestamp,
    nodes: BTreeMap<String, Counted>,
    /// By namespace, pod and container.
    containers: BTreeMap<(String, String, String), Counted>,
}

/// How much is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    /// Billionths of a processor.
    pub(super) cpu_nanos: u64,
    pub(super) memory_bytes: u64,
}

/// What is used, over a time.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    pub(super) time: Timestamp,
    pub(super) window: Duration,
    pub(super) nodes: BTreeMap<String, Used>,
    pub(super) containers: BTreeMap<(String, String, String), Used>,
}

impl Usage {
    /// What is used now.
    pub(super) async fn now(&self, shared: &Shared) -> ApiResult<Rates> {
        // Who comes meanwhile waits for the same measurement.
        let mut last = self.0.lock().await;
        if let Some(round) = last.as_ref().filter(|round| round.latest.at.elapsed() < FRESH) {
            return Ok(round.rates.clone());
        }
        let before = match last.take() {
            Some(round) if round.latest.at.elapsed() <= WINDOW_MAX => round.latest,
            _ => {
                let first = Sample::take(shared).await?;
                tokio::time::sleep(WINDOW_MIN).await;
                first
            }
        };
        let latest = Sample::take(shared).await?;
        let rates = Rates::between(&before, &latest);
        *last = Some(Round { latest, rates: rates.clone() });
        Ok(rates)
    }
}

impl Sample {
    async fn take(shared: &Shared) -> ApiResult<Self> {
        let node = shared.node().ok_or_else(|| {
            ApiError::unavailable("the node agent is not running yet; try again in a moment")
        })?;
        let request = Request::get("/stats/summary").body(Body::empty());
        let request = request.expect("a path of our own is valid");
        let response = match node.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (at, time) = (Instant::now(), Timestamp::now());
        let unreadable = || ApiError::unavailable("the node's statistics cannot be read");
        if !response.status().is_success() {
            return Err(unreadable());
        }
        let body = Limited::new(response.into_body(), SUMMARY_BYTES_MAX).collect().await;
        let body = body.map_err(|_| unreadable())?.to_bytes();
        let summary: Value = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        Ok(Self::read(&summary, at, time))
    }

    fn read(summary: &Value, at: Instant, time: Timestamp) -> Self {
        let node = (text(summary, "/node/nodeName").to_owned(), Counted::read(&summary["node"]));
        let mut containers = BTreeMap::new();
        for pod in list(summary, "/pods") {
            for container in list(pod, "/containers") {
                let name = |pointer: &str| text(pod, pointer).to_owned();
                let key = (
                    name("/podRef/namespace"),
                    name("/podRef/name"),
                    text(container, "/name").to_owned(),
                );
                containers.insert(key, Counted::read(container));
            }
        }
        Self { at, time, nodes: BTreeMap::from([node]), containers }
    }
}

impl Counted {
    fn read(stats: &Value) -> Self {
        let number = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        Self {
            cpu_nanos: number("/cpu/usageCoreNanoSeconds"),
            memory_bytes: number("/memory/workingSetBytes"),
        }
    }

    /// `None`: it began anew in between, and nothing is known yet.
    fn since(self, before: Self, window: Duration) -> Option<Used> {
        let grown = u128::from(self.cpu_nanos.checked_sub(before.cpu_nanos)?);
        let nanos = (grown * 1_000_000_000).checked_div(window.as_nanos())?;
        let cpu_nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Some(Used { cpu_nanos, memory_bytes: self.memory_bytes })
    }
}

impl Rates {
    fn between(before: &Sample, after: &Sample) -> Self {
        let window = after.at.duration_since(before.at);
        let nodes = after.nodes.iter().filter_map(|(name, counted)| {
            Some((name.clone(), counted.since(*before.nodes.get(name)?, window)?))
        });
        let containers = after.containers.iter().filter_map(|(key, counted)| {
            Some((key.clone(), counted.since(*before.containers.get(key)?, window)?))
        });
        Self { time: after.time, window, nodes: nodes.collect(), containers: containers.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_used_is_how_fast_the_count_grows() {
        let summary = |cpu: u64| {
            json!({"node": {"nodeName": "n", "cpu": {"usageCoreNanoSeconds": cpu * 2},
                    "memory": {"workingSetBytes": 2048}},
                "pods": [{"podRef": {"namespace": "a", "name": "p"}, "containers": [
                    {"name": "c", "cpu": {"usageCoreNanoSeconds": cpu},
                        "memory": {"workingSetBytes": 1024}}]}]})
        };
        let at = Instant::now();
        let (time, second) = (Timestamp::UNIX_EPOCH, Duration::from_secs(1));
        let before = Sample::read(&summary(1_000), at, time);
        let after = Sample::read(&summary(4_000_001_000), at + 2 * second, time);
        let rates = Rates::between(&before, &after);
        let key = ("a".to_owned(), "p".to_owned(), "c".to_owned());
        let used = Used { cpu_nanos: 2_000_000_000, memory_bytes: 1024 };
        assert_eq!(rates.containers[&key], used);
        assert_eq!(rates.nodes["n"].cpu_nanos, 4_000_000_000);
        // A container that began anew is not known yet.
        assert!(Rates::between(&after, &before).containers.is_empty());
    }
}
