//! The sockets a server needs, bound before anything else so that a taken port is told at once.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;

use crate::cli::ServerArgs;

/// Where pods reach the API: this port at the node's own address.
pub const NODE_API_PORT: u16 = 6443;

/// The flag that helps when the etcd API cannot listen, as on a box that has an etcd of its own.
const ETCD_FLAG: &str = "--etcd-listen, or turn it off with --etcd-listen=off";

/// What clients outside the pods connect to.
pub struct Listeners {
    pub api: Listener,
    pub gateway: Listener,
    /// None when the etcd API is off.
    pub etcd: Option<Listener>,
}

/// A socket that listens for as long as the process lives, whatever becomes of the task that
/// serves it: a part that is started again opens it again, and no connection is refused.
pub struct Listener {
    socket: std::net::TcpListener,
}

impl Listener {
    fn keep(listener: TcpListener) -> anyhow::Result<Self> {
        Ok(Self { socket: listener.into_std().context("keep a listener")? })
    }

    /// Where it listens.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr().context("ask where a listener listens")
    }

    /// The socket for one life of the task that serves it.
    pub fn open(&self) -> std::io::Result<TcpListener> {
        TcpListener::from_std(self.socket.try_clone()?)
    }
}

impl Listeners {
    pub async fn bind(args: &ServerArgs, etcd: Option<SocketAddr>) -> anyhow::Result<Self> {
        let etcd = match etcd {
            Some(at) => Some(Listener::keep(bind("the etcd API", ETCD_FLAG, at).await?)?),
            None => None,
        };
        Ok(Self {
            etcd,
            api: Listener::keep(bind("the API", "--listen", args.listen).await?)?,
            gateway: Listener::keep(
                bind("the gateway", "--gateway-listen", args.gateway_listen).await?,
            )?,
        })
    }
}

/// The API's second listener, on the link that only this box has.
pub async fn bind_inside(node_address: Ipv4Addr) -> anyhow::Result<Listener> {
    let address = SocketAddr::from((node_address, NODE_API_PORT));
    let bound = TcpListener::bind(address).await;
    Listener::keep(bound.with_context(|| format!("listen for pods' API requests at {address}"))?)
}

async fn bind(what: &str, flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "{what} cannot listen at {address}: another program has that port\n\
             see which with 'ss -ltnp', or give another address with {flag}"
        ),
        ErrorKind::AddrNotAvailable => anyhow!(
            "{what} cannot listen at {address}: this machine has no such address\n\
             give another one with {flag}"
        ),
        _ => anyhow::Error::new(error).context(format!("{what}: listen at {address}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_flag_that_helps() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = first.local_addr().unwrap();
        let error = bind("the API", "--listen", taken).await.unwrap_err().to_string();
        assert!(error.contains("another program has that port"), "{error}");
        assert!(error.contains("--listen"), "{error}");
    }
}
