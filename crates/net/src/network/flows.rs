//! UDP flows that the balancer would send elsewhere today.

use crate::Protocol;
use crate::conntrack::{self, Flow};
use crate::netlink::NetlinkError;
use crate::nft::{Frame, Plan, Ruleset};

/// Makes the kernel decide anew about UDP flows that go where the rules in force would not send them.
pub(super) fn forget_misdirected(ruleset: &Ruleset) -> Result<(), NetlinkError> {
    let Some(plan) = ruleset.plan() else { return Ok(()) };
    let forgotten = conntrack::forget(|flow| is_misdirected(flow, plan, ruleset.frame()))?;
    tracing::debug!(forgotten, "UDP flows moved");
    Ok(())
}

fn is_misdirected(flow: &Flow, plan: &Plan, frame: &Frame) -> bool {
    if flow.protocol != Protocol::Udp.number() {
        return false;
    }
    let balanced = flow.answered_by != flow.destination;
    let to_virtual = frame.service_range.contains(*flow.destination.ip());
    let by_pod = frame.pod_range.contains(*flow.answered_by.ip());
    match plan.endpoints_behind(flow.destination, Protocol::Udp) {
        Some(endpoints) if to_virtual || by_pod => !endpoints.contains(&flow.answered_by),
        // Something else may balance that port on an address that is not ours.
        Some(_) => false,
        None => balanced && (to_virtual || by_pod),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{Service, Table};

    /// One UDP service at 10.43.0.5:53 and node port 30053, endpoint 10.42.0.2:53.
    fn check(protocol: u8, destination: &str, answered_by: &str, misdirected: bool) {
        let service = Service {
            name: "one".to_owned(),
            address: Ipv4Addr::new(10, 43, 0, 5),
            port: 53,
            protocol: Protocol::Udp,
            node_port: Some(30053),
            endpoints: vec!["10.42.0.2:53".parse().unwrap()],
            affinity_seconds: None,
        };
        let plan = Plan::new(&Table { services: vec![service], host_ports: Vec::new() });
        let frame = Frame {
            table: String::new(),
            link_prefix: String::new(),
            node_address: Ipv4Addr::new(10, 42, 0, 1),
            pod_range: "10.42.0.0/16".parse().unwrap(),
            service_range: "10.43.0.0/16".parse().unwrap(),
            quiet_addresses: Vec::new(),
        };
        let (destination, answered_by) =
            (destination.parse().unwrap(), answered_by.parse().unwrap());
        let flow = Flow::for_test(protocol, destination, answered_by);
        assert_eq!(is_misdirected(&flow, &plan, &frame), misdirected, "{flow:?}");
    }

    #[test]
    fn flows_to_endpoints_that_left_are_misdirected() {
        check(17, "10.43.0.5:53", "10.42.0.2:53", false);
        check(17, "10.43.0.5:53", "10.42.0.3:53", true);
        check(17, "192.0.2.2:30053", "10.42.0.3:53", true);
        check(17, "192.0.2.2:30053", "10.42.0.2:53", false);
    }

    #[test]
    fn flows_to_services_that_left_are_misdirected() {
        check(17, "10.43.0.9:53", "10.42.0.2:53", true);
        check(17, "192.0.2.2:30099", "10.42.0.2:53", true);
    }

    #[test]
    fn other_flows_are_left_alone() {
        check(6, "10.43.0.5:53", "10.42.0.3:53", false);
        check(17, "10.42.0.3:53", "10.42.0.3:53", false);
        check(17, "10.43.0.10:53", "10.43.0.10:53", false);
        check(17, "8.8.8.8:30053", "8.8.8.8:30053", false);
        check(17, "8.8.8.8:53", "8.8.8.8:53", false);
        check(17, "192.0.2.2:5353", "172.17.0.2:53", false);
    }
}
