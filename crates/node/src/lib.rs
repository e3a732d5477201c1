//! The node agent: makes Pods, Services and Ingresses real on this box, and reports back.
//!
//! It is the kubelet, kube-proxy, ingress controller and DNS feeder of one box: an ordinary
//! Kubernetes client on one side, the engines' plain tables and specs on the other. Every
//! `translate` module is pure (objects in, plain tables out) and tested without root; its
//! neighbours do the I/O. The way of a pod starts in `pods.rs` and is walked in `pod/worker.rs`.

pub mod config;

mod agent;
mod cache;
mod configuration;
mod dns;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod garbage;
mod ingress;
mod kubelet_api;
mod lost;
mod machine;
mod named;
mod pod;
mod pods;
mod quantities;
mod register;
mod services;
mod shared;
mod teardown;

pub use agent::{Node, StartError};
pub use config::NodeConfig;
pub use teardown::{TeardownConfig, TeardownError, teardown};
