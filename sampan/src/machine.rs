//! What must be true of the machine before anything starts.

use std::net::IpAddr;

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Only root can make namespaces, cgroups and links.
pub fn require_root(command: &str) -> anyhow::Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    bail!(
        "sampan {command} needs root: it makes namespaces, cgroups and network links\ntry 'sudo sampan {command}'"
    )
}

/// Raises the limit of open files as far as the machine allows: each connection and each pod
/// takes some.
pub fn raise_open_files() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raise the limit of open files")
}

/// The host's name as a Node name: lower case, as DNS wants it.
pub fn host_name() -> anyhow::Result<String> {
    let name = nix::unistd::gethostname().context("read the host's name")?;
    let name = name.to_string_lossy().to_lowercase();
    Ok(if name.is_empty() { "sampan".into() } else { name })
}

/// The machine's own addresses at this moment, in their order; without those of the loopback and, of
/// IPv6, those that only hold on one link.
pub fn addresses(with_ipv6: bool) -> Vec<IpAddr> {
    let Ok(links) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = links.filter_map(|link| {
        let address = link.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    let mut addresses: Vec<IpAddr> = addresses
        .filter(|address| match address {
            IpAddr::V4(address) => !address.is_loopback(),
            IpAddr::V6(address) => {
                with_ipv6 && !address.is_loopback() && !address.is_unicast_link_local()
            }
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
