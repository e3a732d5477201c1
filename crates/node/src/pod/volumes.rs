//! The volumes of a pod: which host directory each one is, and where containers see it.
//!
//! `render` says (purely) which files a volume of configuration holds, `write` puts them on
//! disk so that readers see all of the old or all of the new, `apply` does both for a pod.

pub(crate) mod apply;
pub(crate) mod memory;
pub(crate) mod mounts;
pub(crate) mod render;
pub(crate) mod write;

use k8s_openapi::api::core::v1::{Pod, Volume};

/// How a volume is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A directory that lives and dies with the pod.
    Empty,
    /// The same on a tmpfs, bounded in size (`memory`).
    Memory,
    /// Files that follow objects of the API.
    Files,
    /// A path of this box.
    Host,
}

impl Kind {
    /// None for a kind that `unsupported.rs` names.
    pub(crate) fn of(volume: &Volume) -> Option<Self> {
        if let Some(empty) = &volume.empty_dir {
            let memory = empty.medium.as_deref() == Some("Memory");
            return Some(if memory { Self::Memory } else { Self::Empty });
        }
        if volume.host_path.is_some() {
            return Some(Self::Host);
        }
        let files = volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.projected.is_some()
            || volume.downward_api.is_some();
        files.then_some(Self::Files)
    }
}

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("{kind} {name:?} not found")]
    NoObject { kind: &'static str, name: String },
    #[error("{kind} {name:?} has no key {key:?}")]
    NoKey { kind: &'static str, name: String, key: String },
    #[error("{0}")]
    Field(#[from] super::fields::FieldError),
    #[error("path {0:?} leaves the volume")]
    Escape(String),
    #[error("hostPath {path} is not {expected}")]
    HostPath { path: String, expected: &'static str },
    #[error("{action} {path}: {source}")]
    File { action: &'static str, path: String, source: std::io::Error },
    #[error("make a token for service account {account:?}: {source}")]
    Token { account: String, source: Box<kube::Error> },
    #[error("volume {0:?} is not in spec.volumes")]
    NoVolume(String),
}

impl VolumeError {
    pub(crate) fn file(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { action, path, source }
    }
}

/// The volumes of a pod.
pub(crate) fn all(pod: &Pod) -> &[Volume] {
    pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default()
}
