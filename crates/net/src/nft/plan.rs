//! From the caller's table to chains and map entries: pure, and the place to find out what differs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use tracing::warn;

use crate::{Protocol, Service, Table};

/// Where connections are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Frontend {
    /// A port of one address.
    At(Ipv4Addr, Protocol, u16),
    /// A port of every address of the box.
    Anywhere(Protocol, u16),
}

impl Frontend {
    fn protocol(self) -> Protocol {
        match self {
            Frontend::At(_, protocol, _) | Frontend::Anywhere(protocol, _) => protocol,
        }
    }

    /// The name of a chain that is known by this frontend.
    pub(crate) fn chain(self) -> String {
        match self {
            Frontend::At(address, protocol, port) => format!("to-{address}-{protocol}-{port}"),
            Frontend::Anywhere(protocol, port) => format!("to-any-{protocol}-{port}"),
        }
    }
}

/// Endpoints to choose from, and how. They are sorted and differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Balancer {
    pub(crate) endpoints: Vec<SocketAddrV4>,
    pub(crate) affinity_seconds: Option<u32>,
}

/// All chains and entries. Balancers without endpoints are left out, and so are their frontends.
///
/// A chain is known by the first of its frontends, which nobody else may have: unlike a name it needs no
/// allocation, and a change of one service among thousands must not cost a millisecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// By the frontend that names the chain.
    pub(crate) balancers: BTreeMap<Frontend, Balancer>,
    /// To the frontend that names the chain.
    pub(crate) frontends: BTreeMap<Frontend, Frontend>,
    /// Every endpoint's address: one that talks to itself needs help.
    pub(crate) endpoint_addresses: BTreeSet<Ipv4Addr>,
}

/// What turns one plan into another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) removed: Vec<Frontend>,
    pub(crate) added: Vec<Frontend>,
    pub(crate) rewritten: Vec<Frontend>,
    pub(crate) frontends_removed: Vec<(Frontend, Frontend)>,
    pub(crate) frontends_added: Vec<(Frontend, Frontend)>,
    pub(crate) addresses_removed: Vec<Ipv4Addr>,
    pub(crate) addresses_added: Vec<Ipv4Addr>,
    /// Whether a UDP flow may now go to the wrong place.
    pub(crate) moves_udp: bool,
}

impl Plan {
    /// Plans a table.
    pub(crate) fn new(table: &Table) -> Plan {
        let mut plan = Plan::default();
        let mut claimed = HashSet::with_capacity(2 * table.services.len());
        let mut services: Vec<&Service> = table.services.iter().collect();
        services.sort_by(|one, other| one.name.cmp(&other.name));
        for service in services {
            plan.add_service(service, &mut claimed);
        }
        for port in &table.host_ports {
            let frontend = match port.address {
                Some(address) => Frontend::At(address, port.protocol, port.port),
                None => Frontend::Anywhere(port.protocol, port.port),
            };
            let balancer = Balancer { endpoints: vec![port.endpoint], affinity_seconds: None };
            plan.add("host-port", balancer, &[frontend], &mut claimed);
        }
        plan
    }

    fn add_service(&mut self, service: &Service, claimed: &mut HashSet<Frontend>) {
        let mut endpoints = service.endpoints.clone();
        endpoints.sort_unstable();
        endpoints.dedup();
        let affinity_seconds = service.affinity_seconds.filter(|&seconds| seconds > 0);
        let mut frontends = vec![Frontend::At(service.address, service.protocol, service.port)];
        frontends.extend(service.node_port.map(|port| Frontend::Anywhere(service.protocol, port)));
        self.add(&service.name, Balancer { endpoints, affinity_seconds }, &frontends, claimed);
    }

    fn add(
        &mut self,
        name: &str,
        balancer: Balancer,
        frontends: &[Frontend],
        claimed: &mut HashSet<Frontend>,
    ) {
        let free: Vec<Frontend> =
            frontends.iter().copied().filter(|frontend| claimed.insert(*frontend)).collect();
        if free.len() < frontends.len() {
            warn!(name, ?frontends, "port claimed twice, the first claim wins");
        }
        let Some(first) = free.first().filter(|_| !balancer.endpoints.is_empty()) else {
            return;
        };
        let chain = *first;
        self.endpoint_addresses.extend(balancer.endpoints.iter().map(|endpoint| endpoint.ip()));
        self.frontends.extend(free.into_iter().map(|frontend| (frontend, chain)));
        self.balancers.insert(chain, balancer);
    }

    /// The endpoints behind a frontend.
    pub(crate) fn endpoints(&self, frontend: Frontend) -> Option<&[SocketAddrV4]> {
        let chain = self.frontends.get(&frontend)?;
        self.balancers.get(chain).map(|balancer| balancer.endpoints.as_slice())
    }

    /// The endpoints that a packet to this destination goes to, on the assumption that a destination
    /// without a frontend of its own is an address of the box.
    pub(crate) fn endpoints_behind(
        &self,
        destination: SocketAddrV4,
        protocol: Protocol,
    ) -> Option<&[SocketAddrV4]> {
        self.endpoints(Frontend::At(*destination.ip(), protocol, destination.port()))
            .or_else(|| self.endpoints(Frontend::Anywhere(protocol, destination.port())))
    }

    /// Whether any UDP port is balanced.
    pub(crate) fn has_udp(&self) -> bool {
        self.frontends.keys().any(|frontend| frontend.protocol() == Protocol::Udp)
    }

    /// What has to change for this plan to become `new`.
    pub(crate) fn difference(&self, new: &Plan) -> Difference {
        let mut difference = Difference {
            frontends_removed: frontends_only_in(self, new),
            frontends_added: frontends_only_in(new, self),
            addresses_removed: (self.endpoint_addresses.difference(&new.endpoint_addresses))
                .copied()
                .collect(),
            addresses_added: (new.endpoint_addresses.difference(&self.endpoint_addresses))
                .copied()
                .collect(),
            ..Difference::default()
        };
        difference.removed = only_in(self, new);
        difference.added = only_in(new, self);
        difference.rewritten = (new.balancers.iter())
            .filter(|(chain, now)| self.balancers.get(*chain).is_some_and(|before| before != *now))
            .map(|(chain, _)| *chain)
            .collect();
        difference.moves_udp = self.moves_udp(new, &difference);
        difference
    }

    fn moves_udp(&self, new: &Plan, difference: &Difference) -> bool {
        let changed: HashSet<Frontend> = difference.rewritten.iter().copied().collect();
        let touched = |(frontend, chain): (&Frontend, &Frontend)| {
            frontend.protocol() == Protocol::Udp && changed.contains(chain)
        };
        let switched = difference.frontends_removed.iter().chain(&difference.frontends_added);
        switched.into_iter().any(|(frontend, _)| frontend.protocol() == Protocol::Udp)
            || new.frontends.iter().any(touched)
    }
}

impl Difference {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Difference::default()
    }
}

fn only_in(plan: &Plan, other: &Plan) -> Vec<Frontend> {
    plan.balancers.keys().filter(|chain| !other.balancers.contains_key(*chain)).copied().collect()
}

fn frontends_only_in(plan: &Plan, other: &Plan) -> Vec<(Frontend, Frontend)> {
    (plan.frontends.iter())
        .filter(|(frontend, chain)| other.frontends.get(frontend) != Some(chain))
        .map(|(frontend, chain)| (*frontend, *chain))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostPort;

    fn service(name: &str, port: u16, endpoints: &[&str]) -> Service {
        Service {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 43, 0, 5),
            port,
            protocol: Protocol::Tcp,
            node_port: None,
            endpoints: endpoints.iter().map(|text| text.parse().unwrap()).collect(),
            affinity_seconds: None,
        }
    }

    fn plan(services: Vec<Service>) -> Plan {
        Plan::new(&Table { services, host_ports: Vec::new() })
    }

    /// Counts of chains removed, added, rewritten, and of frontends removed and added.
    fn check(before: Vec<Service>, after: Vec<Service>, expected: [usize; 5]) {
        let (before, after) = (plan(before), plan(after));
        let found = before.difference(&after);
        let counts = [
            found.removed.len(),
            found.added.len(),
            found.rewritten.len(),
            found.frontends_removed.len(),
            found.frontends_added.len(),
        ];
        assert_eq!(counts, expected, "{found:?}");
        assert_eq!(found.is_empty(), before == after);
    }

    #[test]
    fn the_same_table_in_another_order_is_no_difference() {
        let one = || service("one", 80, &["10.42.0.2:80", "10.42.0.3:80"]);
        let turned = || service("one", 80, &["10.42.0.3:80", "10.42.0.2:80", "10.42.0.3:80"]);
        let two = || service("two", 81, &["10.42.0.2:80"]);
        check(vec![one(), two()], vec![two(), turned()], [0; 5]);
    }

    #[test]
    fn an_endpoint_more_or_less_rewrites_one_chain() {
        let other = || service("other", 81, &["10.42.0.9:80"]);
        let before = service("one", 80, &["10.42.0.2:80"]);
        let after = service("one", 80, &["10.42.0.2:80", "10.42.0.3:80"]);
        check(vec![before.clone(), other()], vec![after.clone(), other()], [0, 0, 1, 0, 0]);
        check(vec![after, other()], vec![before, other()], [0, 0, 1, 0, 0]);
    }

    #[test]
    fn losing_the_last_endpoint_takes_the_chain_and_its_entries_away() {
        let with = service("one", 80, &["10.42.0.2:80"]);
        let without = service("one", 80, &[]);
        check(vec![with.clone()], vec![without.clone()], [1, 0, 0, 1, 0]);
        check(vec![without], vec![with], [0, 1, 0, 0, 1]);
    }

    #[test]
    fn a_node_port_is_a_second_entry_to_the_same_chain() {
        let plain = service("one", 80, &["10.42.0.2:80"]);
        let open = Service { node_port: Some(30080), ..plain.clone() };
        check(vec![plain.clone()], vec![open.clone()], [0, 0, 0, 0, 1]);
        check(vec![open], vec![plain], [0, 0, 0, 1, 0]);
    }

    #[test]
    fn the_first_claim_of_a_port_wins() {
        let one = Service { node_port: Some(30080), ..service("a", 80, &["10.42.0.2:80"]) };
        let two = Service { node_port: Some(30080), ..service("b", 81, &["10.42.0.3:80"]) };
        let plan = plan(vec![two, one]);
        let taken = plan.endpoints(Frontend::Anywhere(Protocol::Tcp, 30080)).unwrap();
        assert_eq!(taken, ["10.42.0.2:80".parse().unwrap()]);
        assert_eq!(plan.frontends.len(), 3);
    }

    #[test]
    fn host_ports_lead_to_one_endpoint() {
        let port = |address| HostPort {
            address,
            port: 8080,
            protocol: Protocol::Udp,
            endpoint: "10.42.0.7:53".parse().unwrap(),
        };
        let at = Ipv4Addr::new(192, 0, 2, 2);
        let host_ports = vec![port(None), port(Some(at))];
        let plan = Plan::new(&Table { services: Vec::new(), host_ports });
        for frontend in
            [Frontend::Anywhere(Protocol::Udp, 8080), Frontend::At(at, Protocol::Udp, 8080)]
        {
            assert_eq!(plan.endpoints(frontend).map(<[_]>::len), Some(1));
        }
        assert!(plan.has_udp());
    }

    #[test]
    fn only_udp_changes_ask_for_flows_to_be_moved() {
        let tcp = |endpoints: &[&str]| service("one", 80, endpoints);
        let udp = |endpoints: &[&str]| Service { protocol: Protocol::Udp, ..tcp(endpoints) };
        let moves = |before, after| plan(vec![before]).difference(&plan(vec![after])).moves_udp;
        assert!(!moves(tcp(&["10.42.0.2:80"]), tcp(&["10.42.0.3:80"])));
        assert!(moves(udp(&["10.42.0.2:80"]), udp(&["10.42.0.3:80"])));
        assert!(moves(udp(&["10.42.0.2:80"]), udp(&[])));
        assert!(!moves(udp(&["10.42.0.2:80"]), udp(&["10.42.0.2:80"])));
    }
}
