//! Starting an attempt of a container, and its postStart hook.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::check::{self, Action};
use super::fields::named;
use super::restart::after;
use super::state::{Now, Slot};
use super::worker::Worker;
use crate::events::Level;

/// The exit code of a container whose program could not be run, as containerd has it.
const START_ERROR_CODE: i32 = 128;
/// A postStart hook may take as long as its container lives; this is when we stop listening.
const POST_START_MAX: Duration = Duration::from_secs(3600);
/// The least time between two attempts of which the first could not be started.
const START_ERROR_WAIT: Duration = Duration::from_millis(100);

/// The attempt of a container whose postStart hook has ended.
#[derive(Debug)]
pub(crate) struct Hooked {
    pub container: String,
    pub attempt: u32,
}

impl Worker {
    /// What waited for a hook may go on.
    pub(crate) fn hooked(&mut self, hooked: &Hooked) {
        let current = |slot: &&mut Slot| {
            slot.name == hooked.container && slot.attempt == Some(hooked.attempt)
        };
        if let Some(slot) = self.slots.iter_mut().find(current) {
            slot.hooking = false;
        }
    }

    /// Starts the attempt that is made.
    pub(crate) async fn start(&mut self, index: usize) {
        let (Some(sandbox), Some(id)) = (&self.sandbox, self.slots[index].id()) else { return };
        let name = self.slots[index].name.clone();
        match sandbox.pod.start(&id).await {
            Ok(()) => {
                self.note(
                    Some(&name),
                    Level::Normal,
                    "Started",
                    format!("Started container {name}"),
                );
                self.slots[index].now = Now::Running { since: Timestamp::now() };
                self.post_start(index);
            }
            Err(container::Error::ShimGone(_)) => self.sandbox_lost().await,
            Err(error) => {
                let message = error.to_string();
                self.note(Some(&name), Level::Warning, "Failed", format!("Error: {message}"));
                self.start_failed(index, &id, message);
            }
        }
    }

    /// A program that cannot be run counts as one that ran and failed.
    fn start_failed(&mut self, index: usize, id: &str, message: String) {
        let now = Timestamp::now();
        self.slots[index].ended(ContainerStateTerminated {
            exit_code: START_ERROR_CODE,
            reason: Some("StartError".to_owned()),
            message: Some(message),
            started_at: Some(Time(now)),
            finished_at: Some(Time(now)),
            container_id: Some(format!("sampan://{}.{id}", self.uid)),
            ..ContainerStateTerminated::default()
        });
        self.slots[index].not_before = Some(after(now, START_ERROR_WAIT));
    }

    fn post_start(&mut self, index: usize) {
        let slot = &self.slots[index];
        let (Some(sandbox), Some(id)) = (&self.sandbox, slot.id()) else { return };
        let Some(container) = named(&self.pod, &slot.name) else { return };
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
        let (Some(hook), Some(address)) = (hook, self.address) else { return };
        let action = Action::of_hook(hook, &container, IpAddr::from(address));
        let (pod, name) = (sandbox.pod.clone(), slot.name.clone());
        let (object, recorder) = (self.pod.clone(), self.shared.recorder.clone());
        let attempt = slot.restart_count();
        self.slots[index].hooking = true;
        self.jobs.spawn(async move {
            let hooked = Some(Hooked { container: name.clone(), attempt });
            let done = match &action {
                Ok(action) => {
                    let place = check::Place { pod: &pod, container: &id };
                    check::run(action, Some(place), POST_START_MAX).await
                }
                Err(error) => Err(error.to_string()),
            };
            let Err(message) = done else { return hooked };
            let text = format!("PostStartHook failed: {message}");
            recorder.pod(&object, Some(&name), Level::Warning, "FailedPostStartHook", text);
            if let Err(error) = pod.signal(&id, nix::libc::SIGKILL, true).await {
                tracing::warn!(id, %error, "container not killed after its postStart hook failed");
            }
            hooked
        });
    }
}
