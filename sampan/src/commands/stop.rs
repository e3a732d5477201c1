//! `sampan stop`: stops the server and all its pods, and leaves nothing behind but the data.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::instance::{Instance, NetworkRanges, RunningServer};
use crate::machine;
use crate::output::say;
use crate::server::engines;

/// How long the server may take to end by itself.
const DRAIN_MAX: Duration = Duration::from_secs(20);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);

pub async fn run(instance: &Instance) -> anyhow::Result<()> {
    machine::require_root("stop")?;
    let known = instance.last_server();
    match instance.running()? {
        Some(server) => {
            end(instance, &server).await?;
            say!("Stopped the server (pid {}).", server.pid);
        }
        None => say!("No server runs on {}.", instance.data_dir().display()),
    }
    // Nobody else may use the instance while it is taken apart.
    let _lock = instance.lock()?;
    let ranges = known.map_or_else(NetworkRanges::default, |server| server.network);
    engines::teardown(instance, &ranges).await?;
    say!(
        "Its pods are stopped and its links, rules and cgroups removed. Its data stays in {}.",
        instance.data_dir().display()
    );
    Ok(())
}

async fn end(instance: &Instance, server: &RunningServer) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(server.pid).context("read the server's pid")?);
    kill(pid, Signal::SIGTERM).with_context(|| format!("signal the server (pid {pid})"))?;
    let deadline = Instant::now() + DRAIN_MAX;
    while instance.running()?.is_some() {
        if Instant::now() >= deadline {
            bail!(
                "the server (pid {pid}) does not end\nlook at its log, or end it with 'kill -9 {pid}' and run 'sampan stop' again"
            );
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
