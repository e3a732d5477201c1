//! The end of a pod, in an order that loses no request: unready, no longer routed to, then
//! hooks and signals, then removal.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use tokio::sync::watch;

use super::restart::after;
use super::state::{Now, Role};
use super::status::Outcome;
use super::worker::{Next, Worker};
use crate::events::Level;
use crate::garbage;
use crate::pods::Update;
use crate::shared::Shared;

/// How long the data plane may take to let go of an address.
const WITHDRAW_MAX: Duration = Duration::from_secs(2);
/// What requests get that were sent just before the address was withdrawn.
const SETTLE: Duration = Duration::from_millis(300);
/// The wait before a failed step of the end is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Worker {
    /// Ends a pod that is being deleted. Every step may have been done before.
    pub(crate) async fn terminate(&mut self) -> Next {
        let again = || Next::Wait(Some(after(Timestamp::now(), RETRY_AFTER)));
        self.observe().await;
        let grace = self.grace();
        if !self.terminating {
            self.terminating = true;
            self.jobs.abort_all();
            self.write_status().await;
        }
        if self.sandbox.is_some() {
            let withdraw = self.address.filter(|_| !grace.is_zero() && !self.host_network());
            self.end_containers(grace, withdraw).await;
        }
        if !self.tear_down().await {
            return again();
        }
        self.conclude();
        self.write_status().await;
        if !self.delete().await {
            return again();
        }
        self.remove_files().await;
        Next::Over
    }

    /// Ends a pod whose object is gone already: nobody waits for it any more.
    pub(crate) async fn vanish(&mut self) -> Next {
        self.terminating = true;
        if !self.tear_down().await {
            return Next::Wait(Some(after(Timestamp::now(), RETRY_AFTER)));
        }
        self.remove_files().await;
        Next::Over
    }

    /// Ends a pod whose containers have done their work, or may not go on.
    pub(crate) async fn finish(&mut self, outcome: Outcome, grace: Duration) {
        self.end_containers(grace, None).await;
        self.outcome = Some(outcome);
        self.clear().await;
    }

    /// Takes a pod down that is over, and gives back the disk it holds; its logs stay until it is
    /// deleted. What fails is tried again with the next step.
    pub(crate) async fn clear(&mut self) {
        if self.tear_down().await {
            garbage::remove_pod_files(&self.shared.paths, &self.uid, None).await;
        }
    }

    /// A pod whose containers were ended is over like one whose containers ended by themselves.
    fn conclude(&mut self) {
        let mut ends =
            self.slots.iter().filter(|slot| slot.role == Role::Main).map(|slot| match &slot.now {
                Now::Ended(end) => Some(end.exit_code == 0),
                _ => None,
            });
        let succeeded = ends.try_fold(true, |all, end| Some(all && end?));
        if let (None, Some(succeeded)) = (&self.outcome, succeeded) {
            self.outcome = Some(Outcome { succeeded, reason: None, message: None });
        }
    }

    /// The grace period of the deletion.
    fn grace(&self) -> Duration {
        let seconds = self.pod.metadata.deletion_grace_period_seconds;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or_else(|| self.spec_grace(), Duration::from_secs)
    }

    /// Ends the main containers together, then sidecars in reverse order, unless somebody
    /// loses patience: then the caller kills what is left.
    async fn end_containers(&mut self, grace: Duration, withdraw: Option<Ipv4Addr>) {
        let running = |index: &usize| self.slots[*index].is_running();
        let (mains, mut sidecars): (Vec<usize>, Vec<usize>) = (0..self.slots.len())
            .filter(running)
            .partition(|index| self.slots[*index].role != Role::Sidecar);
        if mains.is_empty() && sidecars.is_empty() {
            return;
        }
        sidecars.reverse();
        for index in mains.iter().chain(&sidecars) {
            let name = self.slots[*index].name.clone();
            self.note(Some(&name), Level::Normal, "Killing", format!("Stopping container {name}"));
        }
        let ending = |index: &usize| self.ending(*index, grace);
        let mains: Vec<_> = mains.iter().filter_map(ending).collect();
        let sidecars: Vec<_> = sidecars.iter().filter_map(ending).collect();
        let shared = self.shared.clone();
        let in_order = async move {
            if let Some(address) = withdraw {
                withdrawn(&shared, address).await;
            }
            join_all(mains.into_iter().map(|ending| ending.run())).await;
            for ending in sidecars {
                ending.run().await;
            }
        };
        let mut updates = self.updates.clone();
        tokio::select! {
            () = in_order => {}
            () = impatience(&mut updates) => {}
        }
        self.observe().await;
    }

    /// Takes the object out of the API; true when it is gone.
    async fn delete(&mut self) -> bool {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let name = self.pod.metadata.name.clone().unwrap_or_default();
        match self.api().delete(&name, &params).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                tracing::warn!(pod = self.uid, %error, "pod not deleted; trying again");
                false
            }
        }
    }

    async fn remove_files(&self) {
        let meta = &self.pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let name = meta.name.as_deref().unwrap_or_default();
        let logs = self.shared.paths.pod_logs(namespace, name, &self.uid);
        garbage::remove_pod_files(&self.shared.paths, &self.uid, Some(logs)).await;
    }
}

/// Waits until no new connection is led to `address`, and gives the last ones time to be
/// answered. A pod that nothing led to does not wait.
async fn withdrawn(shared: &Shared, address: Ipv4Addr) {
    if !shared.routed.contains(address) {
        return;
    }
    if !shared.routed.withdrawn(address, WITHDRAW_MAX).await {
        tracing::warn!(%address, "address still routed to; the pod is stopped all the same");
    }
    tokio::time::sleep(SETTLE).await;
}

/// Ends when the pod is to be gone at once: deleted by force, or with no grace left.
async fn impatience(updates: &mut watch::Receiver<Update>) {
    loop {
        if updates.changed().await.is_err() {
            return;
        }
        match &*updates.borrow_and_update() {
            Update::Gone => return,
            Update::Present(pod) => {
                if pod.metadata.deletion_grace_period_seconds == Some(0) {
                    return;
                }
            }
        }
    }
}
