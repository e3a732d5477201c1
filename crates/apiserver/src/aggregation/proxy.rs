//! Hands a request on, with the user's name in its headers and nothing of the user's credentials.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};

use super::{Extension, access};
use crate::authz::Attributes;
use crate::error::ApiResult;
use crate::server::Shared;
use crate::subresources::http_proxy;
use crate::user::{MASTERS, UserInfo};

/// What all headers that name a user begin with.
const REMOTE: &str = "x-remote-";
const USER: HeaderName = HeaderName::from_static("x-remote-user");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
const GROUP: HeaderName = HeaderName::from_static("x-remote-group");
const EXTRA: &str = "x-remote-extra-";
/// Who asks where nobody else does.
const AGGREGATOR: &str = "system:kube-aggregator";

/// Answers a request to a group's version that somebody else answers for.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    extension: &Extension,
    asked: &Attributes<'_>,
    request: Request<Body>,
) -> ApiResult<Response> {
    access::check(shared, asked)?;
    Ok(hand_on(shared, extension, asked.user, request).await)
}

async fn hand_on(
    shared: &Shared,
    extension: &Extension,
    user: &UserInfo,
    mut request: Request<Body>,
) -> Response {
    if !extension.available {
        return unavailable("service unavailable");
    }
    http_proxy::strip(request.headers_mut());
    name_user(request.headers_mut(), user);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = path.parse::<Uri>() else {
        return (StatusCode::BAD_REQUEST, "the path cannot be passed on\n").into_response();
    };
    *request.uri_mut() = uri;
    match extension.send(shared, request, true).await {
        Ok(response) => response,
        Err(why) => {
            tracing::debug!(name = extension.name, why, "a server behind this one was not reached");
            unavailable(&format!("error trying to reach service: {why}"))
        }
    }
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

/// The OpenAPI document of a group's version, as its server has it now.
pub(crate) async fn document(
    shared: &Arc<Shared>,
    extension: &Extension,
    asked: Parts,
) -> Response {
    let mut request = Request::new(Body::empty());
    let path = asked.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    for name in [http::header::ACCEPT, http::header::ACCEPT_ENCODING, http::header::IF_NONE_MATCH] {
        if let Some(value) = asked.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    hand_on(shared, extension, &aggregator(), request).await
}

/// Who asks the servers behind this one what they are.
pub(super) fn aggregator() -> UserInfo {
    UserInfo::new(AGGREGATOR, [MASTERS])
}

/// Says whose request it is. What the client said of that itself goes.
pub(super) fn name_user(headers: &mut HeaderMap, user: &UserInfo) {
    let given = headers.keys().filter(|name| name.as_str().starts_with(REMOTE));
    let given: Vec<HeaderName> = given.cloned().collect();
    for name in given {
        headers.remove(name);
    }
    // Names are text of any kind; what no header can carry is said by nobody.
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    };
    add(USER, &user.name);
    if !user.uid.is_empty() {
        add(UID, &user.uid);
    }
    user.groups.iter().for_each(|group| add(GROUP, group));
    for (key, values) in &user.extra {
        let name = HeaderName::from_bytes(format!("{EXTRA}{}", escape(key)).as_bytes());
        let Ok(name) = name else { continue };
        values.iter().for_each(|value| add(name.clone(), value));
    }
}

/// A key as a header's name may have it; the other side takes the percent signs back.
fn escape(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let escaped = key.bytes().map(|byte| match plain(byte) && byte != b'%' {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_whom_this_server_says() {
        let mut headers = HeaderMap::new();
        headers.insert(USER, HeaderValue::from_static("system:admin"));
        headers.insert("x-remote-extra-a", HeaderValue::from_static("b"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        let mut user = UserInfo::new("jane", ["a", "b"]);
        user.extra.insert("e.io/Key".to_owned(), vec!["v".to_owned(), "w".to_owned()]);
        name_user(&mut headers, &user);
        let all = |name: &str| -> Vec<&str> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(all("x-remote-user"), ["jane"]);
        assert_eq!(all("x-remote-group"), ["a", "b", "system:authenticated"]);
        assert_eq!(all("x-remote-extra-e.io%2fkey"), ["v", "w"]);
        assert_eq!(all("x-remote-extra-a"), Vec::<&str>::new());
        assert_eq!(all("x-mine"), ["1"]);
    }
}
