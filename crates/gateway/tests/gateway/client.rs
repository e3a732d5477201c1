//! A client in front of the gateway.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::soon;

pub type Body = UnsyncBoxBody<Bytes, hyper::Error>;
pub type Client = legacy::Client<HttpConnector, Body>;

pub fn http1() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

pub fn h2() -> Client {
    legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

pub fn request(method: Method, gateway: SocketAddr, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://{gateway}{path}"))
}

pub async fn send(client: &Client, request: Request<Body>) -> Response<Incoming> {
    soon(client.request(request)).await.expect("the gateway answers")
}

pub async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = soon(response.into_body().collect()).await.expect("the body ends well");
    (status, String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

/// One GET on a connection of its own, for a host.
pub async fn get(gateway: SocketAddr, host: &str, path: &str) -> (StatusCode, String) {
    let request = request(Method::GET, gateway, path).header("host", host).body(empty()).unwrap();
    text(send(&http1(), request).await).await
}
