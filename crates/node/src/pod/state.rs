//! What the node knows of a pod's containers, between what the runtime shows and what the
//! API is told.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStatus, Pod, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::fields::named;
use super::restart::{Backoff, Policy, after};
use super::{ephemeral, resize};

/// The exit code of a container of which nothing is known any more.
const UNKNOWN_EXIT_CODE: i32 = 137;
/// The longest container id the runtime takes.
const ID_LEN_MAX: usize = 64;
/// What of a long container name is kept in an id.
const NAME_LEN_MAX: usize = 36;

/// Where a container of a pod stands in the pod's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its end before the next.
    Init,
    /// An init container that stays: started before the next, ended after the main ones.
    Sidecar,
    Main,
    /// Put into the pod while it runs, and started once.
    Ephemeral,
}

/// What the newest attempt of a container is doing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Now {
    /// Not made; left when it is made.
    Absent,
    /// Made, not started; left when it is started.
    Created,
    /// Left when it ends.
    Running { since: Timestamp },
    /// Left when the next attempt is made.
    Ended(ContainerStateTerminated),
}

/// Why a container is not running, as its status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub reason: &'static str,
    pub message: String,
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    pub name: String,
    pub role: Role,
    pub policy: Policy,
    /// The newest attempt; None before the first.
    pub attempt: Option<u32>,
    pub now: Now,
    /// How the attempt before the newest one ended.
    pub last: Option<ContainerStateTerminated>,
    pub backoff: Backoff,
    /// What keeps the next attempt from being made.
    pub problem: Option<Waiting>,
    /// Nothing is tried before this.
    pub not_before: Option<Timestamp>,
    /// The image the newest attempt was made from, as the spec named it then.
    pub image: String,
    pub image_id: String,
    /// The startup probe (or the absence of one) has said that it is up.
    pub started: bool,
    /// What the readiness probe said last; true without one.
    pub ready: bool,
    /// The node is ending this attempt on purpose (a failed probe or hook).
    pub ending: bool,
    /// Its postStart hook is running: what comes after it waits.
    pub hooking: bool,
    /// It is ended to be made anew from another image or with other resources, whatever its policy.
    pub renewed: bool,
    /// The requests and limits that the node has granted; the next attempt is made with them.
    pub granted: ResourceRequirements,
    /// Those that the attempt which runs has; None when that is not known.
    pub applied: Option<ResourceRequirements>,
}

impl Slot {
    /// One that the pod got while it ran.
    pub(crate) fn ephemeral(name: &str) -> Self {
        Self::new(name, Role::Ephemeral, Policy::Never)
    }

    fn new(name: &str, role: Role, policy: Policy) -> Self {
        Self {
            name: name.to_owned(),
            role,
            policy,
            attempt: None,
            now: Now::Absent,
            last: None,
            backoff: Backoff::default(),
            problem: None,
            not_before: None,
            image: String::new(),
            image_id: String::new(),
            started: false,
            ready: false,
            ending: false,
            hooking: false,
            renewed: false,
            granted: ResourceRequirements::default(),
            applied: None,
        }
    }

    /// Has the attempt which runs what it is granted?
    pub(crate) fn has_granted(&self) -> bool {
        self.applied.as_ref() == Some(&self.granted)
    }

    /// The number of the attempt that is made next.
    pub(crate) fn next_attempt(&self) -> u32 {
        self.attempt.map_or(0, |attempt| attempt + 1)
    }

    pub(crate) fn restart_count(&self) -> u32 {
        self.attempt.unwrap_or(0)
    }

    /// The runtime's id of the newest attempt.
    pub(crate) fn id(&self) -> Option<String> {
        Some(container_id(&self.name, self.attempt?))
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.now, Now::Running { .. })
    }

    pub(crate) fn is_present(&self) -> bool {
        matches!(self.now, Now::Created | Now::Running { .. })
    }

    /// Ended, and its policy does not start it again.
    pub(crate) fn is_over(&self) -> bool {
        let restarts = |code| self.renewed || self.policy.restarts_after(code);
        matches!(&self.now, Now::Ended(end) if !restarts(end.exit_code))
    }

    /// When the next attempt may be made, given how the newest one ended.
    pub(crate) fn restart_at(&self) -> Option<Timestamp> {
        let Now::Ended(end) = &self.now else { return self.not_before };
        if self.renewed {
            // The failures of another image are not this one's.
            return self.not_before;
        }
        let finished = end.finished_at.as_ref()?.0;
        let wait = self.backoff.wait(end.started_at.as_ref().map(|time| time.0), finished);
        (wait > Duration::ZERO).then(|| after(finished, wait)).max(self.not_before)
    }

    /// A new attempt has been made.
    pub(crate) fn made(&mut self, attempt: u32) {
        if let Now::Ended(end) = std::mem::replace(&mut self.now, Now::Created) {
            let started = end.started_at.as_ref().map(|time| time.0);
            let finished = end.finished_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
            self.backoff.restarted(started, finished);
            self.last = Some(end);
        }
        self.attempt = Some(attempt);
        (self.started, self.ready, self.ending) = (false, false, false);
        (self.problem, self.not_before, self.hooking) = (None, None, false);
        self.applied = None;
        if std::mem::take(&mut self.renewed) {
            self.backoff = Backoff::default();
        }
    }

    /// The newest attempt ended.
    pub(crate) fn ended(&mut self, end: ContainerStateTerminated) {
        self.now = Now::Ended(end);
        (self.started, self.ready, self.ending) = (false, false, false);
        self.hooking = false;
    }

    /// The pod's shim is gone and nothing tells how the attempt ended.
    pub(crate) fn lost(&mut self, now: Timestamp) {
        if self.is_present() {
            let started = match self.now {
                Now::Running { since } => Some(Time(since)),
                _ => None,
            };
            self.ended(unknown_end(started, now));
        }
    }
}

/// How a container ended of which nothing is known any more.
fn unknown_end(started_at: Option<Time>, now: Timestamp) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: UNKNOWN_EXIT_CODE,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("The container was lost: the machine or Sampan was stopped".to_owned()),
        started_at,
        finished_at: Some(Time(now)),
        ..ContainerStateTerminated::default()
    }
}

/// The runtime's id of an attempt: the name (a digest of it when long) and the number.
pub(crate) fn container_id(name: &str, attempt: u32) -> String {
    let plain = format!("{name}.{attempt}");
    if plain.len() <= ID_LEN_MAX {
        return plain;
    }
    format!("{}-{:016x}.{attempt}", &name[..NAME_LEN_MAX], fnv(name))
}

/// The attempt in an id of the container called `name`; None for another container's id.
pub(crate) fn attempt_of(name: &str, id: &str) -> Option<u32> {
    let attempt = id.rsplit_once('.')?.1.parse().ok()?;
    (container_id(name, attempt) == id).then_some(attempt)
}

/// FNV-1a: ids must come out the same in every release.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The slots of a pod, init containers first, as its spec and its last status have them.
pub(crate) fn slots(pod: &Pod, now: Timestamp) -> Vec<Slot> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let policy = Policy::parse(spec.restart_policy.as_deref());
    // An init container never runs again after success, whatever the pod's policy.
    let init_policy = if policy == Policy::Never { Policy::Never } else { Policy::OnFailure };
    let inits = spec.init_containers.iter().flatten().map(|container| {
        match container.restart_policy.as_deref() {
            Some("Always") => Slot::new(&container.name, Role::Sidecar, Policy::Always),
            _ => Slot::new(&container.name, Role::Init, init_policy),
        }
    });
    let mains = spec.containers.iter().map(|container| {
        let own = container.restart_policy.as_deref().map(|word| Policy::parse(Some(word)));
        Slot::new(&container.name, Role::Main, own.unwrap_or(policy))
    });
    let ephemerals = ephemeral::all(pod).map(|container| Slot::ephemeral(&container.name));
    let mut slots: Vec<Slot> = inits.chain(mains).chain(ephemerals).collect();
    for slot in &mut slots {
        let status = status_of(pod, &slot.name);
        let wanted = named(pod, &slot.name).map(|own| resize::of_container(&own));
        slot.granted = resize::granted_before(&wanted.unwrap_or_default(), status);
        if let Some(status) = status {
            seed(slot, status, now);
        }
    }
    slots
}

fn status_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let inits = status.init_container_statuses.iter().flatten();
    let mains = status.container_statuses.iter().flatten();
    let ephemerals = status.ephemeral_container_statuses.iter().flatten();
    inits.chain(mains).chain(ephemerals).find(|status| status.name == name)
}

/// Takes over what the status last said. What it says of a running container stands until
/// the runtime has been asked (`observe` overrides it, `lost` ends it).
fn seed(slot: &mut Slot, status: &ContainerStatus, now: Timestamp) {
    let restarts = u32::try_from(status.restart_count).unwrap_or(0);
    let begun = status.container_id.as_deref().is_some_and(|id| !id.is_empty());
    slot.attempt = (begun || restarts > 0).then_some(restarts);
    slot.image = status.image.clone();
    slot.image_id = status.image_id.clone();
    slot.last = status.last_state.as_ref().and_then(|state| state.terminated.clone());
    slot.started = status.started.unwrap_or(false);
    slot.ready = status.ready;
    slot.applied = status.resources.clone();
    let state = status.state.clone().unwrap_or_default();
    slot.now = match state {
        ContainerState { running: Some(running), .. } => {
            Now::Running { since: running.started_at.map_or(now, |time| time.0) }
        }
        ContainerState { terminated: Some(end), .. } => Now::Ended(end),
        ContainerState { waiting: Some(waiting), .. }
            if waiting.reason.as_deref() == Some("CrashLoopBackOff") =>
        {
            slot.backoff = Backoff::from_restarts(restarts);
            // While it waits, how it ended stands in lastState.
            slot.last.take().map_or(Now::Absent, Now::Ended)
        }
        _ => Now::Absent,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slot(status: Value) -> Slot {
        let pod: Pod = serde_json::from_value(json!({
            "spec": {"containers": [{"name": "main"}]},
            "status": {"containerStatuses": [status]}}))
        .unwrap();
        slots(&pod, Timestamp::UNIX_EPOCH).remove(0)
    }

    fn status(restarts: u32, state: Value, last: Value) -> Value {
        json!({"name": "main", "image": "i", "imageID": "sha256:1", "ready": true, "started": true,
            "restartCount": restarts, "containerID": "sampan://u.main.0",
            "state": state, "lastState": last})
    }

    #[test]
    fn ids_lead_back_to_name_and_attempt() {
        for name in ["main", "a.b", &"x".repeat(63)] {
            let id = container_id(name, 12);
            assert!(id.len() <= ID_LEN_MAX);
            assert_eq!(attempt_of(name, &id), Some(12), "{id}");
            assert_eq!(attempt_of("other", &id), None);
        }
    }

    #[test]
    fn a_running_container_keeps_readiness_and_count() {
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let slot = slot(status(3, running, json!({})));
        assert!(slot.is_running() && slot.ready && slot.started);
        assert_eq!((slot.restart_count(), slot.next_attempt()), (3, 4));
        assert_eq!(slot.id().as_deref(), Some("main.3"));
    }

    #[test]
    fn a_container_in_back_off_still_knows_how_it_ended() {
        let slot = slot(status(
            2,
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"terminated": {"exitCode": 3, "startedAt": "1970-01-01T00:00:01Z",
                "finishedAt": "1970-01-01T00:00:02Z"}}),
        ));
        assert!(matches!(&slot.now, Now::Ended(end) if end.exit_code == 3));
        assert_eq!(slot.restart_at().map(Timestamp::as_second), Some(22));
    }

    #[test]
    fn a_lost_container_ends_unknown() {
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let mut slot = slot(status(0, running, json!({})));
        slot.lost(Timestamp::UNIX_EPOCH);
        let Now::Ended(end) = &slot.now else { panic!("{:?}", slot.now) };
        assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("ContainerStatusUnknown")));
        assert!(!slot.ready);
    }

    #[test]
    fn a_new_attempt_keeps_the_end_of_the_one_before() {
        let ended = json!({"terminated": {"exitCode": 1, "startedAt": "1970-01-01T00:00:01Z",
            "finishedAt": "1970-01-01T00:00:02Z"}});
        let mut slot = slot(status(0, ended, json!({})));
        slot.made(1);
        assert_eq!(slot.last.as_ref().map(|end| end.exit_code), Some(1));
        assert_eq!((slot.now.clone(), slot.restart_count()), (Now::Created, 1));
    }

    #[test]
    fn a_container_of_another_image_starts_at_once_whatever_its_policy() {
        let ended = json!({"terminated": {"exitCode": 143, "startedAt": "1970-01-01T00:00:01Z",
            "finishedAt": "1970-01-01T00:00:02Z"}});
        let mut slot = slot(status(2, ended, json!({})));
        slot.policy = Policy::Never;
        slot.backoff = Backoff::from_restarts(2);
        assert!(slot.is_over() && slot.restart_at().is_some());
        slot.renewed = true;
        assert!(!slot.is_over() && slot.restart_at().is_none());
        slot.made(3);
        assert_eq!((slot.renewed, &slot.backoff), (false, &Backoff::default()));
    }

    #[test]
    fn roles_and_policies_come_from_the_spec() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"restartPolicy": "Always",
            "initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}],
            "containers": [{"name": "c"}]}}))
        .unwrap();
        let found: Vec<_> =
            slots(&pod, Timestamp::UNIX_EPOCH).iter().map(|s| (s.role, s.policy)).collect();
        assert_eq!(
            found,
            [
                (Role::Init, Policy::OnFailure),
                (Role::Sidecar, Policy::Always),
                (Role::Main, Policy::Always)
            ]
        );
    }
}
