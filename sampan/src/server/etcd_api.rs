//! The etcd API as one part of the server: its configuration, checked before anything starts, and
//! its listeners.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use etcd::{Config, Server};
use kit::Tasks;
use store::Store;

use crate::cli::server::{CompactionMode, EtcdArgs};
use crate::cli::values::{self, EtcdListen};
use crate::instance::Instance;
use crate::machine;
use crate::server::listeners::Listener;
use crate::server::unix_socket::UnixSocket;

/// The name of the unix socket in the run directory.
const SOCKET: &str = "etcd.sock";

/// What was asked for, resolved and checked.
pub struct EtcdPlan {
    pub listen: SocketAddr,
    /// How its key space is bounded.
    pub options: store::Options,
    tls: Option<Arc<rustls::ServerConfig>>,
    client_cert_auth: bool,
    quota_bytes: u64,
}

impl EtcdPlan {
    /// None when the etcd API is off.
    pub fn resolve(args: &EtcdArgs) -> anyhow::Result<Option<Self>> {
        let tls = tls(args)?;
        let options = options(args)?;
        let EtcdListen::At(listen) = args.etcd_listen else { return Ok(None) };
        let (client_cert_auth, quota_bytes) = (args.etcd_client_cert_auth, args.etcd_quota_bytes);
        Ok(Some(Self { listen, options, tls, client_cert_auth, quota_bytes }))
    }

    /// How clients on this box name it, once it listens at `address`.
    pub fn url(&self, mut address: SocketAddr) -> String {
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => [127, 0, 0, 1].into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Serves the key space until shutdown, on the listener and on the unix socket.
    pub async fn serve(
        self,
        tasks: &Tasks,
        instance: &Instance,
        store: Store,
        listener: Listener,
    ) -> anyhow::Result<()> {
        let socket = UnixSocket::bind(&instance.run_dir().join(SOCKET))?;
        let config = Config {
            store,
            name: machine::host_name()?,
            client_urls: vec![self.url(listener.address()?)],
            quota_bytes: self.quota_bytes,
            client_cert_auth: self.client_cert_auth,
        };
        let server = Server::new(config).await.context("start the etcd API")?;
        serve_port(tasks, server.clone(), listener, self.tls);
        serve_socket(tasks, server, socket);
        Ok(())
    }
}

fn serve_port(
    tasks: &Tasks,
    server: Server,
    listener: Listener,
    tls: Option<Arc<rustls::ServerConfig>>,
) {
    let shutdown = tasks.shutdown();
    tasks.supervise("listener/etcd", move || {
        let (server, tls, shutdown) = (server.clone(), tls.clone(), shutdown.clone());
        let listener = listener.open();
        async move {
            server.serve(listener?, tls, shutdown.cancelled_owned()).await;
            Ok::<_, std::io::Error>(())
        }
    });
}

fn serve_socket(tasks: &Tasks, server: Server, socket: UnixSocket) {
    let shutdown = tasks.shutdown();
    tasks.supervise("listener/etcd-socket", move || {
        let (server, listener, shutdown) = (server.clone(), socket.open(), shutdown.clone());
        async move {
            server.serve_unix(listener?, shutdown.cancelled_owned()).await;
            Ok::<_, std::io::Error>(())
        }
    });
}

/// TLS as the flags want it; flags that make no sense together are told.
fn tls(args: &EtcdArgs) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    let (cert, key) = match (&args.etcd_cert_file, &args.etcd_key_file) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return no_tls(args),
        (Some(_), None) => {
            bail!("--etcd-cert-file needs --etcd-key-file: the key of that certificate")
        }
        (None, Some(_)) => {
            bail!("--etcd-key-file needs --etcd-cert-file: the certificate of that key")
        }
    };
    let trusted = args.etcd_trusted_ca_file.as_deref();
    if args.etcd_client_cert_auth && trusted.is_none() {
        bail!(
            "--etcd-client-cert-auth needs --etcd-trusted-ca-file: \
             the authorities that client certificates are checked against"
        );
    }
    // As with etcd: who names authorities wants every client to have a certificate of theirs.
    let tls = etcd::server_tls(cert, key, trusted, trusted.is_some());
    tls.map(Some).context("set up TLS for the etcd API")
}

fn no_tls(args: &EtcdArgs) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    let flag = if args.etcd_trusted_ca_file.is_some() {
        "--etcd-trusted-ca-file"
    } else if args.etcd_client_cert_auth {
        "--etcd-client-cert-auth"
    } else {
        return Ok(None);
    };
    bail!("{flag} needs TLS: give --etcd-cert-file and --etcd-key-file too")
}

/// The bounds of the key space.
fn options(args: &EtcdArgs) -> anyhow::Result<store::Options> {
    let retention = args.etcd_auto_compaction_retention.as_str();
    let defaults = store::Options::default();
    let mut options = store::Options { quota_bytes: Some(args.etcd_quota_bytes), ..defaults };
    match args.etcd_auto_compaction_mode {
        CompactionMode::Revision => {
            options.history_revisions_max = retention.parse().map_err(|_| {
                anyhow!(
                    "--etcd-auto-compaction-retention {retention:?} is no number of revisions\n\
                     for a time give --etcd-auto-compaction-mode=periodic too"
                )
            })?;
        }
        CompactionMode::Periodic => {
            let age = retention_age(retention)
                .map_err(|why| anyhow!("--etcd-auto-compaction-retention: {why}"))?;
            options.history_age_max = Some(age);
            options.history_revisions_max = usize::MAX;
        }
    }
    Ok(options)
}

/// A time; a bare number is hours, as with etcd.
fn retention_age(text: &str) -> Result<std::time::Duration, String> {
    match text.parse::<u64>() {
        Ok(hours) => Ok(std::time::Duration::from_secs(hours.saturating_mul(3600))),
        Err(_) => values::duration(text),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn resolve(flags: &[&str]) -> anyhow::Result<Option<EtcdPlan>> {
        let words = ["sampan", "server"].iter().chain(flags);
        let Command::Server(args) = Cli::try_parse_from(words)?.command else {
            panic!("no server")
        };
        EtcdPlan::resolve(&args.etcd)
    }

    #[track_caller]
    fn refused(flags: &[&str], expected: &str) {
        let error = resolve(flags).err().expect("an error");
        let text = crate::text::failure(&error);
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn flags_that_make_no_sense_together_are_told() {
        refused(&["--etcd-cert-file=/c"], "needs --etcd-key-file");
        refused(&["--etcd-key-file=/k"], "needs --etcd-cert-file");
        refused(&["--etcd-client-cert-auth"], "needs TLS");
        refused(&["--etcd-trusted-ca-file=/t"], "needs TLS");
        let pair = ["--etcd-cert-file=/c", "--etcd-key-file=/k"];
        refused(&[pair[0], pair[1], "--etcd-client-cert-auth"], "needs --etcd-trusted-ca-file");
        refused(&pair, "/c");
        // Also when it is off: who gives them expects them to be looked at.
        refused(&["--etcd-listen=off", "--etcd-cert-file=/c"], "needs --etcd-key-file");
    }

    #[test]
    fn retention_is_a_number_or_a_time() {
        let options = |flags: &[&str]| resolve(flags).unwrap().unwrap().options;
        let by_number = options(&["--etcd-auto-compaction-retention=50"]);
        assert_eq!((by_number.history_revisions_max, by_number.history_age_max), (50, None));
        let periodic = "--etcd-auto-compaction-mode=periodic";
        let age = |text: &str| {
            let retention = format!("--etcd-auto-compaction-retention={text}");
            options(&[periodic, &retention]).history_age_max.unwrap().as_secs()
        };
        assert_eq!([age("2"), age("30m")], [7200, 1800]);
        refused(&["--etcd-auto-compaction-retention=1h"], "--etcd-auto-compaction-mode=periodic");
        refused(&[periodic, "--etcd-auto-compaction-retention=soon"], "no duration");
    }

    #[test]
    fn it_is_named_as_clients_reach_it() {
        let url = |at: &str| resolve(&[]).unwrap().unwrap().url(at.parse().unwrap());
        assert_eq!(url("0.0.0.0:2379"), "http://127.0.0.1:2379");
        assert_eq!(url("[::]:2379"), "http://[::1]:2379");
        assert_eq!(url("10.0.0.1:1"), "http://10.0.0.1:1");
    }

    #[test]
    fn off_is_off() {
        assert!(resolve(&["--etcd-listen=off"]).unwrap().is_none());
    }
}
