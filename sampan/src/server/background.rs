//! Starting a server that outlives the command that needed it.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cli::ServerArgs;
use crate::instance::{Instance, RunningServer};

/// How long a server may take to be ready: a large store or many pods take time.
const READY_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How much of its output is shown when it fails.
const OUTPUT_LINES: usize = 5;

/// Starts a server for the instance, unless one is just starting, and waits until it is ready.
pub async fn start(instance: &Instance, args: &ServerArgs) -> anyhow::Result<RunningServer> {
    // Its log is bounded and its own; this file only takes what it says before it dies.
    let output = instance.data_dir().join("server.out");
    let deadline = Instant::now() + READY_MAX;
    let mut child: Option<Child> = None;
    loop {
        if let Some(server) = instance.running()?.filter(|server| server.ready) {
            return Ok(server);
        }
        if !instance.is_locked()? {
            match &mut child {
                None => child = Some(spawn(instance, args, &output)?),
                Some(child) => still_lives(child, instance, &output)?,
            }
        }
        if Instant::now() >= deadline {
            bail!(
                "the server is not ready after {}s; see {}",
                READY_MAX.as_secs(),
                instance.server_log().display()
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

fn spawn(instance: &Instance, args: &ServerArgs, output: &Path) -> anyhow::Result<Child> {
    let output = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(output)
        .with_context(|| format!("open {}", output.display()))?;
    Command::new("/proc/self/exe")
        .arg0("sampan")
        .arg("server")
        .args(to_flags(instance, args))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("start the server")
}

/// An error with the server's last words when it has ended.
fn still_lives(child: &mut Child, instance: &Instance, output: &Path) -> anyhow::Result<()> {
    let Some(status) = child.try_wait().context("look at the server")? else { return Ok(()) };
    let said = fs::read_to_string(output).unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(&said).trim().to_owned();
    if said.is_empty() {
        bail!("the server ended at once ({status}); see {}", instance.server_log().display());
    }
    let lines: Vec<_> = said.lines().take(OUTPUT_LINES).collect();
    bail!("the server did not start: {}", lines.join("\n"))
}

fn to_flags(instance: &Instance, args: &ServerArgs) -> Vec<String> {
    let log = args.log_file.clone().unwrap_or_else(|| instance.server_log());
    let mut flags = args.to_flags();
    flags.push(format!("--data-dir={}", instance.data_dir().display()));
    flags.push(format!("--log-file={}", log.display()));
    flags
}
