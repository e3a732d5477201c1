//! One client connection: its requests, and when it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Peer;
use crate::GatewayConfig;
use crate::clock::Moment;
use crate::proxy::Proxy;

/// How long a connection without a request is left open when the listener shuts down: a request
/// may be on its way.
const GRACE: Duration = Duration::from_millis(500);

/// Streams one h2 client may have open at once.
const STREAMS_MAX: u32 = 256;

pub(super) struct Connection {
    pub proxy: Arc<Proxy>,
    pub peer: Arc<Peer>,
    pub stopping: CancellationToken,
}

/// Whether a connection has requests under way, and since when not.
struct Activity {
    requests: AtomicUsize,
    last: Moment,
}

/// A request under way, until its response has been sent.
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    fn begin(activity: &Arc<Activity>) -> Busy {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        Busy(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.last.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Activity {
    fn idle_for(&self) -> Duration {
        match self.requests.load(Ordering::Relaxed) {
            0 => self.last.elapsed(),
            _ => Duration::ZERO,
        }
    }
}

impl Connection {
    pub async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Connection { proxy, peer, stopping } = self;
        let activity = Arc::new(Activity { requests: AtomicUsize::new(0), last: Moment::now() });
        let service = service_fn(|request| {
            let busy = Busy::begin(&activity);
            let (proxy, peer) = (proxy.clone(), peer.clone());
            async move {
                let response = proxy.handle(request, &peer).await;
                Ok::<_, Infallible>(response.map(|body| body.keeping(busy)))
            }
        });
        let builder = builder(&proxy.config);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut ending = false;
        loop {
            // A client that is asked to end, has no request, and does not go, is left.
            let patience = if ending { GRACE } else { proxy.config.idle_timeout };
            let wait = patience.saturating_sub(activity.idle_for());
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a client's connection ended");
                    }
                    return;
                }
                () = stopping.cancelled(), if !ending => {
                    ending = true;
                    activity.last.touch();
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(wait) => {
                    if activity.idle_for() < patience {
                        continue;
                    }
                    if ending {
                        return;
                    }
                    ending = true;
                    activity.last.touch();
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(config: &GatewayConfig) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX);
    builder
}
