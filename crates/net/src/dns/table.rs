//! The names this server is the authority for, as plain data.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::AddressRange;

/// Names under one domain. Keys are whole names in lower case without the trailing dot, for example
/// `orders.default.svc.cluster.local`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsTable {
    /// The domain answered for with authority, for example `cluster.local`.
    pub domain: String,
    /// The ranges whose reverse names are answered for with authority.
    pub ranges: Vec<AddressRange>,
    /// Addresses; several are handed out in turn.
    pub a: HashMap<String, Vec<Ipv4Addr>>,
    /// Services: port and host.
    pub srv: HashMap<String, Vec<Srv>>,
    /// The name of an address.
    pub ptr: HashMap<Ipv4Addr, String>,
    /// Names that stand for another name, which may be outside the domain.
    pub cname: HashMap<String, String>,
    /// Texts.
    pub txt: HashMap<String, Vec<String>>,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// Lower is preferred.
    pub priority: u16,
    /// Share among equal priorities.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host's whole name, without the trailing dot.
    pub target: String,
}

/// The table a running server answers from. Clones share it; a store is seen by the next question.
#[derive(Clone, Debug)]
pub struct Handle(Arc<ArcSwap<Zone>>);

impl Handle {
    /// A handle that answers from `table`.
    pub fn new(table: DnsTable) -> Handle {
        Handle(Arc::new(ArcSwap::from_pointee(Zone::new(table))))
    }

    /// Replaces the whole table.
    pub fn store(&self, table: DnsTable) {
        self.0.store(Arc::new(Zone::new(table)));
    }

    pub(super) fn zone(&self) -> Arc<Zone> {
        self.0.load_full()
    }
}

/// A table with what questions need beside it.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) table: DnsTable,
    /// Every name that exists: those with records and all between them and the domain. A name without
    /// records that has one below it exists too (RFC 8020), and must not be answered NXDOMAIN.
    names: HashSet<String>,
}

impl Zone {
    pub(super) fn new(table: DnsTable) -> Zone {
        let mut names = HashSet::from([table.domain.clone()]);
        let owners = table
            .a
            .keys()
            .chain(table.srv.keys())
            .chain(table.cname.keys())
            .chain(table.txt.keys());
        for owner in owners {
            add_with_ancestors(&mut names, owner, &table.domain);
        }
        Zone { table, names }
    }

    /// Whether the name exists, with or without records of its own.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether the name is the domain or lies below it.
    pub(super) fn covers(&self, name: &str) -> bool {
        is_under(name, &self.table.domain)
    }

    /// Whether an address's reverse name is ours to answer.
    pub(super) fn covers_address(&self, address: Ipv4Addr) -> bool {
        self.table.ranges.iter().any(|range| range.contains(address))
    }
}

fn add_with_ancestors(names: &mut HashSet<String>, owner: &str, domain: &str) {
    let mut name = owner;
    while is_under(name, domain) && names.insert(name.to_owned()) {
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => break,
        }
    }
}

fn is_under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, covered: bool, exists: bool) {
        let a = HashMap::from([("web.shop.svc.c.local".to_owned(), vec![Ipv4Addr::LOCALHOST])]);
        let zone = Zone::new(DnsTable { domain: "c.local".to_owned(), a, ..DnsTable::default() });
        assert_eq!((zone.covers(name), zone.exists(name)), (covered, exists), "{name}");
    }

    #[test]
    fn names_between_a_record_and_the_domain_exist() {
        check("web.shop.svc.c.local", true, true);
        check("shop.svc.c.local", true, true);
        check("svc.c.local", true, true);
        check("c.local", true, true);
        check("other.svc.c.local", true, false);
    }

    #[test]
    fn a_name_that_only_ends_alike_is_not_covered() {
        check("xc.local", false, false);
        check("local", false, false);
        check("example.com", false, false);
    }
}
