//! What is served to plain HTTP: metrics, health, version.

use http::{Request, Response, StatusCode};
use tonic::body::Body;

use crate::member::Member;

/// Answers a request that is not gRPC.
pub(crate) async fn respond<B>(_member: &Member, _request: Request<B>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
