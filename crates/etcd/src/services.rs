//! Which path is whose: one service of gRPC each, or plain HTTP.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;

use crate::member::Member;

/// Everything that is served on one port.
///
/// A service is here once it is finished: one field, one line in `new`, one in `respond`.
pub(crate) struct Services {
    member: Arc<Member>,
}

impl Services {
    pub(crate) fn new(member: Arc<Member>) -> Services {
        Services { member }
    }

    /// Answers one request, of whatever kind it is.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        // The path of a call is /package.Service/Method.
        match request.uri().path().split('/').nth(1) {
            _ if is_grpc(&request) => unknown(&request),
            _ => crate::http::respond(&self.member, request).await,
        }
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn unknown<B>(request: &Request<B>) -> Response<Body> {
    let path = request.uri().path();
    Status::unimplemented(format!("unknown service or method {path}")).into_http()
}
