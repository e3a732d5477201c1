//! What is changed in the heads of requests and responses on their way through.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers that concern one connection only (RFC 9110, 7.6.1), and two of proxies themselves.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whom a request came from, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub client: IpAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Whether what the client says of earlier proxies is believed.
    pub trusted: bool,
}

/// Removes what concerns the connection it came on, including what `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Makes the headers of a client's request those of ours to an endpoint.
pub(crate) fn forward(headers: &mut HeaderMap, host: &str, origin: Origin) {
    let wants_trailers =
        tokens(headers, header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    strip_hop_by_hop(headers);
    if wants_trailers {
        // gRPC servers insist on it; it is true, as trailers are passed on.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    // We answer it ourselves when the endpoint begins to read.
    headers.remove(header::EXPECT);
    join_cookies(headers);
    set_forwarded(headers, host, origin);
}

fn set_forwarded(headers: &mut HeaderMap, host: &str, origin: Origin) {
    let earlier = headers.get(FORWARDED_FOR).filter(|_| origin.trusted);
    let earlier = earlier.and_then(|value| value.to_str().ok());
    let chain = match earlier {
        Some(earlier) => format!("{earlier}, {}", origin.client),
        None => origin.client.to_string(),
    };
    let mut set = |name: HeaderName, value: &str, keep: bool| {
        if !(keep && headers.contains_key(&name))
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
    };
    set(FORWARDED_FOR, &chain, false);
    set(FORWARDED_PROTO, origin.scheme, origin.trusted);
    set(FORWARDED_HOST, host, origin.trusted);
}

/// h2 clients may split cookies over several headers; HTTP/1 knows only one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(_), Some(_)) = (cookies.next(), cookies.next()) else { return };
    let all: Vec<&[u8]> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// The protocol a request or response wants its connection to become.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut connection = tokens(headers, header::CONNECTION);
    let wanted = connection.any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| wanted).cloned()
}

pub(crate) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// For an endpoint that knows no upgrades.
pub(crate) fn strip_upgrade(headers: &mut HeaderMap) {
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// A host without its port, in lower case.
pub(crate) fn bare_host(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        // Not the last colon of an IPv6 address.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> HeaderMap {
        let pairs = lines.lines().filter_map(|line| line.trim().split_once(": "));
        let pair = |(name, value): (&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
        };
        pairs.map(pair).collect()
    }

    fn check(trusted: bool, before: &str, after: &str) {
        let mut headers = parse(before);
        let client = [10, 0, 0, 7].into();
        forward(&mut headers, "shop.example", Origin { client, scheme: "http", trusted });
        assert_eq!(headers, parse(after), "{before}");
    }

    const FORWARDED: &str = "x-forwarded-for: 10.0.0.7
        x-forwarded-proto: http
        x-forwarded-host: shop.example\n";

    #[test]
    fn what_concerns_the_connection_is_removed() {
        check(
            false,
            "connection: keep-alive, x-private
            x-private: 1
            keep-alive: timeout=5
            transfer-encoding: chunked
            proxy-authorization: secret
            upgrade: h2c
            expect: 100-continue
            accept: */*",
            &format!("{FORWARDED}accept: */*"),
        );
    }

    #[test]
    fn the_wish_for_trailers_is_passed_on() {
        check(false, "te: gzip, trailers", &format!("{FORWARDED}te: trailers"));
        check(false, "te: gzip", FORWARDED);
    }

    #[test]
    fn only_a_trusted_client_speaks_for_others() {
        let claimed = "x-forwarded-for: 1.2.3.4
            x-forwarded-proto: https
            x-forwarded-host: front.example";
        check(false, claimed, FORWARDED);
        check(
            true,
            claimed,
            "x-forwarded-for: 1.2.3.4, 10.0.0.7
            x-forwarded-proto: https
            x-forwarded-host: front.example",
        );
    }

    #[test]
    fn split_cookies_are_joined() {
        check(false, "cookie: a=1\ncookie: b=2", &format!("{FORWARDED}cookie: a=1; b=2"));
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        let websocket = "connection: keep-alive, Upgrade\nupgrade: websocket";
        assert_eq!(upgrade(&parse(websocket)).unwrap(), "websocket");
        assert_eq!(upgrade(&parse("upgrade: websocket")), None);
        assert_eq!(upgrade(&parse("connection: upgrade")), None);
    }

    #[test]
    fn a_host_is_compared_without_port_and_case() {
        for (authority, expected) in [
            ("Shop.Example:8080", "shop.example"),
            ("shop.example", "shop.example"),
            ("shop.example.", "shop.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(bare_host(authority), expected);
        }
    }
}
