//! A running pod, seen from outside: calls to its shim.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{CreateError, Error};
use crate::exec::Exec;
use crate::spec::{AttachSpec, ContainerSpec, ExecSpec, Resources};
use crate::state::{ContainerState, ExitStatus, PodRecord, Stats};

/// A running pod. Clones share one connection; dropping them leaves the pod alone.
#[derive(Clone, Debug)]
pub struct Pod {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    labels: BTreeMap<String, String>,
    shim_pid: u32,
}

/// The end of a container's first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerExit {
    /// The container.
    pub container: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// The exits of a pod's containers, from the call of [`Pod::exits`] on.
#[derive(Debug)]
pub struct Exits {}

impl Exits {
    /// The next exit; `None` when the pod's shim has gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ContainerExit> {
        None
    }
}

impl Pod {
    /// The pod's id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The labels of its spec.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.inner.labels
    }

    /// The shim's process id.
    pub fn shim_pid(&self) -> u32 {
        self.inner.shim_pid
    }

    /// The pod's network namespace, as a path to open; good while the shim lives.
    pub fn netns(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.inner.shim_pid))
    }

    fn gone(&self) -> Error {
        Error::ShimGone(self.inner.id.clone())
    }

    /// Makes a container, up to the point before its program runs.
    pub async fn create(&self, spec: ContainerSpec) -> Result<(), CreateError> {
        drop(spec);
        Err(self.gone().into())
    }

    /// Runs the program of a made container. [`Error::NotExecutable`] when there is none.
    pub async fn start(&self, container: &str) -> Result<(), Error> {
        let _ = container;
        Err(self.gone())
    }

    /// Sends a signal to the container's first process, or to all of its processes.
    pub async fn signal(&self, container: &str, signal: i32, all: bool) -> Result<(), Error> {
        let _ = (container, signal, all);
        Err(self.gone())
    }

    /// Removes a container, killing what runs of it.
    pub async fn remove(&self, container: &str) -> Result<(), Error> {
        let _ = container;
        Err(self.gone())
    }

    /// Runs a further process in a container.
    pub async fn exec(&self, spec: ExecSpec) -> Result<Exec, Error> {
        drop(spec);
        Err(self.gone())
    }

    /// Joins a container's own stdio. What was written before is in its log only.
    pub async fn attach(&self, spec: AttachSpec) -> Result<Exec, Error> {
        drop(spec);
        Err(self.gone())
    }

    /// All containers not removed, by id.
    pub async fn containers(&self) -> Result<Vec<ContainerState>, Error> {
        Err(self.gone())
    }

    /// The exits from now on. Subscribe, then ask [`Pod::containers`] for what was before.
    pub fn exits(&self) -> Exits {
        Exits {}
    }

    /// Changes a container's limits while it runs.
    pub async fn update(&self, container: &str, resources: Resources) -> Result<(), Error> {
        let _ = (container, resources);
        Err(self.gone())
    }

    /// What a container uses.
    pub async fn stats(&self, container: &str) -> Result<Stats, Error> {
        let _ = container;
        Err(self.gone())
    }

    /// What the pod's containers use together.
    pub async fn pod_stats(&self) -> Result<Stats, Error> {
        Err(self.gone())
    }

    /// Opens a container's log file anew, after somebody moved it.
    pub async fn reopen_log(&self, container: &str) -> Result<(), Error> {
        let _ = container;
        Err(self.gone())
    }

    /// Kills everything in the pod, ends the shim, removes cgroups and run files.
    pub async fn stop(self) -> Result<PodRecord, Error> {
        Err(self.gone())
    }
}
