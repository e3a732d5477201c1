//! One pod's link: a routed veth pair, without a bridge.
//!
//! The pod has one /32 address and sends everything to a gateway address that exists nowhere: both ends know
//! each other's link-layer address from the start, so nobody ever asks for one. The box routes the
//! address to its end of the pair.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{io, thread};

use nix::sched::{CloneFlags, setns};

use crate::netlink::NetlinkError;
use crate::route::{Mac, RouteSocket, VethPair};

use super::setup::link_prefix;
use super::{Link, NetworkConfig, NetworkError};

/// The pod's name for its end.
const POD_LINK: &str = "eth0";
/// What pods send everything to: link-local, so it can be nobody's address.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// All our ends share it: each is alone on its wire. Locally administered.
const HOST_MAC: Mac = [0x0a, 0x53, 0x50, 0, 0, 1];
/// The kernel keeps an alias of up to 255 bytes.
const ALIAS_BYTES_MAX: usize = 255;
const ALIAS_MARK: &str = "sampan";
const ID_CHARS: usize = 7;

/// The name of our end: the instance, and letters that follow from the pod's id.
pub(super) fn name(config: &NetworkConfig, id: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rest = fnv1a(id);
    let mut name = link_prefix(config);
    for _ in 0..ID_CHARS {
        name.push(char::from(LETTERS[(rest % 32) as usize]));
        rest /= 32;
    }
    name
}

/// A hash that is the same in every version of the program: names outlive processes.
fn fnv1a(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    hash ^ (hash >> 35)
}

/// Connects the pod. A link that is complete is left alone; anything else of that name is replaced.
pub(super) fn attach(
    config: &NetworkConfig,
    mtu: u32,
    route: &mut RouteSocket,
    link: &Link,
) -> Result<(), NetworkError> {
    let alias = to_alias(link)?;
    let name = name(config, &link.id);
    if let Some(existing) = route.link(&name)? {
        if existing.alias.as_deref() == Some(alias.as_str()) {
            return Ok(());
        }
        route.delete_link(&name)?;
    }
    let netns = open_netns(&link.netns)?;
    let pair = VethPair {
        name: &name,
        mac: HOST_MAC,
        mtu,
        peer_name: POD_LINK,
        peer_mac: pod_mac(link.address),
        peer_netns: netns.as_fd(),
    };
    route.add_veth(&pair)?;
    let connected = connect(config, route, &name, &netns, link, &alias);
    if connected.is_err() {
        route.delete_link(&name)?;
    }
    connected
}

/// The pod's side first, and the alias last: it says that all is done.
fn connect(
    config: &NetworkConfig,
    route: &mut RouteSocket,
    name: &str,
    netns: &File,
    link: &Link,
    alias: &str,
) -> Result<(), NetworkError> {
    let mut inside = route_socket_in(netns, &link.netns)?;
    configure_inside(&mut inside, link.address)?;
    let gone = || NetworkError::Namespace {
        path: link.netns.clone(),
        source: io::Error::from(io::ErrorKind::NotFound),
    };
    let index = route.link(name)?.ok_or_else(gone)?.index;
    route.harden_pod_link(index)?;
    route.add_neighbour(index, link.address, pod_mac(link.address))?;
    route.add_link_route(link.address, 32, index, config.pod_range.first())?;
    route.set_alias(index, alias)?;
    Ok(())
}

fn configure_inside(inside: &mut RouteSocket, address: Ipv4Addr) -> Result<(), NetworkError> {
    inside.set_loopback_up()?;
    let gone = || NetworkError::Config(format!("{POD_LINK} vanished while it was set up"));
    let index = inside.link(POD_LINK)?.ok_or_else(gone)?.index;
    inside.set_up(index)?;
    inside.add_address(index, address)?;
    inside.add_neighbour(index, GATEWAY, HOST_MAC)?;
    inside.add_default_route(index, GATEWAY)?;
    Ok(())
}

/// The complete links of the instance.
pub(super) fn list(
    config: &NetworkConfig,
    route: &mut RouteSocket,
) -> Result<Vec<Link>, NetworkError> {
    let prefix = link_prefix(config);
    let ours = route.links()?.into_iter().filter(|link| link.name.starts_with(&prefix));
    Ok(ours.filter_map(|link| from_alias(link.alias.as_deref()?)).collect())
}

fn open_netns(path: &Path) -> Result<File, NetworkError> {
    File::open(path).map_err(|source| NetworkError::Namespace { path: path.to_owned(), source })
}

/// Opens a socket that belongs to another namespace. A thread of its own goes there and ends: a thread that
/// failed to come back would do somebody else's work in the wrong place.
fn route_socket_in(netns: &File, path: &Path) -> Result<RouteSocket, NetworkError> {
    let failed = |source| NetworkError::Namespace { path: path.to_owned(), source };
    let open = || -> Result<Result<RouteSocket, NetlinkError>, io::Error> {
        setns(netns.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(RouteSocket::open())
    };
    let result = thread::scope(|scope| {
        let thread = thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, open)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    Ok(result.map_err(failed)??)
}

/// Locally administered, and as unique as the address.
fn pod_mac(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [0x0a, 0x58, a, b, c, d]
}

/// What the kernel keeps with the link, for [`list`]. The id comes last: it may hold spaces.
fn to_alias(link: &Link) -> Result<String, NetworkError> {
    let netns = link.netns.to_str().filter(|netns| !netns.contains(' '));
    let too_long = || NetworkError::LinkTooLong { id: link.id.clone() };
    let alias =
        format!("{ALIAS_MARK} {} {} {}", link.address, netns.ok_or_else(too_long)?, link.id);
    if alias.len() > ALIAS_BYTES_MAX { Err(too_long()) } else { Ok(alias) }
}

fn from_alias(alias: &str) -> Option<Link> {
    let mut parts = alias.splitn(4, ' ');
    let marked = parts.next() == Some(ALIAS_MARK);
    let address = parts.next()?.parse().ok()?;
    let netns = PathBuf::from(parts.next()?);
    let id = parts.next()?.to_owned();
    marked.then_some(Link { id, netns, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(id: &str) -> Link {
        let netns = PathBuf::from("/proc/4711/ns/net");
        Link { id: id.to_owned(), netns, address: Ipv4Addr::new(10, 42, 0, 7) }
    }

    #[test]
    fn an_alias_holds_all_of_a_link() {
        for id in ["2ab51c1e-0d3d-4c0b-8a11-0b1c2d3e4f50", "with spaces"] {
            assert_eq!(from_alias(&to_alias(&link(id)).unwrap()), Some(link(id)));
        }
        for foreign in ["", "uplink to rack 7", "sampan", "sampan x y z"] {
            assert_eq!(from_alias(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn an_alias_that_does_not_fit_is_refused() {
        assert!(to_alias(&link(&"x".repeat(255))).is_err());
    }

    #[test]
    fn names_fit_the_kernel_and_differ() {
        let config = NetworkConfig {
            instance: "a1b2c3".to_owned(),
            run_dir: PathBuf::new(),
            pod_range: "10.42.0.0/16".parse().unwrap(),
            service_range: "10.43.0.0/16".parse().unwrap(),
            addresses_on_dummy: Vec::new(),
        };
        let names: std::collections::HashSet<_> =
            (0..10_000).map(|n| name(&config, &format!("pod-{n}"))).collect();
        assert_eq!(names.len(), 10_000);
        assert!(names.iter().all(|name| name.len() == 15 && name.starts_with("spa1b2c3")));
    }

    proptest::proptest! {
        #[test]
        fn any_alias_can_be_read(alias: String, id in ".{0,60}") {
            let _ = from_alias(&alias);
            if let Ok(alias) = to_alias(&link(&id)) {
                assert_eq!(from_alias(&alias), Some(link(&id)));
            }
        }
    }
}
