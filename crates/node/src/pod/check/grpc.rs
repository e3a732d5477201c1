//! grpc.health.v1.Health/Check by hand: one field in, one field out.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{USER_AGENT, connect, drive};

/// Whether `service` says that it serves.
pub(super) async fn check(target: SocketAddr, service: &str) -> Result<(), String> {
    let failed = |what: String| format!("service unhealthy: grpc {target}: {what}");
    let stream = connect(target).await.map_err(failed)?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
    let request = Request::post(format!("http://{target}/grpc.health.v1.Health/Check"))
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .header(http::header::USER_AGENT, USER_AGENT)
        .body(Full::new(health_request(service)))
        .map_err(|error| failed(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| failed(e.to_string()))?;
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.map_err(|e| failed(e.to_string()))?;
        let status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
        let status = status.or_else(|| headers.get("grpc-status")).cloned();
        if status.as_ref().is_none_or(|status| status != "0") {
            return Err(failed(format!("status {status:?}")));
        }
        match serving_status(&body.to_bytes()) {
            Some(1) => Ok(()),
            other => Err(failed(format!("health status {other:?}"))),
        }
    };
    drive(connection, exchange).await
}

/// A HealthCheckRequest in a gRPC frame.
fn health_request(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut len = service.len();
        while len >= 0x80 {
            message.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        message.push(len as u8);
        message.extend(service.as_bytes());
    }
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    frame.into()
}

/// The status in a framed HealthCheckResponse; 0 when the field is not there.
fn serving_status(frame: &[u8]) -> Option<u8> {
    match frame.get(5..)? {
        [] => Some(0),
        [0x08, status, ..] => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream::iter;
    use http::{HeaderMap, Response};
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;

    /// A service that expects to be asked for `shop` and answers with this health and status.
    async fn serve(listener: tokio::net::TcpListener, health: u8, status: &'static str) {
        let answer = move |request: Request<Incoming>| async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            let asked = request.into_body().collect().await?.to_bytes();
            assert_eq!(asked, health_request("shop"));
            let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, health]);
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static(status),
            )]);
            let frames = [Frame::data(message), Frame::trailers(trailers)];
            let body = StreamBody::new(iter(frames.map(Ok::<_, std::convert::Infallible>)));
            Ok::<_, hyper::Error>(Response::new(body))
        };
        let (stream, _) = listener.accept().await.unwrap();
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        // It ends with an error when the client just leaves.
        let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    }

    async fn check_health(health: u8, status: &'static str, expected: Result<(), &str>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, health, status));
        let found = check(target, "shop").await;
        let expected = expected.map_err(|end| format!("service unhealthy: grpc {target}: {end}"));
        assert_eq!(found, expected);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_service_says_how_it_is() {
        check_health(1, "0", Ok(())).await;
        check_health(2, "0", Err("health status Some(2)")).await;
        check_health(1, "12", Err("status Some(\"12\")")).await;
    }

    #[test]
    fn health_messages_are_framed() {
        assert_eq!(&health_request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&health_request("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving_status(&[]), None);
    }
}
