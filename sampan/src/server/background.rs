//! Starting a server that outlives the command that needed it.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
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

/// Starts a server for the instance and waits until it is ready.
pub async fn start(instance: &Instance, args: &ServerArgs) -> anyhow::Result<RunningServer> {
    // Its log is bounded and its own; this file only takes what it says before it dies.
    let output_path = instance.data_dir().join("server.out");
    let output = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&output_path)
        .with_context(|| format!("open {}", output_path.display()))?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("sampan")
        .arg("server")
        .args(to_flags(instance, args))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .process_group(0);
    let mut child = command.spawn().context("start the server")?;
    let deadline = Instant::now() + READY_MAX;
    loop {
        if let Some(server) = instance.running()?.filter(|server| server.ready) {
            return Ok(server);
        }
        if let Some(status) = child.try_wait().context("look at the server")? {
            let said = fs::read_to_string(&output_path).unwrap_or_default();
            let said = said.strip_prefix("error: ").unwrap_or(&said).trim().to_owned();
            if said.is_empty() {
                bail!(
                    "the server ended at once ({status}); see {}",
                    instance.server_log().display()
                );
            }
            let lines: Vec<_> = said.lines().take(OUTPUT_LINES).collect();
            bail!("the server did not start: {}", lines.join("\n"));
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

fn to_flags(instance: &Instance, args: &ServerArgs) -> Vec<String> {
    let log = args.log_file.clone().unwrap_or_else(|| instance.server_log());
    let mut flags = vec![
        format!("--data-dir={}", instance.data_dir().display()),
        format!("--listen={}", args.listen),
        format!("--gateway-listen={}", args.gateway_listen),
        format!("--pod-cidr={}", args.pod_cidr),
        format!("--service-cidr={}", args.service_cidr),
        format!("--cluster-domain={}", args.cluster_domain),
        format!("--log-file={}", log.display()),
    ];
    flags.extend(args.node_name.iter().map(|name| format!("--node-name={name}")));
    flags
}
