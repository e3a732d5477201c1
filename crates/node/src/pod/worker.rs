//! The worker of one pod: looks at what is, decides, acts, reports; again at every change.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use container::Found;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::plan::{Plan, Step, plan};
use super::probing::{Probes, Report};
use super::references::References;
use super::resize::{self, Resize};
use super::restart::after;
use super::sandbox::{Retry, Sandbox};
use super::start::Hooked;
use super::state::{self, Slot, Waiting};
use super::status::Outcome;
use super::supply::Tokens;
use super::{ephemeral, unsupported};
use crate::events::Level;
use crate::pods::{Live, Update};
use crate::shared::{Shared, lock};

/// Reports of probes that wait for the worker.
const REPORTS_LEN_MAX: usize = 32;
/// The wait after volumes could not be brought up to date.
const SUPPLY_RETRY: Duration = Duration::from_secs(10);
/// The grace period of a pod that takes more than it may.
const EVICTION_GRACE: Duration = Duration::from_secs(1);

/// One pod's worker.
pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    /// The newest object known: an event's, or what a status patch answered.
    pub pod: Arc<Pod>,
    pub uid: String,
    pub slots: Vec<Slot>,
    pub sandbox: Option<Sandbox>,
    /// Kept after it has been given back: a finished pod's status still shows it.
    pub address: Option<Ipv4Addr>,
    pub address_held: bool,
    pub initialized: bool,
    pub start_time: Timestamp,
    pub outcome: Option<Outcome>,
    pub terminating: bool,
    pub probes: HashMap<String, Probes>,
    pub reports: mpsc::Sender<Report>,
    /// Hooks and endings of single containers; they stop with the worker.
    pub jobs: JoinSet<Option<Hooked>>,
    pub tokens: Tokens,
    /// When a failed start of the sandbox is tried again.
    pub retry: Retry,
    /// How far a change of its resources is.
    pub resize: Resize,
    /// The limits of the pod as a whole that are in force; None when that is not known.
    pub group: Option<container::Resources>,
    /// When a failed status write is tried again.
    pub status_retry: Option<Timestamp>,
    pub updates: watch::Receiver<Update>,
    pub live: Arc<Mutex<Live>>,
    pub wake: Arc<Notify>,
    pub reported: mpsc::Receiver<Report>,
    unsupported: Vec<String>,
    /// Fields that change nothing here, until that has been told.
    ignored: Vec<String>,
    /// When the space the pod takes is measured next.
    pub measure_at: Option<Timestamp>,
    /// Volumes are to be brought up to date, not before `supply_at`.
    pub stale: bool,
    pub supply_at: Option<Timestamp>,
}

/// What a step leads to.
pub(crate) enum Next {
    /// Wait for something to happen, or for this instant.
    Wait(Option<Timestamp>),
    /// The pod is gone, here and in the API.
    Over,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        pod: Arc<Pod>,
        updates: watch::Receiver<Update>,
        wake: Arc<Notify>,
        live: Arc<Mutex<Live>>,
    ) -> Self {
        let now = Timestamp::now();
        let status = pod.status.clone().unwrap_or_default();
        let (reports, reported) = mpsc::channel(REPORTS_LEN_MAX);
        Self {
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            slots: state::slots(&pod, now),
            sandbox: None,
            address: status.pod_ip.as_deref().and_then(|ip| ip.parse().ok()),
            address_held: false,
            initialized: false,
            start_time: status.start_time.map_or(now, |time| time.0),
            outcome: match status.phase.as_deref() {
                Some(phase @ ("Succeeded" | "Failed")) => Some(Outcome {
                    succeeded: phase == "Succeeded",
                    reason: status.reason,
                    message: status.message,
                }),
                _ => None,
            },
            terminating: false,
            probes: HashMap::new(),
            reports,
            jobs: JoinSet::new(),
            tokens: Tokens::default(),
            retry: Retry::default(),
            resize: Resize::of(&pod),
            group: None,
            status_retry: None,
            updates,
            live,
            wake,
            reported,
            unsupported: unsupported::fields(&pod),
            ignored: unsupported::ignored(&pod),
            measure_at: None,
            stale: true,
            supply_at: None,
            shared,
            pod,
        }
    }

    /// Lives until the pod is gone.
    pub(crate) async fn run(mut self, found: Option<Found>) {
        self.adopt(found).await;
        while let Next::Wait(wake) = self.step().await {
            self.wait(wake).await;
        }
        self.shared.registry.remove(&self.uid);
    }

    async fn step(&mut self) -> Next {
        let update = self.updates.borrow_and_update().clone();
        match update {
            Update::Gone => return self.vanish().await,
            Update::Present(pod) => self.take(pod),
        }
        if self.pod.metadata.deletion_timestamp.is_some() {
            return self.terminate().await;
        }
        self.observe().await;
        let mut wake = None;
        if self.outcome.is_some() {
            // Over before this server started, or its end was interrupted.
            self.clear().await;
        } else if let Some(outcome) = self.past_deadline() {
            let message = outcome.message.clone().unwrap_or_default();
            self.note(None, Level::Normal, "DeadlineExceeded", message);
            self.finish(outcome, self.spec_grace()).await;
        } else if let Some(outcome) = self.over_limit().await {
            let message = outcome.message.clone().unwrap_or_default();
            self.note(None, Level::Warning, "Evicted", message);
            self.finish(outcome, EVICTION_GRACE).await;
        } else {
            wake = self.advance().await;
        }
        // Who reads in the status that a container runs may attach to it at once.
        self.show();
        self.write_status().await;
        Next::Wait(self.earliest(wake))
    }

    /// Takes a newer object over; one older than what a patch answered is not.
    fn take(&mut self, pod: Arc<Pod>) {
        let version = |pod: &Pod| {
            pod.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok())
        };
        if version(&pod) < version(&self.pod) {
            return;
        }
        for added in ephemeral::all(&pod) {
            if !self.slots.iter().any(|slot| slot.name == added.name) {
                self.slots.push(Slot::ephemeral(&added.name));
                lock(&self.live).references = References::of(&pod);
            }
        }
        let shown = |pod: &Pod| (pod.metadata.labels.clone(), pod.metadata.annotations.clone());
        self.stale |= shown(&pod) != shown(&self.pod);
        self.pod = pod;
    }

    /// Takes all steps that are due; says when the next is.
    async fn advance(&mut self) -> Option<Timestamp> {
        if !self.unsupported.is_empty() {
            self.refuse();
            return None;
        }
        self.tell_ignored();
        let resize = self.make_room().await;
        let next = self.go_on().await;
        [resize, next].into_iter().flatten().min()
    }

    /// The same, once resources are as they are to be.
    async fn go_on(&mut self) -> Option<Timestamp> {
        self.renew();
        let mut acted = false;
        loop {
            let now = Timestamp::now();
            match plan(&self.slots, &mut self.initialized, now) {
                Plan::Finished { succeeded } => {
                    let outcome = Outcome { succeeded, reason: None, message: None };
                    self.finish(outcome, self.spec_grace()).await;
                    return None;
                }
                Plan::Go { steps, wake } if steps.is_empty() => {
                    if acted {
                        self.observe().await;
                    }
                    self.refresh().await;
                    return wake;
                }
                Plan::Go { steps, .. } => {
                    if self.retry.not_before.is_some_and(|at| at > now) {
                        return self.retry.not_before;
                    }
                    if self.sandbox.is_none() && !self.start_sandbox().await {
                        return self.retry.not_before;
                    }
                    self.act(&steps).await;
                    acted = true;
                }
            }
        }
    }

    async fn act(&mut self, steps: &[Step]) {
        for step in steps {
            match *step {
                Step::Create(index) => self.create(index).await,
                // The plan that follows waits for the hook of the one before.
                Step::Start(index) if self.slots[..index].iter().any(|slot| slot.hooking) => return,
                Step::Start(index) => self.start(index).await,
            }
        }
    }

    /// Tells, once, which fields change nothing here.
    fn tell_ignored(&mut self) {
        let fields = std::mem::take(&mut self.ignored);
        if !fields.is_empty() {
            let message = format!("not acted on by this node: {}", fields.join(", "));
            self.note(None, Level::Warning, "FieldIgnored", message);
        }
    }

    /// Tells which fields stand in the way; the pod waits for ever.
    fn refuse(&mut self) {
        let message = format!("not supported by this node: {}", self.unsupported.join(", "));
        if self.slots.iter().any(|slot| slot.problem.is_none()) {
            self.note(None, Level::Warning, "UnsupportedField", message.clone());
        }
        for slot in &mut self.slots {
            slot.problem = Some(Waiting { reason: "UnsupportedField", message: message.clone() });
        }
    }

    /// Brings the volumes up to date when something they show has changed.
    async fn refresh(&mut self) {
        let now = Timestamp::now();
        let due = self.stale || self.tokens.due(now);
        if self.sandbox.is_none() || !due || self.supply_at.is_some_and(|at| at > now) {
            return;
        }
        match self.supply_volumes().await {
            Ok(()) => self.supplied(),
            Err(error) => {
                self.note(None, Level::Warning, "FailedMount", error.to_string());
                self.stale = true;
                self.supply_at = Some(after(now, SUPPLY_RETRY));
            }
        }
    }

    /// Volumes are as they should be.
    pub(crate) fn supplied(&mut self) {
        (self.stale, self.supply_at) = (false, None);
    }

    fn past_deadline(&self) -> Option<Outcome> {
        let at = self.deadline()?;
        (at <= Timestamp::now()).then(|| Outcome {
            succeeded: false,
            reason: Some("DeadlineExceeded".to_owned()),
            message: Some(
                "Pod was active on the node longer than the specified deadline".to_owned(),
            ),
        })
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.pod.spec.as_ref()?.active_deadline_seconds?;
        self.start_time.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    fn earliest(&self, wake: Option<Timestamp>) -> Option<Timestamp> {
        let deadline = self.deadline().filter(|_| self.outcome.is_none());
        let tokens = self.supply_at.or(self.tokens.refresh_at());
        let tokens = tokens.filter(|_| self.sandbox.is_some());
        let measure = self.measure_at.filter(|_| self.sandbox.is_some() && self.outcome.is_none());
        [wake, deadline, tokens, measure, self.status_retry].into_iter().flatten().min()
    }

    /// Shows the outside what runs.
    pub(crate) fn show(&self) {
        let mut live = lock(&self.live);
        live.pod = self.sandbox.as_ref().map(|sandbox| sandbox.pod.clone());
        let counted = |slot: &Slot| slot.granted.clone();
        live.requested = match self.outcome {
            Some(_) => resize::Amounts::default(),
            None => resize::requested(&self.slots, self.resize.whole.as_ref(), counted),
        };
        let images = self.slots.iter().filter_map(|slot| slot.image_id.parse().ok());
        live.images = images.collect();
        live.waiting = (self.slots.iter().filter(|slot| slot.attempt.is_none()))
            .map(|slot| {
                let reason = slot.problem.as_ref().map(|problem| problem.reason);
                (slot.name.clone(), reason.unwrap_or("ContainerCreating"))
            })
            .collect();
        live.containers = (self.slots.iter())
            .filter_map(|slot| Some((slot.name.clone(), (slot.attempt?, slot.is_running()))))
            .collect();
    }

    /// Records an event about the pod or one container of it.
    pub(crate) fn note(
        &self,
        container: Option<&str>,
        level: Level,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.shared.recorder.pod(&self.pod, container, level, reason, message);
    }

    /// Lets the slot wait for `wait` with a problem; says whether that is news.
    pub(crate) fn hold(
        &mut self,
        index: usize,
        reason: &'static str,
        message: &str,
        wait: Duration,
    ) -> bool {
        let slot = &mut self.slots[index];
        let problem = Waiting { reason, message: message.to_owned() };
        slot.not_before = Some(after(Timestamp::now(), wait));
        slot.problem.replace(problem.clone()) != Some(problem)
    }
}
