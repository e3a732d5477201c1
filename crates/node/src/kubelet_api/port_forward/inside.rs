//! Connects to a port inside a pod's network namespace.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tokio::net::{TcpSocket, TcpStream};

/// A loopback connection that takes longer than this will not come: the pod's queue is full.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to what listens at `port` on the pod's loopback.
pub(super) async fn connect(netns: &Path, port: u16) -> io::Result<TcpStream> {
    let (v4, v6) = sockets(netns).await?;
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, async {
        let refused = match v4.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(stream) => return Ok(stream),
            Err(refused) => refused,
        };
        let Some(v6) = v6 else { return Err(refused) };
        v6.connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await.map_err(|_| refused)
    });
    let stream = connected.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    // Latency over batching; a socket that refuses this still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A socket belongs to the namespace it was made in. A thread of its own goes there and ends, because
/// one that failed to come back would do somebody else's work in the wrong place.
async fn sockets(netns: &Path) -> io::Result<(TcpSocket, Option<TcpSocket>)> {
    let netns = File::open(netns)?;
    let (made, sockets) = tokio::sync::oneshot::channel();
    let make = move || {
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        // A kernel without IPv6 has IPv4.
        Ok((TcpSocket::new_v4()?, TcpSocket::new_v6().ok()))
    };
    std::thread::Builder::new().name("netns".to_owned()).spawn(move || {
        // Nobody waits any more when the client has gone.
        let _ = made.send(make());
    })?;
    sockets.await.map_err(io::Error::other)?
}
