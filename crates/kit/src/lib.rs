//! The service kit: what every service needs around its handlers.
//!
//! A service is an axum router; [`Service`] serves it with health, metrics, a request log, traces,
//! one shape of errors, and a shutdown that loses no request. [`config::load`] reads its
//! configuration, [`client::Client`] calls other services. [`Tasks`] is the tree of a process's
//! background work. The kit knows no Kubernetes: it only keeps the promises a platform relies on.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "service")]
pub mod error;
#[cfg(feature = "service")]
pub mod health;
pub mod log;
#[cfg(feature = "service")]
pub mod metrics;
#[cfg(feature = "service")]
pub mod serve;
#[cfg(feature = "service")]
pub mod service;
pub mod tasks;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(any(feature = "service", feature = "client"))]
pub mod trace;

#[cfg(feature = "service")]
mod json;
#[cfg(feature = "service")]
mod observe;
#[cfg(feature = "service")]
mod recover;

#[cfg(feature = "service")]
pub use error::{Error, ErrorFormat};
#[cfg(feature = "service")]
pub use json::Json;
#[cfg(feature = "service")]
pub use service::Service;
pub use tasks::Tasks;
#[cfg(any(feature = "service", feature = "client"))]
pub use trace::Trace;
