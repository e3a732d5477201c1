//! One connection: TLS if asked for, then HTTP of whichever version the client speaks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authority::Lenient;
use crate::services::Services;
use crate::tls::{PeerName, peer_name};

/// How long a client may take to shake hands, and to send the head of a plain request.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent connection is asked whether it is alive after this long, as etcd does.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// And given up when it does not answer for this long.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Calls in flight on one connection. etcd has no bound; no honest client comes near this one.
const STREAMS_MAX: u32 = 1 << 16;
/// Calls a client may give up on before the server has looked at them.
const PENDING_RESETS_MAX: usize = 4096;
/// What a client may send on one stream, and in all, before we have read it: a largest request.
const WINDOW_BYTES: u32 = 2 << 20;
/// Headers of a request: room for long tokens.
const HEADERS_BYTES_MAX: u32 = 64 << 10;

/// What a connection is served with.
pub(super) struct Connection {
    pub(super) services: Arc<Services>,
    /// Cancelled when no more calls are to be taken.
    pub(super) closing: CancellationToken,
    /// Cancelled, after `closing`, when the connection is to end at once.
    pub(super) cut: CancellationToken,
}

impl Connection {
    /// Serves a client of a port.
    pub(super) async fn tcp(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            return tracing::debug!(%error, "a client was gone before it was served");
        }
        let Some(acceptor) = acceptor else {
            return self.serve(stream, None).await;
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => shaken,
            () = self.closing.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => {
                let peer = peer_name(stream.get_ref().1.peer_certificates());
                self.serve(stream, peer).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "tls handshake with a client"),
            Err(_) => tracing::debug!("a client took too long for its tls handshake"),
        }
    }

    /// Serves a client that is there, whose certificate may have told a name.
    pub(super) async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<PeerName>,
    ) {
        let services = self.services;
        let service = service_fn(move |mut request| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            let services = services.clone();
            // On its way to its task it is moved several times, and some are of 3 KiB.
            Box::pin(async move { Ok::<_, Infallible>(services.respond(request).await) })
        });
        let builder = builder();
        let connection = builder.serve_connection(TokioIo::new(Lenient::new(stream)), service);
        let mut connection = std::pin::pin!(connection);
        // Only one token is looked at with every read: each look takes a lock of all connections.
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection to the etcd api ended early");
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX);
    builder
}
