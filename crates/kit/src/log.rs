//! One JSON object per line on standard output.
//!
//! Lines are collected in memory and written by a thread of their own, many at a time: a request
//! never waits for whoever reads the log. When the reader falls too far behind, lines are dropped
//! and the next line says how many.

mod json;
mod subscriber;
mod time;
mod writer;

use std::process::ExitCode;

pub use json::Line;
pub use writer::Writer;

/// The level below which events are left out, from `RUST_LOG` or `LOG_LEVEL`: `error` to `trace`.
fn level() -> tracing::Level {
    let name = ["LOG_LEVEL", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    name.and_then(|name| name.parse().ok()).unwrap_or(tracing::Level::INFO)
}

/// Sends the process's `tracing` events to standard output as JSON lines, under the service's name.
///
/// Does nothing when the process has a subscriber already.
pub fn start(service: &'static str) {
    let subscriber = subscriber::JsonSubscriber::new(service, level(), Writer::stdout());
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("the process has a log already");
    }
}

/// Ends a service's `main`: logs why it failed, cause by cause, and waits until the log is written.
pub fn exit<E: std::error::Error>(result: Result<(), E>) -> ExitCode {
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "the service ended");
            ExitCode::FAILURE
        }
    };
    Writer::stdout().flush();
    code
}

/// An error with its causes: `read file: permission denied`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
