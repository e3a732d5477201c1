//! The pod as a whole: volumes, address, shim, network; up and down.

use std::net::Ipv4Addr;
use std::time::Duration;

use container::{ContainerExit, Exits, Found, PodRecord};
use jiff::Timestamp;

use super::restart::after;
use super::spec;
use super::supply::SupplyError;
use super::worker::Worker;
use crate::events::Level;

/// The first wait after a failed start; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often a shim that does not go is told to.
const STOP_TRIES_MAX: u32 = 5;
const STOP_WAIT: Duration = Duration::from_millis(300);

/// A running shim, and the ends of its containers.
pub(crate) struct Sandbox {
    pub pod: container::Pod,
    exits: Exits,
}

/// When something that failed is tried again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retry {
    pub not_before: Option<Timestamp>,
    wait: Duration,
}

impl Retry {
    fn failed(&mut self) {
        self.wait = (self.wait * 2).clamp(RETRY_MIN, RETRY_MAX);
        self.not_before = Some(after(Timestamp::now(), self.wait));
    }
}

/// A pod that did not stop, however often it was told to.
struct StillRunning;

/// Why a pod could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SandboxError {
    #[error(transparent)]
    Supply(#[from] SupplyError),
    #[error("{0}")]
    Address(#[from] net::PoolError),
    #[error("start the pod: {0}")]
    Shim(#[from] container::Error),
    #[error("connect the pod's network: {0}")]
    Network(#[from] net::NetworkError),
    #[error("write {path}: {source}")]
    File { path: String, source: std::io::Error },
}

impl Sandbox {
    pub(crate) fn new(pod: container::Pod) -> Self {
        let exits = pod.exits();
        Self { pod, exits }
    }

    /// Waits for the next end of a container; true when it is the shim itself that is gone.
    pub(crate) async fn exit(sandbox: &mut Option<Self>) -> bool {
        match sandbox {
            Some(sandbox) => {
                let exit: Option<ContainerExit> = sandbox.exits.next().await;
                exit.is_none()
            }
            None => std::future::pending().await,
        }
    }
}

impl Worker {
    pub(crate) fn host_network(&self) -> bool {
        self.pod.spec.as_ref().is_some_and(|spec| spec.host_network == Some(true))
    }

    /// Makes the sandbox; false when that failed and is to be tried again later.
    pub(crate) async fn start_sandbox(&mut self) -> bool {
        match self.try_start().await {
            Ok(()) => {
                self.retry = Retry::default();
                self.supplied();
                self.show();
                true
            }
            Err(error) => {
                let reason = match &error {
                    SandboxError::Supply(_) => "FailedMount",
                    _ => "FailedCreatePodSandBox",
                };
                self.note(None, Level::Warning, reason, error.to_string());
                self.retry.failed();
                false
            }
        }
    }

    async fn try_start(&mut self) -> Result<(), SandboxError> {
        let address = self.take_address()?;
        self.supply_volumes().await?;
        self.write_etc(address).await?;
        let domain = &self.shared.cluster_domain;
        let spec = spec::pod_spec(&self.granted_pod(), domain, &address.to_string());
        let group = spec.resources;
        let pod = match self.shared.runtime.start_pod(spec).await {
            Err(error @ container::Error::PodExists(_)) => {
                self.clear_remains().await?;
                return Err(error.into());
            }
            started => started?,
        };
        self.group = Some(group);
        self.connect(pod, address).await
    }

    /// Takes a pod that runs, and completes its link: a server may have been killed before.
    pub(crate) async fn connect(
        &mut self,
        pod: container::Pod,
        address: Ipv4Addr,
    ) -> Result<(), SandboxError> {
        if !self.host_network() {
            let link = net::Link { id: self.uid.clone(), netns: pod.netns(), address };
            if let Err(error) = self.shared.network.attach(&link).await {
                self.undo(pod).await;
                return Err(error.into());
            }
        }
        self.sandbox = Some(Sandbox::new(pod));
        Ok(())
    }

    /// Takes away what an attempt left that could not be undone; the next finds the way clear.
    async fn clear_remains(&self) -> Result<(), container::Error> {
        if let Some(Found::Running(pod)) = self.shared.runtime.find(&self.uid).await? {
            self.undo(pod).await;
        }
        Ok(())
    }

    async fn undo(&self, pod: container::Pod) {
        if let Err(error) = pod.stop().await {
            tracing::warn!(pod = self.uid, %error, "pod not stopped after a failed start");
        }
    }

    /// The address it has, or had and nobody took since, or a new one.
    fn take_address(&mut self) -> Result<Ipv4Addr, net::PoolError> {
        if self.host_network() {
            self.address = Some(self.shared.node_address);
            return Ok(self.shared.node_address);
        }
        if let Some(address) = self.address.filter(|_| self.address_held) {
            return Ok(address);
        }
        let mut pool = self.shared.addresses();
        let before = self.address.filter(|address| pool.take_specific(*address).is_ok());
        let address = match before {
            Some(address) => address,
            None => pool.take()?,
        };
        drop(pool);
        (self.address, self.address_held) = (Some(address), true);
        Ok(address)
    }

    /// The shim died under its containers: they are lost, the pod is made anew.
    pub(crate) async fn sandbox_lost(&mut self) {
        if self.sandbox.take().is_none() {
            return;
        }
        match self.shared.runtime.find(&self.uid).await {
            Ok(Some(Found::Running(pod))) => {
                // The connection alone was lost.
                self.sandbox = Some(Sandbox::new(pod));
                self.wake.notify_one();
                return;
            }
            Ok(Some(Found::Ended(record))) => self.take_record(Some(&record)),
            Ok(None) => self.take_record(None),
            Err(error) => {
                tracing::warn!(pod = self.uid, %error, "remains of the pod not cleaned up");
                self.lose_containers();
            }
        }
        tracing::warn!(pod = self.uid, "the pod's shim has gone; the pod is started anew");
        self.note(
            None,
            Level::Normal,
            "SandboxChanged",
            "Pod sandbox changed, it will be killed and re-created.",
        );
        self.detach().await;
        self.retry.failed();
    }

    /// Ends the sandbox with all that runs in it, and gives the address back. True when
    /// nothing is left; otherwise it is to be called again.
    pub(crate) async fn tear_down(&mut self) -> bool {
        self.probes.clear();
        self.jobs.abort_all();
        if let Some(sandbox) = &self.sandbox {
            match self.stop_shim(sandbox.pod.clone()).await {
                Ok(record) => self.take_record(record.as_ref()),
                Err(StillRunning) => return false,
            }
            self.sandbox = None;
            self.detach().await;
        }
        if let Some(address) = self.address.filter(|_| std::mem::take(&mut self.address_held)) {
            self.shared.addresses().release(address);
        }
        self.show();
        true
    }

    /// What is left of the pod; nothing when its shim had gone before.
    async fn stop_shim(&self, pod: container::Pod) -> Result<Option<PodRecord>, StillRunning> {
        for attempt in 1..=STOP_TRIES_MAX {
            match pod.clone().stop().await {
                Ok(record) => return Ok(Some(record)),
                Err(container::Error::ShimGone(_)) => return Ok(None),
                Err(error) => {
                    tracing::warn!(pod = self.uid, attempt, %error, "pod not stopped; trying again");
                    tokio::time::sleep(STOP_WAIT * attempt).await;
                }
            }
        }
        Err(StillRunning)
    }

    async fn detach(&self) {
        if self.host_network() {
            return;
        }
        if let Err(error) = self.shared.network.detach(&self.uid).await {
            tracing::warn!(pod = self.uid, %error, "link of the pod not removed");
        }
    }
}
