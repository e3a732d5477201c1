//! The table of routes, as its owner states it.

use std::net::SocketAddr;

use crate::Certificate;

/// Everything a gateway needs to know. Order has no meaning: the most specific route wins.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// Which requests go where.
    pub routes: Vec<Route>,
    /// What TLS listeners identify themselves with.
    pub certificates: Vec<Certificate>,
}

/// Requests for a host and path go to backends.
///
/// An exact host comes before a wildcard, that before any; a request that no path of the more
/// specific host fits goes on to the less specific one. Of one host's paths the longest wins, and
/// of two as long the exact one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// For which hosts.
    pub host: Host,
    /// For which paths.
    pub path: Path,
    /// Where to.
    pub backends: Vec<Backend>,
}

/// The hosts a route is for, without port; case does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every host.
    Any,
    /// This one.
    Exact(String),
    /// Every host that has exactly one label before this suffix, which is given without `*.`.
    Wildcard(String),
}

impl Host {
    /// Reads `""` as any host, `*.suffix` as a wildcard, all else as an exact name.
    pub fn parse(host: &str) -> Host {
        match host.strip_prefix("*.") {
            Some(suffix) => Host::Wildcard(suffix.to_ascii_lowercase()),
            None if host.is_empty() || host == "*" => Host::Any,
            None => Host::Exact(host.to_ascii_lowercase()),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Any => out.write_str("*"),
            Host::Exact(host) => out.write_str(host),
            Host::Wildcard(suffix) => write!(out, "*.{suffix}"),
        }
    }
}

/// The paths a route is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Path {
    /// This one, with or without a slash at its end as given.
    Exact(String),
    /// This one and all below it, by element: `/a` is for `/a`, `/a/` and `/a/b`, not for `/ab`.
    Prefix(String),
}

impl std::fmt::Display for Path {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Path::Exact(path) => write!(out, "={path}"),
            Path::Prefix(path) => out.write_str(path),
        }
    }
}

/// Endpoints that answer alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// What messages call it.
    pub name: String,
    /// Its share of the requests, in relation to the other backends of the route.
    pub weight: u32,
    /// What its endpoints speak.
    pub protocol: Protocol,
    /// Those that take requests now.
    pub endpoints: Vec<SocketAddr>,
}

/// What is spoken to an endpoint, without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge, as gRPC needs.
    H2c,
}
