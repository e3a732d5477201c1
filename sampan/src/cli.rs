//! The command line as the user types it.

pub mod access;
pub mod audit;
pub mod oidc;
pub mod server;
pub mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::server::ServerArgs;

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
    /// Write everything but images to FILE: objects, the etcd key space, certificates and keys
    Backup(BackupArgs),
    /// Put what a backup holds into an instance whose server is stopped
    Restore(RestoreArgs),
    /// Look at where state is kept
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// See how Secrets are encrypted at rest, and change the key
    #[command(visible_alias = "secrets-encrypt")]
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Show the keys, and how many Secrets are encrypted with each
    Status(SecretsStatusArgs),
    /// Encrypt every Secret with a new key, and drop the old ones
    ///
    /// The server runs on meanwhile. Whoever watches Secrets sees each as modified; history from
    /// before is given up, as it would need the old keys. A server that is killed in the midst
    /// goes on with it when it is started again.
    #[command(visible_alias = "rotate-keys")]
    RotateKey,
}

#[derive(Debug, Args)]
pub struct SecretsStatusArgs {
    /// The form of the report
    #[arg(short, long, default_value = "table")]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show sizes, revisions, watchers, leases and how long the disk takes
    Status(StoreStatusArgs),
}

#[derive(Debug, Args)]
pub struct StoreStatusArgs {
    /// The form of the report
    #[arg(short, long, default_value = "table")]
    pub output: Output,
}

/// The server may run or not. The file holds the Kubernetes objects and the etcd key space, each
/// as at one revision, and the certificates and keys that make the instance what it is to its
/// clients, those that open its Secrets among them: keep it as safe as those. It does not hold images, which are built or loaded again,
/// nor what pods keep in their volumes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; "-" for standard output
    pub file: PathBuf,
    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,
}

/// The whole file is checked before anything changes. Revisions go on far above those of the
/// backup, so that every client notices that the past has changed and lists anew. Images are not in
/// a backup.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file that `sampan backup` wrote; "-" for standard input
    pub file: PathBuf,
    /// Also when the instance has state; it is kept beside as before-restore-<time>
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// The folder with manifests and source
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// How long to wait until everything is ready
    #[arg(long, default_value = "5m", value_parser = values::duration)]
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
    #[arg(long, default_value = "2m", value_parser = values::duration)]
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

/// The forms a report can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
