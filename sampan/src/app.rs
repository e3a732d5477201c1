//! An app: a folder with Kubernetes manifests and the source of some of the images they name.
//!
//! `sampan up` reads the manifests ([`manifests`]), builds the images it has the source of
//! ([`sources`], [`builds`]), applies everything ([`apply`]) and waits until it is ready ([`wait`]).

pub mod apply;
pub mod builds;
pub mod diagnose;
pub mod manifests;
pub mod sources;
pub mod urls;
pub mod wait;
pub mod workload;
