//! Carrying out a resize: the groups of the pod and its containers are changed while they run, or a
//! container is started anew where it wants that. Every step may have been done before.

use std::borrow::Cow;
use std::time::Duration;

use container::Resources;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use serde_json::json;

use super::fields::named;
use super::qos;
use super::resize::{self, Amounts, Pending, needs_restart};
use super::restart::after;
use super::state::{Role, Slot};
use super::worker::Worker;
use crate::events::Level;
use crate::quantities::memory_bytes;
use crate::shared::lock;

/// The wait before what did not fit, or went wrong, is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(3);

impl Worker {
    /// Grants what is wanted, if it fits, and makes it true. Says when to come again.
    pub(crate) async fn make_room(&mut self) -> Option<Timestamp> {
        let mut again = self.grant();
        if self.sandbox.is_some()
            && let Err(error) = self.actuate().await
        {
            if self.resize.progress.as_deref() != Some(error.as_str()) {
                let message = format!("Pod resize error: {error}");
                self.note(None, Level::Warning, "ResizeError", message);
            }
            self.resize.progress = Some(error);
            again = true;
        }
        again.then(|| after(Timestamp::now(), RETRY_AFTER))
    }

    fn wanted(&self, slot: &Slot) -> ResourceRequirements {
        named(&self.pod, &slot.name).map(|own| resize::of_container(&own)).unwrap_or_default()
    }

    /// Takes over what is wanted when there is room for it. Says whether to ask again.
    fn grant(&mut self) -> bool {
        let whole = resize::whole(&self.pod);
        let differs = |slot: &Slot| self.wanted(slot) != slot.granted;
        if whole == self.resize.whole && !self.slots.iter().any(differs) {
            self.resize.pending = None;
            return false;
        }
        let wanted = resize::requested(&self.slots, whole.as_ref(), |slot| self.wanted(slot));
        let machine = &self.shared.machine;
        let capacity =
            Amounts { cpu_millis: machine.cpus * 1000, memory_bytes: machine.memory_bytes };
        if let Err(pending) = resize::judge(wanted, self.others(), capacity) {
            return self.put_off(pending);
        }
        for index in 0..self.slots.len() {
            self.slots[index].granted = self.wanted(&self.slots[index]);
        }
        (self.resize.whole, self.resize.pending) = (whole, None);
        self.note(None, Level::Normal, "ResizeStarted", self.told("started"));
        self.resize.progress = Some(String::new());
        false
    }

    fn put_off(&mut self, pending: Pending) -> bool {
        let again = pending.reason == resize::DEFERRED;
        if self.resize.pending.as_ref() != Some(&pending) {
            let reason = if again { "ResizeDeferred" } else { "ResizeInfeasible" };
            let message = format!("Pod resize {}: {}", pending.reason, pending.message);
            self.note(None, Level::Warning, reason, message);
            self.resize.pending = Some(pending);
        }
        again
    }

    /// What the other pods of this node have.
    fn others(&self) -> Amounts {
        let all = self.shared.registry.all();
        let others = all.iter().filter(|(uid, ..)| *uid != self.uid);
        others.fold(Amounts::default(), |sum, (_, _, _, live)| sum.plus(lock(live).requested))
    }

    /// What events tell of a resize.
    fn told(&self, what: &str) -> String {
        let slots = self.slots.iter().filter(|slot| slot.role != Role::Ephemeral);
        let containers: Vec<_> =
            slots.map(|slot| json!({"name": slot.name, "resources": slot.granted})).collect();
        let told = json!({"containers": containers, "generation": self.pod.metadata.generation});
        format!("Pod resize {what}: {told}")
    }

    /// The pod with what it is granted.
    pub(crate) fn granted_pod(&self) -> Pod {
        resize::granted(&self.pod, &self.slots, self.resize.whole.as_ref())
    }

    /// Makes what is granted true of what runs.
    async fn actuate(&mut self) -> Result<(), String> {
        let open: Vec<usize> = (0..self.slots.len())
            .filter(|index| {
                let slot = &self.slots[*index];
                slot.role != Role::Ephemeral && slot.is_running() && !slot.has_granted()
            })
            .collect();
        if open.is_empty() && self.group.is_some() && self.resize.progress.is_none() {
            return Ok(());
        }
        let target = qos::pod_resources(&self.granted_pod());
        if self.group != Some(target) {
            // Room for those that grow comes before they do.
            self.limit_group(wider(self.group.as_ref(), &target)).await?;
        }
        let mut waiting = false;
        for index in open {
            waiting |= self.resize_container(index).await?;
        }
        if self.group != Some(target) {
            self.limit_group(target).await?;
            self.group = Some(target);
        }
        if !waiting && self.resize.progress.take().is_some() {
            self.note(None, Level::Normal, "ResizeCompleted", self.told("completed"));
        }
        Ok(())
    }

    async fn limit_group(&self, resources: Resources) -> Result<(), String> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        sandbox.pod.limit(resources).await.map_err(|error| format!("resize the pod: {error}"))
    }

    /// Changes one container; true when it is to be started anew and that is not over.
    async fn resize_container(&mut self, index: usize) -> Result<bool, String> {
        let slot = &self.slots[index];
        let (Some(sandbox), Some(id)) = (&self.sandbox, slot.id()) else { return Ok(true) };
        if slot.ending {
            return Ok(true);
        }
        let Some(mut container) = named(&self.pod, &slot.name).map(Cow::into_owned) else {
            return Ok(false);
        };
        let granted = slot.granted.clone();
        if let Some(had) = &slot.applied
            && needs_restart(&container, had, &granted)
        {
            self.slots[index].renewed = true;
            self.restart(index, "resize requires restart", None);
            return Ok(true);
        }
        let limit = memory_bytes(granted.limits.as_ref());
        if let Some(limit) = limit
            && let Ok(used) = sandbox.pod.stats(&id).await
            && used.working_set_bytes > limit
        {
            return Err(format!(
                "attempting to set container {:?} memory limit ({limit}) below current usage ({})",
                container.name, used.working_set_bytes
            ));
        }
        resize::grant(&mut container, &granted);
        let updated = sandbox.pod.update(&id, qos::resources(&container)).await;
        updated.map_err(|error| format!("resize container {:?}: {error}", container.name))?;
        self.slots[index].applied = Some(granted);
        Ok(false)
    }
}

/// The more of each limit.
fn wider(have: Option<&Resources>, target: &Resources) -> Resources {
    let Some(have) = have else { return *target };
    Resources {
        cpu_shares: None,
        cpu_quota_us: have.cpu_quota_us.max(target.cpu_quota_us),
        cpu_period_us: target.cpu_period_us,
        memory_limit_bytes: have.memory_limit_bytes.max(target.memory_limit_bytes),
        pids_limit: None,
    }
}
