//! Connections that go on in another protocol: what is asked for, and what is agreed on.

use axum::body::Body;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::Upgraded;

pub(super) const SPDY: &str = "SPDY/3.1";
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED_PROTOCOLS: HeaderName =
    HeaderName::from_static("x-accepted-stream-protocol-versions");

/// Whether the request wants to go on in another protocol.
pub(super) fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let names = |name: HeaderName, wanted: &str| {
        words(headers, &name).any(|word| word.eq_ignore_ascii_case(wanted))
    };
    names(CONNECTION, "upgrade") && names(UPGRADE, protocol)
}

/// What is spoken over SPDY: the first of the client's that is accepted; `None` when the client
/// names none, as the oldest do.
pub(super) fn negotiate(
    headers: &HeaderMap,
    accepted: &[&'static str],
) -> Result<Option<&'static str>, Box<Response>> {
    let named: Vec<&str> = words(headers, &STREAM_PROTOCOL).collect();
    if named.is_empty() {
        return Ok(None);
    }
    let found = named.iter().find_map(|name| accepted.iter().find(|own| *own == name));
    found.map(|protocol| Some(*protocol)).ok_or_else(|| unknown(&named, accepted))
}

fn unknown(named: &[&str], accepted: &[&'static str]) -> Box<Response> {
    let message = format!(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]",
        named.join(" "),
        accepted.join(" ")
    );
    let mut response = super::failure(StatusCode::FORBIDDEN, "Forbidden", &message);
    for protocol in accepted {
        let value = HeaderValue::from_static(protocol);
        response.headers_mut().append(ACCEPTED_PROTOCOLS, value);
    }
    Box::new(response)
}

/// Lets the connection go on in SPDY, and hands it to `run`.
pub(super) fn to_spdy<F>(
    mut request: Request<Body>,
    protocol: Option<&'static str>,
    run: impl FnOnce(Upgraded) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => run(upgraded).await,
            Err(error) => tracing::debug!(%error, "connection not upgraded"),
        }
    });
    let headers = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static(SPDY)),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
    if let Some(protocol) = protocol {
        response.headers_mut().insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    #[track_caller]
    fn check(all: &[(&str, &str)], protocol: &str, expected: bool) {
        assert_eq!(asks_for(&headers(all), protocol), expected, "{all:?}");
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        check(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")], SPDY, true);
        check(&[("connection", "keep-alive, upgrade"), ("upgrade", "spdy/3.1")], SPDY, true);
        check(&[("connection", "Upgrade"), ("upgrade", "websocket")], SPDY, false);
        check(&[("upgrade", "SPDY/3.1")], SPDY, false);
    }

    #[test]
    fn the_first_protocol_of_the_client_that_is_known_is_spoken() {
        let ours = ["v4.channel.k8s.io", "v3.channel.k8s.io"];
        let name = "x-stream-protocol-version";
        let agreed = |all: &[(&str, &str)]| negotiate(&headers(all), &ours).ok();
        assert_eq!(agreed(&[]), Some(None));
        assert_eq!(agreed(&[(name, "v9"), (name, ours[1]), (name, ours[0])]), Some(Some(ours[1])));
        assert_eq!(agreed(&[(name, "v9, v4.channel.k8s.io")]), Some(Some(ours[0])));
        let refused = negotiate(&headers(&[(name, "v9")]), &ours).unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert_eq!(refused.headers().get_all(ACCEPTED_PROTOCOLS).iter().count(), 2);
    }
}
