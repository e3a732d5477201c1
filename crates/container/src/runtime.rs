//! The runtime: where pods are made, found again and destroyed.

use std::path::PathBuf;

use crate::error::Error;
use crate::pod::Pod;
use crate::spec::PodSpec;
use crate::state::PodRecord;

/// Where an instance keeps its pods.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Run files: `<run_dir>/pods/<pod id>/`.
    pub run_dir: PathBuf,
    /// Name of the cgroup above all pods, relative to the hierarchy's root.
    pub cgroup_root: String,
    /// The program that calls [`crate::shim_main`] when its first argument is `shim`.
    pub shim_exe: PathBuf,
}

/// Makes pods and finds them again.
#[derive(Clone, Debug)]
pub struct Runtime {
    config: RuntimeConfig,
}

/// What [`Runtime::adopt`] found of a pod.
#[derive(Debug)]
pub enum Found {
    /// Its shim lives; it is connected.
    Running(Pod),
    /// Its shim had gone: what was left of it has been killed and removed.
    Ended(PodRecord),
}

impl Runtime {
    /// Prepares the run directory. Touches no pod.
    pub fn new(config: RuntimeConfig) -> Result<Runtime, Error> {
        Ok(Runtime { config })
    }

    /// Starts a pod: its shim, its namespaces, its cgroup. No container yet.
    pub async fn start_pod(&self, spec: PodSpec) -> Result<Pod, Error> {
        Err(Error::ShimGone(spec.id))
    }

    /// Finds every pod of this instance, connects to those that live, and kills and removes
    /// what is left of the others.
    pub async fn adopt(&self) -> Result<Vec<Found>, Error> {
        Ok(Vec::new())
    }

    /// Kills all pods and removes their cgroups, run files and the cgroup root. Works whether
    /// or not shims or a server live, and when there is nothing.
    pub async fn destroy_all(&self) -> Result<(), Error> {
        Err(Error::ShimGone(self.config.cgroup_root.clone()))
    }
}
