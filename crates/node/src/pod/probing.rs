//! The tasks that probe one attempt of a container; they end with it.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::check::{self, Action};
use super::probe::{Kind, Settings, Tracker};
use super::restart::{after, until};

/// What a probe has to say to the pod's worker.
#[derive(Debug)]
pub(crate) struct Report {
    pub container: String,
    pub attempt: u32,
    pub kind: Kind,
    /// The new verdict; None when one look failed and nothing changes yet.
    pub verdict: Option<bool>,
    /// What was wrong.
    pub message: String,
}

/// The attempt that is probed.
#[derive(Clone)]
pub(crate) struct Target {
    pub pod: container::Pod,
    pub container: Container,
    pub attempt: u32,
    pub id: String,
    pub address: IpAddr,
    pub since: Timestamp,
}

/// The running probes of an attempt; dropping it ends them.
pub(crate) struct Probes {
    started: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Probes {
    /// Starts the probes of `target`. `started` and `ready` are what was last known.
    pub(crate) fn start(
        target: &Target,
        started: bool,
        ready: bool,
        reports: &mpsc::Sender<Report>,
    ) -> Self {
        let (sender, _) = watch::channel(started);
        let mut tasks = JoinSet::new();
        for kind in [Kind::Startup, Kind::Readiness, Kind::Liveness] {
            let Some(probe) = kind.of(&target.container) else { continue };
            if kind == Kind::Startup && started {
                continue;
            }
            let verdict = match kind {
                Kind::Startup => false,
                Kind::Readiness => ready,
                Kind::Liveness => true,
            };
            let settings = Settings::of(probe);
            let task = Task {
                kind,
                action: Action::of_probe(probe, &target.container, target.address)
                    .map_err(|error| error.to_string()),
                tracker: Tracker::new(kind, settings.clone(), verdict),
                settings,
                target: target.clone(),
                reports: reports.clone(),
            };
            tasks.spawn(task.run(sender.subscribe()));
        }
        Self { started: sender, _tasks: tasks }
    }

    /// Lets readiness and liveness probes begin.
    pub(crate) fn container_started(&self) {
        self.started.send_replace(true);
    }
}

struct Task {
    kind: Kind,
    action: Result<Action, String>,
    settings: Settings,
    tracker: Tracker,
    target: Target,
    reports: mpsc::Sender<Report>,
}

impl Task {
    async fn run(mut self, mut started: watch::Receiver<bool>) {
        if self.kind != Kind::Startup && started.wait_for(|started| *started).await.is_err() {
            return;
        }
        let first = after(self.target.since, self.settings.initial_delay);
        tokio::time::sleep(until(Timestamp::now(), first)).await;
        loop {
            let found = self.look().await;
            let verdict = self.tracker.record(found.is_ok());
            if self.report(verdict, found).await.is_err() {
                return;
            }
            if self.kind == Kind::Startup && verdict == Some(true) {
                return;
            }
            tokio::time::sleep(self.tracker.wait()).await;
        }
    }

    async fn look(&self) -> Result<(), String> {
        let action = self.action.as_ref().map_err(Clone::clone)?;
        let place = check::Place { pod: &self.target.pod, container: &self.target.id };
        check::run(action, Some(place), self.settings.timeout).await
    }

    /// Failures are told even when they change nothing: they make an event.
    async fn report(
        &self,
        verdict: Option<bool>,
        found: Result<(), String>,
    ) -> Result<(), mpsc::error::SendError<Report>> {
        if verdict.is_none() && (found.is_ok() || self.is_young()) {
            return Ok(());
        }
        let report = Report {
            container: self.target.container.name.clone(),
            attempt: self.target.attempt,
            kind: self.kind,
            verdict,
            message: found.err().unwrap_or_default(),
        };
        self.reports.send(report).await
    }

    /// A container just started is not yet expected to answer: no event about that.
    fn is_young(&self) -> bool {
        let age = Timestamp::now().duration_since(self.target.since);
        Duration::try_from(age).is_ok_and(|age| age < self.settings.period)
            && self.kind != Kind::Liveness
    }
}
