//! The connection to what is proxied, with TLS where the client said `https:`.

use axum::body::Body;
use axum::response::Response;
use http::header::HOST;
use http::{HeaderValue, Request};

use super::location::Address;
use crate::callout::exchange::{self, Transport};
use crate::error::{ApiError, ApiResult};

fn unreachable(why: &dyn std::fmt::Display) -> ApiError {
    ApiError::unavailable(format!("error trying to reach service: {why}"))
}

async fn connect(address: &Address) -> ApiResult<Box<dyn Transport>> {
    let host = address.at.ip().to_string();
    let stream = exchange::dial((&host, address.at.port())).await;
    let stream = stream.map_err(|why| unreachable(&why))?;
    if !address.https {
        return Ok(Box::new(stream));
    }
    let secured = exchange::handshake(kit::tls::connect_to_anybody(stream)).await;
    let secured = secured.map_err(|why| unreachable(&why))?;
    Ok(Box::new(secured.map_err(|error| unreachable(&error))?))
}

/// Sends a request whose URI is a path.
pub(super) async fn send(address: &Address, mut request: Request<Body>) -> ApiResult<Response> {
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(&address.to_string());
        request.headers_mut().insert(HOST, host.expect("an address is ASCII"));
    }
    let stream = connect(address).await?;
    exchange::send(stream, request).await.map_err(|error| unreachable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_there_is_told_as_upstream_does() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address { at: listener.local_addr().unwrap(), https: false };
        drop(listener);
        let error = send(&address, Request::new(Body::empty())).await.unwrap_err();
        let expected = format!(
            "error trying to reach service: dial tcp {address}: connect: connection refused"
        );
        assert_eq!((error.code(), &error.status().message), (503, &expected));
    }
}
