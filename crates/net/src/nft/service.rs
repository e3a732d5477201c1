//! The chain of one service: choose an endpoint and send the connection there.

use std::net::SocketAddrV4;

use super::expression::{Field, R0, R1, R4, SetRef};
use super::plan::Balancer;
use super::transaction::{Element, Holds, SetKind, Transaction, data_type};

/// How many clients are remembered per endpoint; later ones are balanced at random.
pub(super) const REMEMBERED_CLIENTS_MAX: u32 = 65_536;

const CLIENTS: SetKind =
    SetKind { key_type: data_type::ADDRESS, key_bytes: 4, holds: Holds::RecentKeys };
const ENDPOINTS: SetKind = SetKind {
    key_type: data_type::INTEGER,
    key_bytes: 4,
    holds: Holds::Data(data_type::concat(data_type::ADDRESS, data_type::PORT), 8),
};

/// Makes the chain of a new service.
pub(super) fn add(transaction: &mut Transaction<'_>, chain: &str, balancer: &Balancer) {
    transaction.add_chain(chain);
    change_client_sets(transaction, chain, &[], remembering(balancer));
    add_rules(transaction, chain, balancer);
}

/// Changes the chain of a service that stays. Clients of endpoints that stay are remembered.
pub(super) fn rewrite(
    transaction: &mut Transaction<'_>,
    chain: &str,
    before: &Balancer,
    now: &Balancer,
) {
    transaction.flush_chain(chain);
    change_client_sets(transaction, chain, remembering(before), remembering(now));
    add_rules(transaction, chain, now);
}

/// Removes the chain of a service; nothing may lead to it any more.
pub(super) fn remove(transaction: &mut Transaction<'_>, chain: &str, before: &Balancer) {
    transaction.flush_chain(chain);
    change_client_sets(transaction, chain, remembering(before), &[]);
    transaction.delete_chain(chain);
}

/// The endpoints for which clients are remembered: all or none.
fn remembering(balancer: &Balancer) -> &[SocketAddrV4] {
    if balancer.affinity_seconds.is_some() { &balancer.endpoints } else { &[] }
}

fn change_client_sets(
    transaction: &mut Transaction<'_>,
    chain: &str,
    before: &[SocketAddrV4],
    now: &[SocketAddrV4],
) {
    for endpoint in before.iter().filter(|endpoint| !now.contains(endpoint)) {
        transaction.delete_set(&client_set(chain, endpoint));
    }
    for endpoint in now.iter().filter(|endpoint| !before.contains(endpoint)) {
        transaction.add_set(&client_set(chain, endpoint), CLIENTS);
    }
}

fn client_set(chain: &str, endpoint: &SocketAddrV4) -> String {
    format!("{chain}-from-{}-{}", endpoint.ip(), endpoint.port())
}

fn add_rules(transaction: &mut Transaction<'_>, chain: &str, balancer: &Balancer) {
    match balancer.affinity_seconds {
        Some(seconds) => add_affine_rules(transaction, chain, &balancer.endpoints, seconds),
        None => add_random_rule(transaction, chain, &balancer.endpoints),
    }
}

/// One rule: a random number, looked up in a map of endpoints.
fn add_random_rule(transaction: &mut Transaction<'_>, chain: &str, endpoints: &[SocketAddrV4]) {
    let numbered = endpoints.iter().zip(0_u32..);
    let elements: Vec<_> = numbered
        .map(|(endpoint, n)| (n.to_ne_bytes().to_vec(), Element::Data(target(endpoint))))
        .collect();
    let map = transaction.add_anonymous_map(ENDPOINTS, &elements);
    transaction.add_rule(chain, |rule| {
        rule.random(elements.len() as u32, R0)
            .map(SetRef::New(map), R0, R0)
            .destination_nat(R0, R1);
    });
}

/// First a rule per endpoint for clients seen lately; then one per endpoint that takes its share of the
/// others: one of n, then one of n - 1, and the last takes the rest.
fn add_affine_rules(
    transaction: &mut Transaction<'_>,
    chain: &str,
    endpoints: &[SocketAddrV4],
    seconds: u32,
) {
    let timeout_ms = u64::from(seconds) * 1000;
    for endpoint in endpoints {
        let set = client_set(chain, endpoint);
        transaction.add_rule(chain, |rule| {
            rule.load(Field::Source, R0)
                .is_in(SetRef::Named(&set), R0)
                .remember(&set, R0, timeout_ms)
                .immediate(&endpoint.ip().octets(), R4)
                .immediate(&endpoint.port().to_be_bytes(), R4 + 1)
                .destination_nat(R4, R4 + 1);
        });
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let set = client_set(chain, endpoint);
        let left = (endpoints.len() - index) as u32;
        transaction.add_rule(chain, |rule| {
            if left > 1 {
                rule.random(left, R0).equals(R0, &0_u32.to_ne_bytes());
            }
            rule.load(Field::Source, R0)
                .remember(&set, R0, timeout_ms)
                .immediate(&endpoint.ip().octets(), R4)
                .immediate(&endpoint.port().to_be_bytes(), R4 + 1)
                .destination_nat(R4, R4 + 1);
        });
    }
}

/// Address and port as two words, the way registers hold them.
fn target(endpoint: &SocketAddrV4) -> Vec<u8> {
    let [high, low] = endpoint.port().to_be_bytes();
    let mut words = endpoint.ip().octets().to_vec();
    words.extend_from_slice(&[high, low, 0, 0]);
    words
}
