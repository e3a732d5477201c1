//! What can go wrong between a caller and a pod.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failed call to a pod or to the runtime.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller gave something that cannot be.
    #[error("{what} {value:?} {why}")]
    Invalid {
        /// Which input.
        what: &'static str,
        /// What it was.
        value: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// A file or directory of the runtime could not be used.
    #[error("{action} {}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A pod of this id exists already.
    #[error("pod {0} exists already")]
    PodExists(String),
    /// The pod's shim could not be brought up.
    #[error("start the shim of pod {pod}: {message}")]
    ShimStart {
        /// The pod.
        pod: String,
        /// What the shim said, or what was seen of it.
        message: String,
    },
    /// The pod's shim has gone; [`crate::Runtime::adopt`] cleans up after it.
    #[error("the shim of pod {0} has gone")]
    ShimGone(String),
    /// The pod's shim did not answer in time.
    #[error("the shim of pod {pod} did not answer {call} within {limit:?}")]
    Timeout {
        /// The pod.
        pod: String,
        /// Which call.
        call: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The pod's shim answered with something that is no answer.
    #[error("the shim of pod {pod} broke the protocol: {message}")]
    Protocol {
        /// The pod.
        pod: String,
        /// What was wrong.
        message: String,
    },
    /// The pod has no container of this id.
    #[error("no container {0}")]
    NoSuchContainer(String),
    /// The container exists, in a state in which this cannot be done.
    #[error("container {container} is {state}")]
    WrongState {
        /// The container.
        container: String,
        /// Its state, in a word.
        state: String,
    },
    /// The program could not be executed; the text is in runc's form:
    /// `exec: "/x": stat /x: no such file or directory`.
    #[error("{0}")]
    NotExecutable(String),
    /// The shim tried and failed.
    #[error("{0}")]
    Failed(String),
    /// Processes of the cgroup outlived SIGKILL.
    #[error("cgroup {0} still has processes after they were killed")]
    StillAlive(String),
}

/// Why a container could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A step of making it failed.
    #[error("{step}: {message}")]
    Step {
        /// Which step.
        step: CreateStep,
        /// What was attempted, on what, and why it failed.
        message: String,
    },
    /// The call did not get through.
    #[error(transparent)]
    Call(#[from] Error),
}

/// A step of making a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CreateStep {
    /// Checking the spec: ids, capabilities, names of users.
    Spec,
    /// Mounting its root file system.
    RootFs,
    /// Looking up its user in the root file system.
    User,
    /// Opening its log.
    Log,
    /// Making its cgroup.
    Cgroup,
    /// Making its namespaces, mounts and first process.
    Process,
}

impl std::fmt::Display for CreateStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CreateStep::Spec => "check the spec",
            CreateStep::RootFs => "mount the root file system",
            CreateStep::User => "look up the user",
            CreateStep::Log => "open the log",
            CreateStep::Cgroup => "make the cgroup",
            CreateStep::Process => "make the process",
        })
    }
}
