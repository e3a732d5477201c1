//! What an API server is made from.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use tower::util::BoxCloneSyncService;

use crate::authn::{Anonymous, Oidc, StaticTokens};
use crate::authz::Authorizer;
use crate::pki::Pki;

/// The kubelet API of the node agent (`/containerLogs/…`, `/exec/…`, `/attach/…`,
/// `/portForward/…`), called without a socket. An `axum::Router` becomes one by
/// `NodeProxy::new(router)`.
pub type NodeProxy = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What an API server is made from.
pub struct Config {
    /// Where objects live.
    pub store: store::Store,
    /// Signs and checks ServiceAccount tokens and client certificates.
    pub pki: Arc<Pki>,
    /// The range ClusterIPs come from; its first address is the `kubernetes` Service.
    pub service_range: ServiceRange,
    /// The node's address: the endpoint of the `kubernetes` Service.
    pub node_address: Ipv4Addr,
    /// The port the API answers on at `node_address`.
    pub secure_port: u16,
    /// Decides who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Who comes in, and how many at once.
    pub access: Access,
}

/// Who comes in, and how many at once. The default is what kube-apiserver does without flags.
#[derive(Debug, Clone)]
pub struct Access {
    /// Requests that are answered at once, those that take no seats (streams) aside; at least 1.
    /// kube-apiserver's `--max-requests-inflight` and `--max-mutating-requests-inflight` together.
    pub requests_max: u32,
    /// Who has a token of a file.
    pub static_tokens: StaticTokens,
    /// Whose ID tokens are taken too.
    pub oidc: Vec<Arc<Oidc>>,
    /// Where those may ask who show no credentials.
    pub anonymous: Anonymous,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            requests_max: 400 + 200,
            static_tokens: StaticTokens::default(),
            oidc: Vec::new(),
            anonymous: Anonymous::default(),
        }
    }
}

/// The IPv4 range that ClusterIPs are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceRange {
    base: u32,
    prefix: u8,
}

/// A text that is no usable service range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("service range {0:?} is not an IPv4 network between /8 and /28, e.g. 10.43.0.0/16")]
pub struct RangeError(pub String);

/// The widest and narrowest service ranges.
const PREFIXES: std::ops::RangeInclusive<u8> = 8..=28;
/// Offsets below this are handed out last: 1 is the `kubernetes` Service, 10 the cluster DNS.
const STATIC_BAND: u32 = 16;

impl ServiceRange {
    /// The address of the `kubernetes` Service.
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// Is the address in the range, and neither its network nor its broadcast address?
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.base);
        offset > 0 && offset < self.size() - 1
    }

    /// The addresses that are given out unasked, starting anywhere: `start` is any number.
    pub(crate) fn dynamic(&self, start: u32) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let low = STATIC_BAND.min(self.size() / 2);
        let count = self.size() - 1 - low;
        let base = self.base;
        (0..count).map(move |step| Ipv4Addr::from(base + low + (start % count + step) % count))
    }

    fn size(&self) -> u32 {
        1 << (32 - self.prefix)
    }
}

impl FromStr for ServiceRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let refuse = || RangeError(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(refuse)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refuse())?;
        let prefix: u8 = prefix.parse().map_err(|_| refuse())?;
        if !PREFIXES.contains(&prefix) {
            return Err(refuse());
        }
        let mask = u32::MAX << (32 - prefix);
        Ok(Self { base: u32::from(address) & mask, prefix })
    }
}

impl std::fmt::Display for ServiceRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_knows_its_first_address_and_its_bounds() {
        let range: ServiceRange = "10.43.0.0/16".parse().unwrap();
        assert_eq!(range.first(), Ipv4Addr::new(10, 43, 0, 1));
        assert!(range.contains(Ipv4Addr::new(10, 43, 255, 254)));
        assert!(!range.contains(Ipv4Addr::new(10, 43, 0, 0)));
        assert!(!range.contains(Ipv4Addr::new(10, 43, 255, 255)));
        assert!(!range.contains(Ipv4Addr::new(10, 44, 0, 1)));
    }

    #[test]
    fn every_dynamic_address_is_offered_once_wherever_one_starts() {
        let range: ServiceRange = "10.0.0.0/26".parse().unwrap();
        for start in [0, 7, u32::MAX] {
            let all: std::collections::BTreeSet<_> = range.dynamic(start).collect();
            assert_eq!(all.len(), 64 - 1 - 16);
            assert!(all.iter().all(|address| range.contains(*address)));
        }
    }

    #[test]
    fn texts_that_are_no_range_are_refused() {
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "x/16", "10.0.0.0/7"] {
            assert!(bad.parse::<ServiceRange>().is_err(), "{bad}");
        }
    }
}
