//! The address ranges of an instance and the fixed addresses in them.

use std::net::Ipv4Addr;

use anyhow::{Context, bail};
use apiserver::ServiceRange;
use net::{AddressPool, AddressRange};

use crate::instance::NetworkRanges;

/// The cluster's DNS server is the tenth service address, as in most distributions.
const DNS_OFFSET: u32 = 10;

/// The ranges, checked against each other.
#[derive(Debug, Clone)]
pub struct Ranges {
    pods: AddressRange,
    service_range: AddressRange,
    services: ServiceRange,
    dns: Ipv4Addr,
}

impl Default for NetworkRanges {
    fn default() -> Self {
        Self { pod_cidr: "10.42.0.0/16".into(), service_cidr: "10.43.0.0/16".into() }
    }
}

impl Ranges {
    pub fn parse(pod_cidr: &str, service_cidr: &str) -> anyhow::Result<Self> {
        let read = |name: &str, text: &str| {
            let range = text.parse::<AddressRange>();
            range.with_context(|| {
                format!("read --{name} {text:?}; try a network such as 10.42.0.0/16")
            })
        };
        let pods = read("pod-cidr", pod_cidr)?;
        let service_range = read("service-cidr", service_cidr)?;
        if pods.overlaps(&service_range) {
            bail!(
                "--pod-cidr {pod_cidr} and --service-cidr {service_cidr} overlap\ngive them ranges that do not"
            );
        }
        let services = service_cidr.parse().context("read --service-cidr")?;
        let dns = service_range.nth(DNS_OFFSET).context("--service-cidr is too small")?;
        Ok(Self { pods, service_range, services, dns })
    }

    /// The box's own address among the pods.
    pub fn node_address(&self) -> Ipv4Addr {
        self.pods.first()
    }

    pub fn dns_address(&self) -> Ipv4Addr {
        self.dns
    }

    pub fn services(&self) -> ServiceRange {
        self.services
    }

    pub fn pods(&self) -> AddressRange {
        self.pods
    }

    /// The addresses that pods may have: all but the node's own.
    pub fn pod_addresses(&self) -> AddressPool {
        let mut pool = AddressPool::new(self.pods);
        pool.take_specific(self.node_address()).expect("a new pool has every address of its range");
        pool
    }

    pub fn service_addresses(&self) -> AddressRange {
        self.service_range
    }

    /// As they are written down for `sampan stop`.
    pub fn texts(&self) -> NetworkRanges {
        NetworkRanges {
            pod_cidr: self.pods.to_string(),
            service_cidr: self.service_range.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pods: &str, services: &str, expected: Result<(&str, &str), &str>) {
        let seen = Ranges::parse(pods, services)
            .map(|ranges| (ranges.node_address().to_string(), ranges.dns_address().to_string()))
            .map_err(|error| error.to_string());
        match (seen, expected) {
            (Ok((node, dns)), Ok(expected)) => assert_eq!((node.as_str(), dns.as_str()), expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (seen, expected) => panic!("{seen:?} is not {expected:?}"),
        }
    }

    #[test]
    fn the_fixed_addresses_follow_from_the_ranges() {
        check("10.42.0.0/16", "10.43.0.0/16", Ok(("10.42.0.1", "10.43.0.10")));
        check("10.42.0.0/16", "10.42.128.0/17", Err("overlap"));
        check("10.42.0.0", "10.43.0.0/16", Err("--pod-cidr"));
        check("10.42.0.0/16", "fd00::/64", Err("--service-cidr"));
    }
}
