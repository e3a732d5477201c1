//! The transport for clients that tonic generates: HTTP/2, pooled, in the current trace.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error, ResponseFuture};

use super::{connector, pool};
use crate::Trace;

/// A pool of HTTP/2 connections, one per server; clones share it. `B` is tonic's body.
///
/// `PaymentsClient::with_origin(Grpc::new(), uri)` makes a client that connects when it is first
/// used, again when the server has gone, and passes the trace on.
#[derive(Debug)]
pub struct Grpc<B> {
    pool: Pool<HttpConnector, B>,
}

impl<B> Grpc<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// An empty pool.
    pub fn new() -> Self {
        Self { pool: pool().http2_only(true).build(connector()) }
    }
}

impl<B> Default for Grpc<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn default() -> Self {
        Self::new()
    }
}

// Not derived: the body itself need not be cloneable.
impl<B> Clone for Grpc<B> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone() }
    }
}

impl<B> tower::Service<Request<B>> for Grpc<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture {
        Trace::inject(request.headers_mut());
        self.pool.request(request)
    }
}
