//! The serve loop: HTTP/1 and HTTP/2 on one port, bounded, and stopped without losing a request.
//!
//! A stop goes through these steps:
//! 1. *draining*: the service says it is not ready, yet answers everything, new connections too, and
//!    asks HTTP/1 clients to close. This is the time load balancers need to look elsewhere.
//! 2. *closing*: no new connections; open ones end after the requests they are in the middle of.
//! 3. *done*, when the last connection has ended or the deadline has passed.

mod connection;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::health::Health;
use connection::Connection;

/// The wait after the process ran out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The bounds of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// From a connection's start to the end of its first request's head.
    pub first_request: Duration,
    /// Without a request; also the time for the head of each further HTTP/1 request, because hyper
    /// counts the wait for it in.
    pub idle: Duration,
    /// How long to go on serving after the stop was asked for.
    pub drain: Duration,
    /// How long requests may still take after that.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(3),
            deadline: Duration::from_secs(15),
        }
    }
}

/// Asks a server to stop. Clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: CancellationToken,
    hurried: CancellationToken,
}

impl Stop {
    /// Begins the stop.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// Begins the stop, or ends its draining: open requests are finished, nothing else is waited for.
    pub fn hurry(&self) {
        self.hurried.cancel();
        self.asked.cancel();
    }

    /// Ends when the stop was asked for.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }
}

/// What the connections of one server share.
struct Server {
    app: Router,
    limits: Limits,
    draining: AtomicBool,
    closing: CancellationToken,
    aborted: CancellationToken,
}

/// Serves `app` on `listener` until `stop`. Returns the number of connections that had to be cut off
/// at the deadline.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    health: Health,
    stop: Stop,
) -> usize {
    let server = Arc::new(Server {
        app,
        limits,
        draining: AtomicBool::new(false),
        closing: CancellationToken::new(),
        aborted: CancellationToken::new(),
    });
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(server.limits.connections_max));
    let mut accepting = Box::pin(accept_all(listener, &server, &connections, &slots));

    until(&mut accepting, stop.asked()).await;
    health.begin_shutdown();
    server.draining.store(true, Ordering::Release);
    let drained = async {
        tokio::select! {
            () = tokio::time::sleep(server.limits.drain) => {}
            () = stop.hurried.cancelled() => {}
        }
    };
    until(&mut accepting, drained).await;
    // With it goes the listener.
    drop(accepting);
    server.close(&connections).await
}

/// Drives `work`, which never ends by itself, until `end`.
async fn until(
    work: impl Future<Output = std::convert::Infallible>,
    end: impl Future<Output = ()>,
) {
    tokio::select! {
        never = work => match never {},
        () = end => {}
    }
}

async fn accept_all(
    listener: TcpListener,
    server: &Arc<Server>,
    connections: &TaskTracker,
    slots: &Arc<Semaphore>,
) -> std::convert::Infallible {
    loop {
        let slot = slots.clone().acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(run(server.clone(), stream, slot))),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// The client was gone before it was accepted: nothing to wait for.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn run(server: Arc<Server>, stream: TcpStream, _slot: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot send small packets at once");
    }
    Connection::new(server).run(stream).await;
}

impl Server {
    async fn close(&self, connections: &TaskTracker) -> usize {
        self.closing.cancel();
        connections.close();
        if tokio::time::timeout(self.limits.deadline, connections.wait()).await.is_ok() {
            return 0;
        }
        let left = connections.len();
        tracing::warn!(connections = left, "requests cut off at the deadline of the shutdown");
        self.aborted.cancel();
        connections.wait().await;
        left
    }
}

#[cfg(test)]
mod tests;
