//! Which path is whose: one service of gRPC each, or plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt as _};

use crate::auth::AuthService;
use crate::member::Member;
use crate::pb::etcdserverpb::auth_server::AuthServer;

/// Everything that is served on one port.
///
/// A service is here once it is finished: one field, one line in `new`, one in `respond`.
pub(crate) struct Services {
    member: Arc<Member>,
    auth: AuthServer<AuthService>,
}

impl Services {
    pub(crate) fn new(member: Arc<Member>) -> Services {
        let auth = AuthServer::new(AuthService::new(member.clone()));
        Services { member, auth }
    }

    /// Answers one request, of whatever kind it is.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        // The path of a call is /package.Service/Method.
        match request.uri().path().split('/').nth(1) {
            Some("etcdserverpb.Auth") => call(self.auth.clone(), request).await,
            _ if is_grpc(&request) => unknown(&request),
            _ => crate::http::respond(&self.member, request).await,
        }
    }
}

/// Hands a request to the service of its path.
async fn call<S>(service: S, request: Request<Incoming>) -> Response<Body>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(response) = service.oneshot(request).await;
    response
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn unknown<B>(request: &Request<B>) -> Response<Body> {
    let path = request.uri().path();
    Status::unimplemented(format!("unknown service or method {path}")).into_http()
}
