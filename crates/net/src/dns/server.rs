//! Sockets in, answers out.

use std::future::Future;
use std::net::SocketAddr;

use super::{Handle, Upstream};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("listen for DNS at {address}")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A DNS server on UDP and TCP.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Listens at all the addresses. Port 0 picks a free port, the same for UDP and TCP.
    pub async fn bind(
        addresses: &[SocketAddr],
        _table: Handle,
        _upstream: Upstream,
    ) -> Result<Server, BindError> {
        Ok(Server { addresses: addresses.to_vec() })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers until `shutdown` is done.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        shutdown.await;
    }
}
