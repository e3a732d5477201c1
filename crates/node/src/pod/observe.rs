//! What the runtime shows of a pod's containers, taken over into its slots.

use std::borrow::Cow;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::Path;

use container::{ContainerState, Error, ExitStatus, Found, PodRecord, Status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::fields::named;
use super::probe::Kind;
use super::probing::{Probes, Target};
use super::state::{Now, Role, Slot, attempt_of};
use super::worker::Worker;
use crate::events::Level;

/// The longest termination message, as upstream has it.
const MESSAGE_BYTES_MAX: u64 = 4096;
/// What of the log stands in for a termination message.
const LOG_BYTES_MAX: u64 = 2048;

impl Worker {
    /// Takes over what ran before this server started.
    pub(crate) async fn adopt(&mut self, found: Option<Found>) {
        match found {
            Some(Found::Running(pod)) => self.resume(pod).await,
            Some(Found::Ended(record)) => self.take_record(Some(&record)),
            None => self.take_record(None),
        }
    }

    async fn resume(&mut self, pod: container::Pod) {
        let address = pod.labels().get("address").and_then(|a| a.parse().ok());
        let address = address.unwrap_or(self.shared.node_address);
        // Reserved when it was found, before any new pod could take it.
        (self.address, self.address_held) = (Some(address), !self.host_network());
        if let Err(error) = self.connect(pod, address).await {
            tracing::warn!(pod = self.uid, %error, "running pod not adopted; it is started anew");
            return self.take_record(None);
        }
        self.observe().await;
        let begun = |slot: &Slot| slot.role == Role::Main && slot.attempt.is_some();
        self.initialized = self.slots.iter().any(|slot| begun(slot) && slot.now != Now::Absent);
    }

    /// Takes over what is left of a pod whose shim is gone.
    pub(crate) fn take_record(&mut self, record: Option<&PodRecord>) {
        if let Some(record) = record {
            self.take_states(&record.containers);
        }
        self.lose_containers();
    }

    /// Without a shim nothing runs; init containers run again in the next one.
    pub(crate) fn lose_containers(&mut self) {
        let now = Timestamp::now();
        self.probes.clear();
        self.initialized = false;
        let over = self.outcome.is_some() || self.terminating;
        let mains_go_on =
            (self.slots.iter()).any(|slot| slot.role == Role::Main && !slot.is_over());
        for slot in &mut self.slots {
            slot.lost(now);
        }
        for slot in &mut self.slots {
            // A container that ran when the machine went down has done nothing wrong.
            slot.not_before = None;
            if slot.role == Role::Init && mains_go_on && !over {
                slot.now = Now::Absent;
            }
        }
    }

    /// Asks the runtime. Without a sandbox the slots stand as they are.
    pub(crate) async fn observe(&mut self) {
        let Some(sandbox) = &self.sandbox else { return };
        match sandbox.pod.containers().await {
            Ok(states) => self.take_states(&states),
            Err(Error::ShimGone(_)) => self.sandbox_lost().await,
            Err(error) => tracing::warn!(pod = self.uid, %error, "containers not listed"),
        }
    }

    fn take_states(&mut self, states: &[ContainerState]) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let newest = states.iter().filter_map(|s| Some((attempt_of(&slot.name, &s.id)?, s)));
            let newest = newest.max_by_key(|(attempt, _)| *attempt);
            match newest {
                Some((attempt, state)) if slot.attempt.is_none_or(|own| attempt >= own) => {
                    self.take_state(index, attempt, &state.status);
                }
                None if slot.is_present() => self.slots[index].lost(Timestamp::now()),
                _ => {}
            }
        }
    }

    fn take_state(&mut self, index: usize, attempt: u32, status: &Status) {
        if self.slots[index].attempt != Some(attempt) {
            // Made before a crash, and the crash came before it was noted.
            self.slots[index].made(attempt);
        }
        match status {
            Status::Created => self.slots[index].now = Now::Created,
            Status::Running { started_at, .. } => self.running(index, *started_at),
            Status::Exited(exit) => {
                if !matches!(self.slots[index].now, Now::Ended(_)) {
                    let end = self.end_of(index, exit);
                    self.probes.remove(&self.slots[index].name);
                    self.slots[index].ended(end);
                    self.note_back_off(index);
                }
            }
        }
    }

    fn note_back_off(&self, index: usize) {
        let slot = &self.slots[index];
        let over = self.terminating || self.outcome.is_some() || slot.is_over();
        if over || slot.restart_at().is_none() {
            return;
        }
        let meta = &self.pod.metadata;
        let message = format!(
            "Back-off restarting failed container {} in pod {}_{}({})",
            slot.name,
            meta.name.as_deref().unwrap_or_default(),
            meta.namespace.as_deref().unwrap_or_default(),
            self.uid,
        );
        self.note(Some(&slot.name), Level::Warning, "BackOff", message);
    }

    fn running(&mut self, index: usize, since: Timestamp) {
        self.slots[index].now = Now::Running { since };
        let name = self.slots[index].name.clone();
        let Some(container) = named(&self.pod, &name).map(Cow::into_owned) else { return };
        if Kind::Startup.of(&container).is_none() {
            self.slots[index].started = true;
        }
        if self.slots[index].started && Kind::Readiness.of(&container).is_none() {
            self.slots[index].ready = true;
        }
        if !self.probes.contains_key(&name) {
            self.probe(index, container, since);
        }
    }

    fn probe(&mut self, index: usize, container: Container, since: Timestamp) {
        let (Some(sandbox), Some(address)) = (&self.sandbox, self.address) else { return };
        let slot = &self.slots[index];
        let target = Target {
            pod: sandbox.pod.clone(),
            container,
            attempt: slot.restart_count(),
            id: slot.id().unwrap_or_default(),
            address: IpAddr::from(address),
            since,
        };
        let probes = Probes::start(&target, slot.started, slot.ready, &self.reports);
        self.probes.insert(slot.name.clone(), probes);
    }

    /// The startup probe has succeeded.
    pub(crate) fn started(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.started = true;
        let gated = named(&self.pod, &slot.name).is_some_and(|c| c.readiness_probe.is_some());
        slot.ready = !gated;
        if let Some(probes) = self.probes.get(&slot.name) {
            probes.container_started();
        }
    }

    /// How an attempt ended, with the message it left.
    fn end_of(&self, index: usize, exit: &ExitStatus) -> ContainerStateTerminated {
        let slot = &self.slots[index];
        let id = slot.id().unwrap_or_default();
        ContainerStateTerminated {
            exit_code: exit.code,
            signal: exit.signal,
            reason: Some(reason(exit).to_owned()),
            message: self.termination_message(slot, exit),
            started_at: Some(Time(exit.started_at)),
            finished_at: Some(Time(exit.finished_at)),
            container_id: Some(format!("sampan://{}.{id}", self.uid)),
        }
    }

    fn termination_message(&self, slot: &Slot, exit: &ExitStatus) -> Option<String> {
        let container = named(&self.pod, &slot.name)?;
        let file = self.termination_log(&slot.name);
        let written = tail(&file, MESSAGE_BYTES_MAX).filter(|text| !text.is_empty());
        let fall_back =
            container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if written.is_some() || !fall_back || exit.code == 0 {
            return written;
        }
        let log = self.log_path(&slot.name, slot.restart_count());
        let lines = tail(&log, LOG_BYTES_MAX)?;
        Some(lines.lines().filter_map(content).collect::<Vec<_>>().join("\n"))
    }
}

fn reason(exit: &ExitStatus) -> &'static str {
    match exit {
        ExitStatus { oom_killed: true, .. } => "OOMKilled",
        ExitStatus { code: 0, .. } => "Completed",
        _ => "Error",
    }
}

/// The end of a file.
fn tail(path: &Path, bytes_max: u64) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(bytes_max))).ok()?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a line of a CRI log says: time, stream and tag taken off.
fn content(line: &str) -> Option<&str> {
    line.splitn(4, ' ').nth(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, oom_killed: bool) -> ExitStatus {
        let at = Timestamp::UNIX_EPOCH;
        ExitStatus { code, signal: None, oom_killed, started_at: at, finished_at: at }
    }

    #[test]
    fn ends_are_named_as_upstream_names_them() {
        assert_eq!(reason(&exit(0, false)), "Completed");
        assert_eq!(reason(&exit(1, false)), "Error");
        assert_eq!(reason(&exit(137, true)), "OOMKilled");
    }

    #[test]
    fn a_long_message_keeps_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "abcdef").unwrap();
        assert_eq!(tail(&path, 4).as_deref(), Some("cdef"));
        assert_eq!(tail(&path, 100).as_deref(), Some("abcdef"));
        assert_eq!(tail(&dir.path().join("none"), 4), None);
    }

    #[test]
    fn log_lines_lose_their_head() {
        assert_eq!(content("2026-01-01T00:00:00Z stderr F no such file"), Some("no such file"));
        assert_eq!(content("torn"), None);
    }
}
