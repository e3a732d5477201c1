//! Containers: one shim per pod, made by libcontainer. The only user of libcontainer.
//!
//! A pod is one small single-threaded process, the *shim*: a re-exec of the caller's own binary
//! ([`shim_main`]). It owns the pod's network, ipc, uts and mount namespaces, makes and reaps the
//! pod's containers, writes their logs and their exit records, and lives on when its client dies.
//! [`Runtime`] and [`Pod`] are the asynchronous client side.
//!
//! This crate knows no Kubernetes word and sets up no network beyond `lo`.

mod cgroup;
mod connection;
mod error;
mod exec;
mod pod;
mod protocol;
mod record;
mod runtime;
mod shim;
mod spec;
mod state;

pub use error::{CreateError, CreateStep, Error};
pub use exec::{Exec, StdioReader, StdioWriter, Terminal};
pub use pod::{ContainerExit, Exits, Pod};
pub use runtime::{Found, Runtime, RuntimeConfig};
pub use shim::shim_main;
pub use spec::{
    AttachSpec, ContainerSpec, ExecSpec, LogSpec, Mount, MountKind, PodNetwork, PodSpec, Principal,
    Propagation, Resources, RootFs, Seccomp, Security, Size, User,
};
pub use state::{ContainerState, ExitStatus, PodRecord, Stats, Status};
