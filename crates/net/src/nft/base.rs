//! What every instance's table has, whatever is balanced: hooks, lookups, refusals, source addresses.

use std::net::Ipv4Addr;

use crate::AddressRange;

use super::expression::{Field, Meta, R0, R1, R2, Rule, SetRef};
use super::ruleset::Frame;
use super::transaction::{Holds, Hook, SetKind, Transaction, data_type};

/// Address, protocol and port to chain.
pub(super) const SERVICES: &str = "services";
/// Protocol and port, at any address of the box, to chain.
pub(super) const PORTS: &str = "ports";
/// Pairs of an endpoint's address and itself.
pub(super) const HAIRPINS: &str = "hairpins";

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMP_DESTINATION_UNREACHABLE: u8 = 3;
const TCP_SYN: u8 = 2;
const TCP_SYN_RST: u8 = 6;
const LOOPBACK_NET: [u8; 1] = [127];

const SERVICES_KIND: SetKind = SetKind {
    key_type: data_type::concat(
        data_type::concat(data_type::ADDRESS, data_type::PROTOCOL),
        data_type::PORT,
    ),
    key_bytes: 12,
    holds: Holds::Verdict,
};
const PORTS_KIND: SetKind = SetKind {
    key_type: data_type::concat(data_type::PROTOCOL, data_type::PORT),
    key_bytes: 8,
    holds: Holds::Verdict,
};
const HAIRPINS_KIND: SetKind = SetKind {
    key_type: data_type::concat(data_type::ADDRESS, data_type::ADDRESS),
    key_bytes: 8,
    holds: Holds::Nothing,
};

const GUARD: Hook = Hook { kind: "filter", number: 0, priority: -300 };
const PREROUTING: Hook = Hook { kind: "nat", number: 0, priority: -100 };
const OUTPUT: Hook = Hook { kind: "nat", number: 3, priority: -100 };
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 100 };
const FORWARD_FILTER: Hook = Hook { kind: "filter", number: 2, priority: 0 };
const OUTPUT_FILTER: Hook = Hook { kind: "filter", number: 3, priority: 0 };

/// Makes the table with its maps, hooks and fixed rules.
pub(super) fn add(transaction: &mut Transaction<'_>, frame: &Frame) {
    transaction.add_table();
    transaction.add_set(SERVICES, SERVICES_KIND);
    transaction.add_set(PORTS, PORTS_KIND);
    transaction.add_set(HAIRPINS, HAIRPINS_KIND);
    add_guard(transaction, frame);
    add_lookups(transaction, "balance-forwarded", PREROUTING);
    add_lookups(transaction, "balance-local", OUTPUT);
    add_refusals(transaction, frame);
    add_sources(transaction, frame);
}

/// Pod links take answers to 127.0.0.1 (see [`crate::route::RouteSocket::harden_pod_link`]); nothing
/// else may get there. Answers carry the node's address at this early hook.
fn add_guard(transaction: &mut Transaction<'_>, frame: &Frame) {
    transaction.add_base_chain("guard", GUARD);
    transaction.add_rule("guard", |rule| {
        rule.meta(Meta::InLink, R0)
            .equals(R0, frame.link_prefix.as_bytes())
            .load(Field::Destination, R0)
            .equals(R0, &LOOPBACK_NET)
            .drop();
    });
}

fn add_lookups(transaction: &mut Transaction<'_>, chain: &str, hook: Hook) {
    transaction.add_base_chain(chain, hook);
    transaction.add_rule(chain, |rule| {
        rule.load(Field::Destination, R0)
            .meta(Meta::Protocol, R1)
            .load(Field::DestinationPort, R2)
            .verdict_from(SetRef::Named(SERVICES), R0);
    });
    transaction.add_rule(chain, |rule| {
        rule.destination_is_local()
            .meta(Meta::Protocol, R0)
            .load(Field::DestinationPort, R1)
            .verdict_from(SetRef::Named(PORTS), R0);
    });
}

fn add_refusals(transaction: &mut Transaction<'_>, frame: &Frame) {
    transaction.add_base_chain("forward", FORWARD_FILTER);
    transaction.add_rule("forward", |rule| {
        rule.meta(Meta::Protocol, R0)
            .equals(R0, &[TCP])
            .load(Field::TcpFlags, R0)
            .mask(R0, &[TCP_SYN_RST])
            .equals(R0, &[TCP_SYN])
            .clamp_segment_size();
    });
    refuse(transaction, "forward", &frame.service_range);
    transaction.add_base_chain("output", OUTPUT_FILTER);
    for &address in &frame.quiet_addresses {
        transaction.add_rule("output", |rule| hush(rule, address));
    }
    refuse(transaction, "output", &frame.service_range);
}

/// A server of ours behind this address may be restarting: a client that hears nothing asks again, one
/// that hears "port unreachable" gives up.
fn hush(rule: &mut Rule<'_>, address: Ipv4Addr) {
    rule.load(Field::Source, R0)
        .equals(R0, &address.octets())
        .meta(Meta::Protocol, R0)
        .equals(R0, &[ICMP])
        .load(Field::IcmpType, R0)
        .equals(R0, &[ICMP_DESTINATION_UNREACHABLE])
        .drop();
}

/// Refuses what still goes to a virtual address after balancing: it has no endpoints.
fn refuse(transaction: &mut Transaction<'_>, chain: &str, range: &AddressRange) {
    transaction.add_rule(chain, |rule| {
        rule.meta(Meta::Protocol, R0).equals(R0, &[TCP]);
        to_range(rule, range).destination_is_not_local().reject_with_reset();
    });
    transaction.add_rule(chain, |rule| {
        to_range(rule, range).destination_is_not_local().reject_with_unreachable();
    });
}

fn add_sources(transaction: &mut Transaction<'_>, frame: &Frame) {
    let chain = "sources";
    let links = frame.link_prefix.as_bytes();
    transaction.add_base_chain(chain, POSTROUTING);
    transaction.add_rule(chain, |rule| {
        rule.load(Field::Source, R0)
            .load(Field::Destination, R1)
            .is_in(SetRef::Named(HAIRPINS), R0)
            .source_nat(frame.node_address);
    });
    transaction.add_rule(chain, |rule| {
        rule.load(Field::Source, R0)
            .equals(R0, &LOOPBACK_NET)
            .meta(Meta::OutLink, R0)
            .equals(R0, links)
            .source_nat(frame.node_address);
    });
    transaction.add_rule(chain, |rule| {
        rule.load(Field::Source, R0)
            .mask(R0, &frame.pod_range.mask().octets())
            .equals(R0, &frame.pod_range.base().octets())
            .load(Field::Destination, R0)
            .mask(R0, &frame.pod_range.mask().octets())
            .differs(R0, &frame.pod_range.base().octets())
            .meta(Meta::OutLink, R0)
            .differs(R0, links)
            .differs(R0, b"lo\0")
            .masquerade();
    });
}

fn to_range<'a, 'b>(rule: &'a mut Rule<'b>, range: &AddressRange) -> &'a mut Rule<'b> {
    rule.load(Field::Destination, R0)
        .mask(R0, &range.mask().octets())
        .equals(R0, &range.base().octets())
}
