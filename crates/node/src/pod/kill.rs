//! Ending one container: preStop hook, its stop signal, the grace period, SIGKILL.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use container::{Error, Status};
use k8s_openapi::api::core::v1::{Container, Pod};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::check::{self, Action};
use super::fields::named;
use super::probe::Kind;
use super::state::{Now, Role};
use super::worker::Worker;
use crate::events::{Level, Recorder};

/// What a container gets after a hook that used the whole grace period.
const AFTER_HOOK_MIN: Duration = Duration::from_secs(2);
/// How long a killed container may take to be seen ended.
const KILL_WAIT_MAX: Duration = Duration::from_secs(10);
/// The grace period when a pod does not say.
pub(crate) const GRACE_DEFAULT: Duration = Duration::from_secs(30);

/// One container to end.
pub(crate) struct Ending {
    pub pod: container::Pod,
    pub id: String,
    pub container: Container,
    pub address: Option<IpAddr>,
    pub grace: Duration,
    /// Where the image is that it was made from: it may name the signal that ends it.
    pub images: ::image::ImageStore,
    pub image_id: String,
    pub object: std::sync::Arc<Pod>,
    pub recorder: Recorder,
}

impl Ending {
    /// Ends it and waits until it has; that it ended before is fine.
    pub(crate) async fn run(self) {
        if let Err(error) = self.try_run().await {
            match error {
                Error::NoSuchContainer(_) | Error::WrongState { .. } | Error::ShimGone(_) => {}
                error => tracing::warn!(container = self.id, %error, "container not ended"),
            }
        }
    }

    async fn try_run(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.grace;
        if !self.grace.is_zero() {
            let hooked = self.pre_stop().await;
            self.pod.signal(&self.id, self.stop_signal().await, false).await?;
            let least = if hooked { AFTER_HOOK_MIN } else { Duration::ZERO };
            let left = deadline.saturating_duration_since(Instant::now()).max(least);
            if self.ended_within(left).await? {
                return Ok(());
            }
        }
        self.pod.signal(&self.id, nix::libc::SIGKILL, true).await?;
        self.ended_within(KILL_WAIT_MAX).await.map(drop)
    }

    /// Runs the preStop hook, if there is one.
    async fn pre_stop(&self) -> bool {
        let lifecycle = self.container.lifecycle.as_ref();
        let hook = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref());
        let (Some(hook), Some(address)) = (hook, self.address) else { return false };
        let done = match Action::of_hook(hook, &self.container, address) {
            Ok(action) => {
                let place = check::Place { pod: &self.pod, container: &self.id };
                check::run(&action, Some(place), self.grace).await
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(message) = done {
            let text = format!("PreStopHook failed: {message}");
            let name = Some(self.container.name.as_str());
            self.recorder.pod(&self.object, name, Level::Warning, "FailedPreStopHook", text);
        }
        true
    }

    /// The pod's word, else the image's, else SIGTERM.
    async fn stop_signal(&self) -> i32 {
        let lifecycle = self.container.lifecycle.as_ref();
        let mut word = lifecycle.and_then(|lifecycle| lifecycle.stop_signal.clone());
        if word.is_none() {
            let (images, id) = (self.images.clone(), self.image_id.clone());
            let asked =
                tokio::task::spawn_blocking(move || super::image::stop_signal(&images, &id)).await;
            word = asked.expect("reading an image does not panic");
        }
        word.as_deref().and_then(signal).unwrap_or(Signal::SIGTERM as i32)
    }

    async fn ended_within(&self, limit: Duration) -> Result<bool, Error> {
        // Subscribed before asking, so that no end falls in between.
        let mut exits = self.pod.exits();
        let states = self.pod.containers().await?;
        let runs = |status: &Status| matches!(status, Status::Running { .. });
        if !states.iter().any(|state| state.id == self.id && runs(&state.status)) {
            return Ok(true);
        }
        let seen = async {
            while let Some(exit) = exits.next().await {
                if exit.container == self.id {
                    return;
                }
            }
        };
        Ok(tokio::time::timeout(limit, seen).await.is_ok())
    }
}

/// A signal by name (`SIGTERM`, `TERM`) or number.
pub(crate) fn signal(word: &str) -> Option<i32> {
    if let Ok(number) = word.parse::<i32>() {
        return Signal::try_from(number).ok().map(|signal| signal as i32);
    }
    let name = word.to_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    Signal::from_str(&name).ok().map(|signal| signal as i32)
}

impl Worker {
    /// How the container of a slot is ended; None when it does not run.
    pub(crate) fn ending(&self, index: usize, grace: Duration) -> Option<Ending> {
        let slot = &self.slots[index];
        Some(Ending {
            pod: self.sandbox.as_ref().filter(|_| slot.is_running())?.pod.clone(),
            id: slot.id()?,
            container: named(&self.pod, &slot.name)?.into_owned(),
            address: self.address.map(IpAddr::from),
            grace,
            images: self.shared.images.clone(),
            image_id: slot.image_id.clone(),
            object: self.pod.clone(),
            recorder: self.shared.recorder.clone(),
        })
    }

    /// Ends the containers whose image is another now, to make them anew from it.
    pub(crate) fn renew(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let wanted = named(&self.pod, &slot.name).and_then(|own| own.into_owned().image);
            let same = wanted.is_none_or(|image| image == slot.image);
            if same || slot.attempt.is_none() || slot.renewed || slot.role == Role::Init {
                continue;
            }
            if slot.is_running() {
                let ending = slot.ending;
                self.slots[index].renewed = true;
                if !ending {
                    self.restart(index, "definition changed, will be restarted", None);
                }
            } else if matches!(slot.now, Now::Ended(_)) && !slot.is_over() {
                let slot = &mut self.slots[index];
                slot.renewed = true;
                (slot.problem, slot.not_before) = (None, None);
            }
        }
    }

    /// Ends one container so that it is started again. The probe that asked for it may have a
    /// grace period of its own.
    pub(crate) fn restart(&mut self, index: usize, why: &str, probe: Option<Kind>) {
        let name = self.slots[index].name.clone();
        let own = named(&self.pod, &name).and_then(|container| {
            let seconds = probe?.of(&container)?.termination_grace_period_seconds?;
            u64::try_from(seconds).ok()
        });
        let grace = own.map_or_else(|| self.spec_grace(), Duration::from_secs);
        let Some(ending) = self.ending(index, grace) else { return };
        self.note(Some(&name), Level::Normal, "Killing", format!("Container {name} {why}"));
        self.slots[index].ending = true;
        self.slots[index].ready = false;
        self.probes.remove(&name);
        self.jobs.spawn(async move {
            ending.run().await;
            None
        });
    }

    pub(crate) fn spec_grace(&self) -> Duration {
        let spec = self.pod.spec.as_ref();
        let seconds = spec.and_then(|spec| spec.termination_grace_period_seconds);
        seconds.and_then(|s| u64::try_from(s).ok()).map_or(GRACE_DEFAULT, Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::signal;

    #[test]
    fn signals_are_read_by_name_and_number() {
        assert_eq!(signal("SIGTERM"), Some(15));
        assert_eq!(signal("quit"), Some(3));
        assert_eq!(signal("9"), Some(9));
        assert_eq!(signal("SIGNOTHING"), None);
        assert_eq!(signal("999"), None);
    }
}
