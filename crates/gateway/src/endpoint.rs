//! One upstream address: its connections, and how busy it is.

mod connect;
mod http1;
mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::body::RequestBody;
use crate::{GatewayConfig, Protocol, clock};
pub(crate) use http1::Recycle;

/// How long an endpoint that refused a connection is avoided.
const REST_MS: u64 = 1_000;

pub(crate) struct Endpoint {
    address: SocketAddr,
    protocol: Protocol,
    outstanding: AtomicUsize,
    rests_until_ms: AtomicU64,
    http1: http1::Connections,
    http2: http2::Connection,
    /// Cancelled when this is dropped: by then it is in no table, and no request holds it.
    released: CancellationToken,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.released.cancel();
    }
}

/// What went wrong between us and an endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("connect")]
    Connect(#[source] std::io::Error),
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("exchange")]
    Exchange(#[source] hyper::Error),
    #[error("no response in time")]
    ResponseTimeout,
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Nothing of it was sent: here it is again.
    #[error("not sent")]
    Unsent {
        request: Box<Request<RequestBody>>,
        #[source]
        cause: Cause,
    },
    /// The endpoint may have seen it.
    #[error("sent, but not answered")]
    Lost(#[source] Cause),
}

/// A response's head, and what to do with the connection after its body.
pub(crate) struct Reply {
    pub response: Response<Incoming>,
    pub recycle: Option<Recycle>,
}

/// Counts a request as outstanding while it lives.
pub(crate) struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    pub fn new(address: SocketAddr, protocol: Protocol) -> Endpoint {
        Endpoint {
            address,
            protocol,
            outstanding: AtomicUsize::new(0),
            rests_until_ms: AtomicU64::new(0),
            http1: http1::Connections::default(),
            http2: http2::Connection::default(),
            released: CancellationToken::new(),
        }
    }

    /// Cancelled when no table and no request has this endpoint any more.
    pub fn released(&self) -> CancellationToken {
        self.released.clone()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Has it avoided for a moment.
    pub fn rest(&self) {
        self.rests_until_ms.store(clock::now_ms() + REST_MS, Ordering::Relaxed);
    }

    pub fn is_resting(&self) -> bool {
        self.rests_until_ms.load(Ordering::Relaxed) > clock::now_ms()
    }

    /// Sends a request and waits for the head of the response.
    pub async fn send(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        config: &GatewayConfig,
    ) -> Result<Reply, SendError> {
        match self.protocol {
            Protocol::Http1 => http1::send(self, request, config).await,
            Protocol::H2c => self.http2.send(self.address, request, config).await,
        }
    }
}

/// Waits for a response's head as long as the client is sending, and the timeout after.
async fn in_time<T>(
    exchange: impl Future<Output = T>,
    moved: Option<Arc<clock::Moment>>,
    timeout: Duration,
) -> Result<T, Cause> {
    tokio::pin!(exchange);
    let mut wait = timeout;
    loop {
        if let Ok(done) = tokio::time::timeout(wait, &mut exchange).await {
            return Ok(done);
        }
        let idle = moved.as_ref().map_or(timeout, |moved| moved.elapsed());
        if idle >= timeout {
            return Err(Cause::ResponseTimeout);
        }
        wait = timeout - idle;
    }
}

/// Sorts out whether a request that failed may be sent again.
fn failed(mut error: hyper::client::conn::TrySendError<Request<RequestBody>>) -> SendError {
    match error.take_message() {
        Some(request) => {
            let cause = Cause::Exchange(error.into_error());
            SendError::Unsent { request: Box::new(request), cause }
        }
        None => SendError::Lost(Cause::Exchange(error.into_error())),
    }
}
