//! The service kit: serve, health, metrics, request log, configuration, graceful shutdown.

pub mod tasks;

pub use tasks::Tasks;
