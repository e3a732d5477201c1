//! HTTP/1 to an endpoint: one request at a time on a connection, idle ones kept for a while.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use http::Request;
use hyper::client::conn::http1::{self, SendRequest};

use super::connect::{connect, drive};
use super::{Cause, Endpoint, Reply, SendError, failed, in_time};
use crate::GatewayConfig;
use crate::body::RequestBody;

/// Idle connections kept for one endpoint.
const IDLE_MAX: usize = 128;

/// How long an idle connection is used again: less than what servers commonly allow (Node.js
/// closes after 5 s), so that a request seldom meets a connection that is just being closed.
const IDLE_FOR_MAX: Duration = Duration::from_secs(4);

/// How long a connection may take to be ready for the next request.
const READY_WITHIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<Idle>>);

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.lock().expect("nothing panics while it holds the idle connections")
    }

    /// The one used last; when that has been idle for too long, all have.
    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.lock();
        while let Some(Idle { sender, since }) = idle.pop() {
            if since.elapsed() > IDLE_FOR_MAX {
                idle.clear();
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.lock();
        let fresh = idle.partition_point(|idle| idle.since.elapsed() > IDLE_FOR_MAX);
        idle.drain(..fresh);
        if idle.len() < IDLE_MAX {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

/// A connection whose response is being read, and whose it is.
pub(crate) struct Recycle {
    endpoint: Arc<Endpoint>,
    sender: SendRequest<RequestBody>,
}

impl Recycle {
    /// The response was read to its end: keeps the connection, once it is ready.
    pub fn run(self) {
        let Recycle { endpoint, mut sender } = self;
        if sender.is_ready() {
            return endpoint.http1.put(sender);
        }
        if sender.is_closed() {
            return;
        }
        tokio::spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(READY_WITHIN, sender.ready()).await {
                endpoint.http1.put(sender);
            }
        });
    }
}

pub(super) async fn send(
    endpoint: &Arc<Endpoint>,
    mut request: Request<RequestBody>,
    config: &GatewayConfig,
) -> Result<Reply, SendError> {
    let moved = request.body().moved();
    loop {
        let (mut sender, is_new) = match endpoint.http1.take() {
            Some(sender) => (sender, false),
            None => match open(endpoint, config).await {
                Ok(sender) => (sender, true),
                Err(cause) => {
                    return Err(SendError::Unsent { request: Box::new(request), cause });
                }
            },
        };
        let exchange = sender.try_send_request(request);
        let answered = in_time(exchange, moved.clone(), config.response_timeout).await;
        match answered.map_err(SendError::Lost)?.map_err(failed) {
            Ok(response) => {
                let recycle = Some(Recycle { endpoint: endpoint.clone(), sender });
                return Ok(Reply { response, recycle });
            }
            // The endpoint had closed it while it was idle.
            Err(SendError::Unsent { request: unsent, .. }) if !is_new => request = *unsent,
            Err(error) => return Err(error),
        }
    }
}

async fn open(
    endpoint: &Endpoint,
    config: &GatewayConfig,
) -> Result<SendRequest<RequestBody>, Cause> {
    let stream = connect(endpoint.address, config.connect_timeout).await?;
    let (sender, connection) = http1::handshake(stream).await.map_err(Cause::Exchange)?;
    drive(endpoint.address, connection.with_upgrades());
    Ok(sender)
}
