//! The command line as the user types it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Where state lives unless told otherwise.
const DATA_DIR: &str = "/var/lib/sampan";

/// One binary turns one Linux box into a Kubernetes-compatible application platform.
#[derive(Debug, Parser)]
#[command(name = "sampan", version, arg_required_else_help = true)]
pub struct Cli {
    /// Where state lives; it names the instance, so that several can run on one machine
    #[arg(long, global = true, env = "SAMPAN_DATA_DIR", default_value = DATA_DIR)]
    pub data_dir: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server in the foreground
    Server(ServerArgs),
    /// Build what DIR has the source of, apply its manifests and wait until all is ready
    Up(UpArgs),
    /// Delete what the manifests in DIR name
    Down(DownArgs),
    /// Show the server and what runs on it
    Status,
    /// Stop the server and all its pods; state is kept
    Stop,
    /// Build an image from the source in DIR
    Build(BuildArgs),
    /// List images
    Images,
    /// Import the images of a docker-archive or oci-archive
    Load(LoadArgs),
    /// Print the logs of a workload's pods
    Logs(LogsArgs),
    /// Print the path of the admin kubeconfig
    Kubeconfig,
}

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Where the API listens
    #[arg(long, default_value = "127.0.0.1:6443")]
    pub listen: SocketAddr,
    /// Where the gateway listens for HTTP
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub gateway_listen: SocketAddr,
    /// The range pod addresses come from
    #[arg(long, default_value = "10.42.0.0/16")]
    pub pod_cidr: String,
    /// The range service addresses come from
    #[arg(long, default_value = "10.43.0.0/16")]
    pub service_cidr: String,
    /// The name of the Node object [default: the host's name]
    #[arg(long)]
    pub node_name: Option<String>,
    /// The DNS domain of the cluster
    #[arg(long, default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Write the log to this file, bounded in size, instead of standard error
    #[arg(long)]
    pub log_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// The folder with manifests and source
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How long to wait until everything is ready
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Given to the server when `up` has to start one
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// The folder with manifests
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How long to wait until everything is gone
    #[arg(long, default_value = "2m", value_parser = parse_duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The folder with the source
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The image's name, optionally with a tag [default: the folder's name]
    #[arg(short, long)]
    pub tag: Option<String>,
}

#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The archive, compressed or not
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A Deployment, Service or Pod
    pub name: String,
    /// The namespace it is in
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// Go on printing what comes
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines of each container
    #[arg(long)]
    pub tail: Option<i64>,
}

/// Reads `90s`, `5m`, `1h` or `1m30s`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("{text:?} is no duration; try 90s, 5m or 1h"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("-5s").is_err());
    }
}
