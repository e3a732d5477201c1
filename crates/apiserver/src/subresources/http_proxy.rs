//! `pods/proxy`, `services/proxy`, `nodes/proxy`: a request handed on to what runs there, path and
//! query and all, upgrades too. A node's is its kubelet API.

mod connect;
mod location;
mod rewrite;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use tower::ServiceExt as _;

use self::location::{Address, Location};
use crate::callout::exchange;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Subresource;
use crate::request::Call;

/// The path as the client asked for it.
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// Who a request is done for is between the client and this server.
const IMPERSONATION: &str = "impersonate-";

pub(super) async fn answer(
    call: &Call<'_>,
    subresource: Subresource,
    mut request: Request<Body>,
) -> ApiResult<Response> {
    let location = location::find(call, subresource)?;
    let asked = Asked::of(request.uri());
    let upgrade = exchange::wants_upgrade(request.headers());
    if asked.path.is_empty() && !upgrade && matches!(*request.method(), Method::GET | Method::HEAD)
    {
        return Ok(asked.to_the_root());
    }
    strip(request.headers_mut());
    match location {
        Location::Kubelet => kubelet(call, request, &asked).await,
        Location::Address(address) => outside(&address, request, &asked).await,
    }
}

/// A proxy path in its two parts.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// Up to `/proxy`.
    prefix: String,
    /// What comes behind: empty, or beginning with a slash.
    path: String,
    query: Option<String>,
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        let whole = uri.path();
        // `/api/v1/namespaces/{}/{}/{}/proxy`, or `/api/v1/nodes/{}/proxy`.
        let segments = if whole.starts_with("/api/v1/namespaces/") { 7 } else { 5 };
        let end = whole.match_indices('/').nth(segments).map_or(whole.len(), |(at, _)| at);
        let (prefix, path) = whole.split_at(end);
        let query = uri.query().map(str::to_owned);
        Self { prefix: prefix.to_owned(), path: path.to_owned(), query }
    }

    /// What is asked of the other side.
    fn target(&self) -> ApiResult<Uri> {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{path}{query}")
            .parse()
            .map_err(|_| ApiError::bad_request("the path cannot be passed on"))
    }

    /// Relative links need a slash to begin from.
    fn to_the_root(&self) -> Response {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::from_str(&format!("{}/{query}", self.prefix))
            .expect("what was a URI is visible ASCII");
        (StatusCode::MOVED_PERMANENTLY, [(LOCATION, location)]).into_response()
    }
}

/// Takes away what only concerned this server.
pub(crate) fn strip(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(IMPERSONATION)).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

async fn kubelet(
    call: &Call<'_>,
    mut request: Request<Body>,
    asked: &Asked,
) -> ApiResult<Response> {
    let node = call.shared.node().ok_or_else(|| {
        ApiError::unavailable("the node agent is not running yet; try again in a moment")
    })?;
    *request.uri_mut() = asked.target()?;
    match node.oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

async fn outside(
    address: &Address,
    mut request: Request<Body>,
    asked: &Asked,
) -> ApiResult<Response> {
    let authority = request.uri().authority().cloned();
    *request.uri_mut() = asked.target()?;
    let headers = request.headers_mut();
    let host = authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let (None, Some(host)) = (headers.get(HOST), host) {
        headers.insert(HOST, host);
    }
    let forwarded = HeaderValue::from_str(&format!("{}{}", asked.prefix, asked.path));
    headers.insert(FORWARDED_URI, forwarded.expect("what was a URI is visible ASCII"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned();
    let response = connect::send(address, request).await?;
    let links = rewrite::Links { prefix: &asked.prefix, hosts: [&address.to_string(), &host] };
    rewrite::response(&links, response).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, prefix: &str, target: &str) {
        let asked = Asked::of(&uri.parse().unwrap());
        assert_eq!(asked.prefix, prefix);
        assert_eq!(asked.target().unwrap().to_string(), target);
    }

    #[test]
    fn path_and_query_are_kept() {
        let pod = "/api/v1/namespaces/a/pods/b:80/proxy";
        check(&format!("{pod}/x%2Fy/z/?q=1&q=%20"), pod, "/x%2Fy/z/?q=1&q=%20");
        check(&format!("{pod}/"), pod, "/");
        check(pod, pod, "/");
        check("/api/v1/nodes/n/proxy/stats/summary", "/api/v1/nodes/n/proxy", "/stats/summary");
    }

    #[test]
    fn the_root_has_a_slash() {
        let asked = Asked::of(&"/api/v1/namespaces/a/services/b/proxy?c=d".parse().unwrap());
        let response = asked.to_the_root();
        assert_eq!(response.status(), 301);
        assert_eq!(response.headers()[LOCATION], "/api/v1/namespaces/a/services/b/proxy/?c=d");
    }

    #[test]
    fn the_clients_identity_stays_here() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "impersonate-user", "impersonate-extra-x", "x-mine"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-mine"]);
    }
}
