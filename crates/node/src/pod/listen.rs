//! What a pod's worker waits for, and what it makes of it.

use jiff::Timestamp;

use super::probe::Kind;
use super::probing::Report;
use super::restart::until;
use super::sandbox::{Retry, Sandbox};
use super::state::Slot;
use super::worker::Worker;
use crate::events::Level;

impl Worker {
    /// Waits for something to happen, at most until `wake`.
    pub(crate) async fn wait(&mut self, wake: Option<Timestamp>) {
        let sleep = async {
            match wake {
                Some(at) => tokio::time::sleep(until(Timestamp::now(), at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // The sender lives as long as this worker is registered.
            _ = self.updates.changed() => {}
            () = self.wake.notified() => self.configuration_changed(),
            gone = Sandbox::exit(&mut self.sandbox) => if gone { self.sandbox_lost().await },
            Some(report) = self.reported.recv() => self.probed(report),
            Some(done) = self.jobs.join_next() => if let Ok(Some(hooked)) = done {
                self.hooked(&hooked);
            },
            () = sleep => {}
        }
    }

    /// A ConfigMap or Secret changed: what failed for its sake is tried again at once.
    fn configuration_changed(&mut self) {
        (self.stale, self.supply_at) = (true, None);
        self.retry = Retry::default();
        for slot in &mut self.slots {
            let waits =
                slot.problem.as_ref().is_some_and(|p| p.reason == "CreateContainerConfigError");
            if waits {
                slot.not_before = None;
            }
        }
    }

    /// Takes what a probe of an attempt says.
    fn probed(&mut self, report: Report) {
        let current = |slot: &&Slot| {
            slot.name == report.container
                && slot.attempt == Some(report.attempt)
                && slot.is_running()
                && !slot.ending
        };
        let Some(index) = self.slots.iter().position(|slot| current(&slot)) else { return };
        if !report.message.is_empty() {
            let message = format!("{} probe failed: {}", report.kind.word(), report.message);
            self.note(Some(&report.container), Level::Warning, "Unhealthy", message);
        }
        match (report.kind, report.verdict) {
            (Kind::Startup, Some(true)) => self.started(index),
            (Kind::Readiness, Some(ready)) => self.slots[index].ready = ready,
            (Kind::Startup | Kind::Liveness, Some(false)) => {
                let word = report.kind.word().to_lowercase();
                let why = format!("failed {word} probe, will be restarted");
                self.restart(index, &why, Some(report.kind));
            }
            _ => {}
        }
    }
}
