//! The instance's own part of the box: made on open, removed on destroy.

use std::net::Ipv4Addr;

use crate::AddressRange;
use crate::conntrack;
use crate::netlink::NetlinkError;
use crate::nft::{Frame, Ruleset};
use crate::route::{LinkInfo, Route, RouteSocket, is_unknown_kind};
use crate::sysctl::Shared;

use super::{NetworkConfig, NetworkError};

/// Link names have at most 15 characters: the prefix, the instance, and seven to tell pods apart.
const INSTANCE_CHARS_MAX: usize = 6;
/// Kinds of links that just are there and carry addresses, best first. A bridge without ports does as
/// well as a dummy, and some kernels have no dummies.
const NODE_LINK_KINDS: [&str; 2] = ["dummy", "bridge"];
/// Pod links are never larger than plain Ethernet, nor smaller than every path must carry.
const MTU_MAX: u32 = 1500;
const MTU_MIN: u32 = 576;

/// What the names of all the instance's links start with; the node link is named just so.
pub(super) fn link_prefix(config: &NetworkConfig) -> String {
    link_prefix_of(&config.instance)
}

fn link_prefix_of(instance: &str) -> String {
    format!("sp{instance}")
}

pub(super) fn validate(config: &NetworkConfig) -> Result<(), NetworkError> {
    let refuse = |text: String| Err(NetworkError::Config(text));
    let instance = &config.instance;
    let plain = instance.chars().all(|c| c.is_ascii_alphanumeric());
    if instance.is_empty() || instance.len() > INSTANCE_CHARS_MAX || !plain {
        return refuse(format!("instance {instance:?} must be 1 to 6 letters and digits"));
    }
    if config.pod_range.overlaps(&config.service_range) {
        let (pods, services) = (config.pod_range, config.service_range);
        return refuse(format!("pod range {pods} and service range {services} overlap"));
    }
    Ok(())
}

pub(super) fn frame(config: &NetworkConfig) -> Frame {
    Frame {
        table: table_name(config),
        link_prefix: link_prefix(config),
        node_address: config.pod_range.first(),
        pod_range: config.pod_range,
        service_range: config.service_range,
        quiet_addresses: config.addresses_on_dummy.clone(),
    }
}

fn table_name(config: &NetworkConfig) -> String {
    format!("sampan-{}", config.instance)
}

/// Makes all but the rules, or completes it, and gives the MTU that pods should have.
pub(super) fn prepare(
    config: &NetworkConfig,
    shared: &Shared,
    route: &mut RouteSocket,
) -> Result<u32, NetworkError> {
    let links = route.links()?;
    let routes = route.routes()?;
    refuse_ranges_in_use(config, &links, &routes, &route.addresses()?)?;
    shared.acquire(&config.instance)?;
    remove_unfinished(config, &links, route)?;
    let node = node_link(&link_prefix(config), route)?;
    route.set_up(node.index)?;
    let address = config.pod_range.first();
    for &address in std::iter::once(&address).chain(&config.addresses_on_dummy) {
        route.add_address(node.index, address)?;
    }
    let services = &config.service_range;
    route.add_link_route(services.base(), services.prefix(), node.index, address)?;
    route.add_unreachable(&config.pod_range)?;
    Ok(uplink_mtu(&links, &routes))
}

/// Finds the node link or makes it, with the first kind that this kernel has.
fn node_link(name: &str, route: &mut RouteSocket) -> Result<LinkInfo, NetworkError> {
    if let Some(link) = route.link(name)? {
        return Ok(link);
    }
    let mut made: Result<(), NetlinkError> = Ok(());
    for kind in NODE_LINK_KINDS {
        made = route.add_link(name, kind);
        if !made.as_ref().is_err_and(is_unknown_kind) {
            break;
        }
    }
    made?;
    let gone = || NetworkError::Config(format!("link {name} was removed while it was set up"));
    route.link(name)?.ok_or_else(gone)
}

/// Links of a former process that died while it made them.
fn remove_unfinished(
    config: &NetworkConfig,
    links: &[LinkInfo],
    route: &mut RouteSocket,
) -> Result<(), NetlinkError> {
    let prefix = link_prefix(config);
    for link in links {
        if link.name.starts_with(&prefix) && link.name != prefix && link.alias.is_none() {
            route.delete_link(&link.name)?;
        }
    }
    Ok(())
}

/// A route or address of somebody else inside our ranges would take our packets, or we theirs. A route to
/// a larger range around ours is fine: the more exact one wins.
fn refuse_ranges_in_use(
    config: &NetworkConfig,
    links: &[LinkInfo],
    routes: &[Route],
    addresses: &[(u32, Ipv4Addr)],
) -> Result<(), NetworkError> {
    let prefix = link_prefix(config);
    let foreign = |index: u32| {
        let link = links.iter().find(|link| link.index == index)?;
        (!link.name.starts_with(&prefix)).then(|| link.name.clone())
    };
    for range in [config.pod_range, config.service_range] {
        let routed = routes.iter().filter(|route| is_inside(route, &range)).find_map(|route| {
            if route.ours && route.link.is_none() {
                return None;
            }
            route.link.map_or(Some("(none)".to_owned()), foreign)
        });
        let carried = addresses.iter().filter(|(_, address)| range.contains(*address));
        let link = routed.or_else(|| carried.into_iter().find_map(|&(index, _)| foreign(index)));
        if let Some(link) = link {
            return Err(NetworkError::RangeInUse { range, link });
        }
    }
    Ok(())
}

fn is_inside(route: &Route, range: &AddressRange) -> bool {
    route.prefix >= range.prefix() && range.contains(route.to)
}

fn uplink_mtu(links: &[LinkInfo], routes: &[Route]) -> u32 {
    let uplink = routes.iter().find(|route| route.prefix == 0).and_then(|route| route.link);
    let mtu = links.iter().find(|link| Some(link.index) == uplink).map(|link| link.mtu);
    mtu.unwrap_or(MTU_MAX).clamp(MTU_MIN, MTU_MAX)
}

/// Removes everything, in an order that never lets a packet go astray.
pub(super) fn destroy(config: &NetworkConfig) -> Result<(), NetworkError> {
    validate(config)?;
    let shared = Shared::lock(&config.run_dir)?;
    let mut route = RouteSocket::open()?;
    let prefix = link_prefix(config);
    let links = route.links()?;
    for link in &links {
        if link.name.starts_with(&prefix) {
            route.delete_link(&link.name)?;
        }
    }
    Ruleset::delete(&table_name(config))?;
    route.delete_unreachable(&config.pod_range)?;
    forget_flows(config)?;
    shared.release(&config.instance, |other| {
        links.iter().any(|link| link.name == link_prefix_of(other))
    })?;
    Ok(())
}

/// Flows outlive links and rules; the next instance with these addresses must not inherit them.
fn forget_flows(config: &NetworkConfig) -> Result<(), NetlinkError> {
    let (pods, services) = (config.pod_range, config.service_range);
    conntrack::forget(|flow| {
        pods.contains(*flow.source.ip())
            || pods.contains(*flow.answered_by.ip())
            || services.contains(*flow.destination.ip())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> NetworkConfig {
        NetworkConfig {
            instance: "a1b2c3".to_owned(),
            run_dir: "/run/sampan/a1b2c3".into(),
            pod_range: "10.42.0.0/16".parse().unwrap(),
            service_range: "10.43.0.0/16".parse().unwrap(),
            addresses_on_dummy: Vec::new(),
        }
    }

    fn link(index: u32, name: &str) -> LinkInfo {
        LinkInfo { index, name: name.to_owned(), alias: None, mtu: 1400 }
    }

    /// Checks a machine with links 1 `lo`, 2 `eth0`, 3 our node link, 4 `cni0`, and one more route.
    fn check(to: &str, prefix: u8, index: Option<u32>, ours: bool, in_use_by: Option<&str>) {
        let links = [link(1, "lo"), link(2, "eth0"), link(3, "spa1b2c3"), link(4, "cni0")];
        let route = Route { to: to.parse().unwrap(), prefix, link: index, ours };
        let found = match refuse_ranges_in_use(&config(), &links, &[route], &[]) {
            Err(NetworkError::RangeInUse { link, .. }) => Some(link),
            Err(error) => panic!("{error}"),
            Ok(()) => None,
        };
        assert_eq!(found.as_deref(), in_use_by, "{to}/{prefix}");
    }

    #[test]
    fn routes_of_others_inside_our_ranges_are_refused() {
        check("10.42.3.0", 24, Some(4), false, Some("cni0"));
        check("10.43.0.0", 16, Some(4), true, Some("cni0"));
        check("10.42.0.0", 16, None, false, Some("(none)"));
    }

    #[test]
    fn our_own_routes_and_those_around_ours_are_fine() {
        check("10.42.3.1", 32, Some(3), true, None);
        check("10.42.0.0", 16, None, true, None);
        check("10.0.0.0", 8, Some(2), false, None);
        check("0.0.0.0", 0, Some(2), false, None);
        check("192.168.0.0", 16, Some(2), false, None);
    }

    #[test]
    fn addresses_of_others_inside_our_ranges_are_refused() {
        let links = [link(2, "eth0"), link(3, "spa1b2c3")];
        let carried = |index| [(index, Ipv4Addr::new(10, 42, 0, 1))];
        assert!(refuse_ranges_in_use(&config(), &links, &[], &carried(3)).is_ok());
        assert!(refuse_ranges_in_use(&config(), &links, &[], &carried(2)).is_err());
    }

    #[test]
    fn pods_get_the_mtu_of_the_way_out() {
        let default = |index| {
            [Route { to: Ipv4Addr::UNSPECIFIED, prefix: 0, link: Some(index), ours: false }]
        };
        let links = [link(2, "eth0"), LinkInfo { mtu: 65536, ..link(5, "fast0") }];
        assert_eq!(uplink_mtu(&links, &default(2)), 1400);
        assert_eq!(uplink_mtu(&links, &default(5)), 1500);
        assert_eq!(uplink_mtu(&links, &[]), 1500);
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        assert!(validate(&config()).is_ok());
        for instance in ["", "seven77", "a/b"] {
            assert!(
                validate(&NetworkConfig { instance: instance.to_owned(), ..config() }).is_err()
            );
        }
        let service_range = "10.42.128.0/17".parse().unwrap();
        assert!(validate(&NetworkConfig { service_range, ..config() }).is_err());
    }
}
