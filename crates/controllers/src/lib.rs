//! Controllers: API objects in, API objects out; one file per controller.
//!
//! Each is an ordinary Kubernetes client. It is woken by watches, then reads what it
//! decides on from the API itself (never from the event), so that running it twice, late
//! or after a crash is harmless. None of them knows the store, the node or each other:
//! they meet through the API.

mod account_tokens;
mod certificates;
mod claim_protection;
mod cluster_roles;
mod context;
mod deployment;
mod disruption;
mod drive;
mod endpointmirror;
mod endpoints;
mod endpointslice;
mod event_ttl;
mod garbage;
mod merge;
mod namespace;
mod node_lifecycle;
mod owner;
mod record;
mod replicaset;
mod replicationcontroller;
mod resourcequota;
mod root_ca;
mod run;
mod scheduler;
mod service_pods;
mod serviceaccount;
mod volume_protection;

pub use run::{Clients, ControllersConfig, SignError, Signer, run};
