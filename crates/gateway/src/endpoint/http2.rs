//! HTTP/2 to an endpoint: all requests on one connection.

use std::net::SocketAddr;

use http::Request;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Mutex;

use super::connect::{connect, drive};
use super::{Cause, Reply, SendError, failed, in_time};
use crate::GatewayConfig;
use crate::body::RequestBody;

/// Flow control windows: enough to keep a local stream busy.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// The one connection; locked while it is being made, so that only one is.
#[derive(Default)]
pub(super) struct Connection(Mutex<Option<SendRequest<RequestBody>>>);

impl Connection {
    pub async fn send(
        &self,
        address: SocketAddr,
        mut request: Request<RequestBody>,
        config: &GatewayConfig,
    ) -> Result<Reply, SendError> {
        let moved = request.body().moved();
        loop {
            let (mut sender, is_new) = match self.sender(address, config).await {
                Ok(found) => found,
                Err(cause) => return Err(SendError::Unsent { request: Box::new(request), cause }),
            };
            let exchange = sender.try_send_request(request);
            let answered = in_time(exchange, moved.clone(), config.response_timeout).await;
            match answered.map_err(SendError::Lost)?.map_err(failed) {
                Ok(response) => return Ok(Reply { response, recycle: None }),
                // The endpoint had closed it; the next turn makes a new one.
                Err(SendError::Unsent { request: unsent, .. }) if !is_new => {
                    request = *unsent;
                    self.forget().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A handle to the connection, and whether that is new.
    async fn sender(
        &self,
        address: SocketAddr,
        config: &GatewayConfig,
    ) -> Result<(SendRequest<RequestBody>, bool), Cause> {
        let mut connection = self.0.lock().await;
        if let Some(sender) = connection.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok((sender.clone(), false));
        }
        let stream = connect(address, config.connect_timeout).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (sender, driven) = builder.handshake(stream).await.map_err(Cause::Exchange)?;
        drive(address, driven);
        *connection = Some(sender.clone());
        Ok((sender, true))
    }

    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
