//! TCP to an endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Cause;

pub(super) async fn connect(
    address: SocketAddr,
    timeout: Duration,
) -> Result<TokioIo<TcpStream>, Cause> {
    let connected = tokio::time::timeout(timeout, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| Cause::ConnectTimeout)?.map_err(Cause::Connect)?;
    stream.set_nodelay(true).map_err(Cause::Connect)?;
    Ok(TokioIo::new(stream))
}

/// Runs a connection until it is closed, by its peer or by the last handle to it being dropped.
pub(super) fn drive<F>(address: SocketAddr, connection: F)
where
    F: Future<Output = Result<(), hyper::Error>> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever waited for a response has been told.
            tracing::debug!(%address, %error, "a connection to an endpoint ended");
        }
    });
}
