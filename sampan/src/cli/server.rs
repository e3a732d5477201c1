//! The flags of `sampan server`; `sampan up` takes the same for the server it may have to start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::access::AccessArgs;
use super::audit::AuditArgs;
use super::values::{self, EtcdListen};

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Where the API listens
    #[arg(long, default_value = "127.0.0.1:6443")]
    pub listen: SocketAddr,
    /// More names and addresses that the API's certificate is good for, such as those of a load
    /// balancer; where it listens, with 0.0.0.0 every address of this machine, is in it anyway
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = values::host_name)]
    pub tls_san: Vec<String>,
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
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub audit: AuditArgs,
    #[command(flatten)]
    pub etcd: EtcdArgs,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// The etcd API and its key space.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The etcd API")]
pub struct EtcdArgs {
    /// Where the etcd v3 API listens, or "off"; with --store it is always off
    #[arg(
        long,
        env = "SAMPAN_ETCD_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:2379"
    )]
    pub etcd_listen: EtcdListen,
    /// Serve it with TLS: the certificate, PEM
    #[arg(long, env = "SAMPAN_ETCD_CERT_FILE", value_name = "FILE")]
    pub etcd_cert_file: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, env = "SAMPAN_ETCD_KEY_FILE", value_name = "FILE")]
    pub etcd_key_file: Option<PathBuf>,
    /// The authorities that client certificates are checked against, PEM
    #[arg(long, env = "SAMPAN_ETCD_TRUSTED_CA_FILE", value_name = "FILE")]
    pub etcd_trusted_ca_file: Option<PathBuf>,
    /// Refuse clients without a certificate; its common name is the user's name
    #[arg(
        long,
        env = "SAMPAN_ETCD_CLIENT_CERT_AUTH",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub etcd_client_cert_auth: bool,
    /// How large the key space may grow before puts are refused with NOSPACE, such as 512MiB
    #[arg(
        long,
        env = "SAMPAN_ETCD_QUOTA_BYTES",
        value_name = "SIZE",
        default_value = "2GiB",
        value_parser = values::size
    )]
    pub etcd_quota_bytes: u64,
    /// What --etcd-auto-compaction-retention counts
    #[arg(
        long,
        env = "SAMPAN_ETCD_AUTO_COMPACTION_MODE",
        value_name = "MODE",
        default_value = "revision"
    )]
    pub etcd_auto_compaction_mode: CompactionMode,
    /// How much history is kept: a number of revisions, or a time such as 1h
    #[arg(
        long,
        env = "SAMPAN_ETCD_AUTO_COMPACTION_RETENTION",
        value_name = "RETENTION",
        default_value = "10000"
    )]
    pub etcd_auto_compaction_retention: String,
}

/// How history is counted, in etcd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompactionMode {
    /// By the number of revisions
    Revision,
    /// By age
    Periodic,
}

impl CompactionMode {
    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Periodic => "periodic",
        }
    }
}

/// Where the Kubernetes objects are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The store of the Kubernetes objects")]
pub struct StoreArgs {
    /// Keep all objects in this external etcd, not in the data directory: http(s)://host:port,…
    #[arg(long, env = "SAMPAN_STORE", value_name = "URLS", value_delimiter = ',')]
    pub store: Vec<String>,
    /// The authority that the external etcd's certificates are checked against, PEM
    #[arg(long, env = "SAMPAN_STORE_CACERT", value_name = "FILE")]
    pub store_cacert: Option<PathBuf>,
    /// The certificate to show to the external etcd, PEM
    #[arg(long, env = "SAMPAN_STORE_CERT", value_name = "FILE")]
    pub store_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, env = "SAMPAN_STORE_KEY", value_name = "FILE")]
    pub store_key: Option<PathBuf>,
    /// The user's name, when the external etcd has authentication
    #[arg(long, env = "SAMPAN_STORE_USER", value_name = "NAME", requires = "store_password_file")]
    pub store_user: Option<String>,
    /// The file that the user's password is in
    #[arg(long, env = "SAMPAN_STORE_PASSWORD_FILE", value_name = "FILE", requires = "store_user")]
    pub store_password_file: Option<PathBuf>,
    /// What every key in the external etcd begins with
    #[arg(long, env = "SAMPAN_STORE_PREFIX", value_name = "PREFIX", default_value = "/sampan/")]
    pub store_prefix: String,
    /// Revisions kept for watches and paged lists
    #[arg(
        long,
        env = "SAMPAN_STORE_HISTORY_REVISIONS",
        value_name = "COUNT",
        default_value_t = 10_000
    )]
    pub store_history_revisions: usize,
    /// Bytes kept of them
    #[arg(
        long,
        env = "SAMPAN_STORE_HISTORY_BYTES",
        value_name = "SIZE",
        default_value = "32MiB",
        value_parser = values::size
    )]
    pub store_history_bytes: u64,
    /// Forget revisions older than this too, as Kubernetes does; with 0s only number and bytes count
    #[arg(
        long,
        env = "SAMPAN_STORE_HISTORY_AGE",
        value_name = "TIME",
        default_value = "5m",
        value_parser = values::duration
    )]
    pub store_history_age: Duration,
}

impl ServerArgs {
    /// The flags of a server that is started in the background with these. Where a flag is
    /// absent its variable is too, or it would be here.
    pub fn to_flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("--listen={}", self.listen),
            format!("--gateway-listen={}", self.gateway_listen),
            format!("--pod-cidr={}", self.pod_cidr),
            format!("--service-cidr={}", self.service_cidr),
            format!("--cluster-domain={}", self.cluster_domain),
        ];
        flags.extend(self.node_name.iter().map(|name| format!("--node-name={name}")));
        self.access.add_flags(&mut flags);
        self.audit.add_flags(&mut flags);
        if !self.tls_san.is_empty() {
            flags.push(format!("--tls-san={}", self.tls_san.join(",")));
        }
        self.etcd.add_flags(&mut flags);
        self.store.add_flags(&mut flags);
        flags
    }
}

impl EtcdArgs {
    fn add_flags(&self, flags: &mut Vec<String>) {
        flags.extend([
            format!("--etcd-listen={}", self.etcd_listen),
            format!("--etcd-client-cert-auth={}", self.etcd_client_cert_auth),
            format!("--etcd-quota-bytes={}", self.etcd_quota_bytes),
            format!("--etcd-auto-compaction-mode={}", self.etcd_auto_compaction_mode.name()),
            format!("--etcd-auto-compaction-retention={}", self.etcd_auto_compaction_retention),
        ]);
        add_file(flags, "--etcd-cert-file", &self.etcd_cert_file);
        add_file(flags, "--etcd-key-file", &self.etcd_key_file);
        add_file(flags, "--etcd-trusted-ca-file", &self.etcd_trusted_ca_file);
    }
}

impl StoreArgs {
    fn add_flags(&self, flags: &mut Vec<String>) {
        if !self.store.is_empty() {
            flags.push(format!("--store={}", self.store.join(",")));
        }
        flags.extend([
            format!("--store-prefix={}", self.store_prefix),
            format!("--store-history-revisions={}", self.store_history_revisions),
            format!("--store-history-bytes={}", self.store_history_bytes),
            format!("--store-history-age={}", values::duration_text(self.store_history_age)),
        ]);
        flags.extend(self.store_user.iter().map(|user| format!("--store-user={user}")));
        add_file(flags, "--store-password-file", &self.store_password_file);
        add_file(flags, "--store-cacert", &self.store_cacert);
        add_file(flags, "--store-cert", &self.store_cert);
        add_file(flags, "--store-key", &self.store_key);
    }
}

pub(super) fn add_file(flags: &mut Vec<String>, name: &str, file: &Option<PathBuf>) {
    flags.extend(file.iter().map(|file| format!("{name}={}", file.display())));
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    fn flags(given: &[&str]) -> Vec<String> {
        let words = ["sampan", "server"].iter().chain(given);
        let Command::Server(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("no server")
        };
        args.to_flags()
    }

    /// What `up` passes on means the same to the server it starts.
    #[track_caller]
    fn check(given: &[&str]) {
        let passed = flags(given);
        let again = flags(&passed.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(passed, again);
        for flag in given {
            assert!(passed.iter().any(|passed| passed == flag), "{flag} is not in {passed:?}");
        }
    }

    #[test]
    fn every_flag_is_passed_on_to_a_server_in_the_background() {
        check(&[]);
        check(&["--etcd-listen=off", "--node-name=box"]);
        check(&["--max-requests-inflight=40", "--max-mutating-requests-inflight=20"]);
        check(&[
            "--audit-policy-file=/p",
            "--audit-log-path=/l",
            "--audit-log-maxsize=5",
            "--audit-log-maxbackup=3",
            "--audit-log-maxage=2",
        ]);
        check(&["--audit-policy-file=/p", "--audit-log-path=-"]);
        check(&["--tls-san=box.example,10.1.2.3"]);
        check(&["--token-auth-file=/a b"]);
        check(&[
            "--oidc-issuer-url=https://i",
            "--oidc-client-id=us",
            "--oidc-username-claim=email",
            "--oidc-username-prefix=-",
            "--oidc-groups-claim=groups",
            "--oidc-groups-prefix=oidc:",
            "--oidc-required-claim=team=red",
            "--oidc-required-claim=site=here",
            "--oidc-signing-algs=RS256,ES256",
            "--oidc-ca-file=/ca",
        ]);
        check(&[
            "--etcd-cert-file=/a b/c.pem",
            "--etcd-key-file=/k",
            "--etcd-trusted-ca-file=/t",
            "--etcd-client-cert-auth=true",
            "--etcd-quota-bytes=1000",
            "--etcd-auto-compaction-mode=periodic",
            "--etcd-auto-compaction-retention=1h",
        ]);
        check(&[
            "--store=https://a:2379,https://b:2379",
            "--store-cacert=/ca",
            "--store-cert=/c",
            "--store-key=/k",
            "--store-prefix=/two/",
            "--store-user=root",
            "--store-password-file=/p",
            "--store-history-revisions=5",
            "--store-history-bytes=77",
            "--store-history-age=90s",
        ]);
    }

    #[test]
    fn a_switch_needs_no_value() {
        let passed = flags(&["--etcd-client-cert-auth"]);
        assert!(passed.contains(&"--etcd-client-cert-auth=true".to_owned()), "{passed:?}");
    }
}
