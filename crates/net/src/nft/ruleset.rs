//! The instance's nftables table: made, changed, removed.

use std::net::Ipv4Addr;

use tracing::warn;

use crate::AddressRange;
use crate::netlink::{Family, Message, NetlinkError, Socket};

use super::plan::{Difference, Frontend, Plan};
use super::transaction::{Element, Transaction};
use super::{base, service};

const GETTABLE: u16 = 10 << 8 | 1;
const FAMILY_IPV4: u8 = 2;

/// What the fixed part of a table depends on.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) table: String,
    /// What the names of all links of the instance start with.
    pub(crate) link_prefix: String,
    pub(crate) node_address: Ipv4Addr,
    pub(crate) pod_range: AddressRange,
    pub(crate) service_range: AddressRange,
    /// Addresses of servers of ours: silent, not refusing, while nobody listens.
    pub(crate) quiet_addresses: Vec<Ipv4Addr>,
}

/// One table in the kernel and what is known to be in it.
#[derive(Debug)]
pub(crate) struct Ruleset {
    frame: Frame,
    socket: Socket,
    /// None: whatever is there was made by somebody else and must be written anew.
    applied: Option<Plan>,
}

/// What an apply did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Whether UDP flows may now go to the wrong place.
    pub(crate) moves_udp: bool,
}

impl Ruleset {
    /// Makes the table unless it exists. One that exists stays in force as it is until the first apply.
    pub(crate) fn open(frame: Frame) -> Result<Ruleset, NetlinkError> {
        let socket = Socket::open(Family::Netfilter)?;
        let mut ruleset = Ruleset { frame, socket, applied: None };
        if !exists(&mut ruleset.socket, &ruleset.frame.table)? {
            ruleset.rewrite(Plan::default())?;
        }
        Ok(ruleset)
    }

    /// Makes the table what the plan says.
    pub(crate) fn apply(&mut self, plan: Plan) -> Result<Applied, NetlinkError> {
        if !exists(&mut self.socket, &self.frame.table)? {
            self.applied = None;
        }
        let Some(before) = self.applied.take() else {
            return self.rewrite(plan);
        };
        match self.change(&before, &plan) {
            Ok(applied) => {
                self.applied = Some(plan);
                Ok(applied)
            }
            Err(error) => {
                warn!(error = %error, table = self.frame.table, "rules changed by others, writing all");
                self.rewrite(plan)
            }
        }
    }

    fn change(&mut self, before: &Plan, plan: &Plan) -> Result<Applied, NetlinkError> {
        let difference = before.difference(plan);
        if !difference.is_empty() {
            let mut transaction = Transaction::new(&self.frame.table);
            write_difference(&mut transaction, before, plan, &difference);
            transaction.commit(&mut self.socket)?;
        }
        Ok(Applied { moves_udp: difference.moves_udp })
    }

    /// Replaces the whole table in one transaction: no packet sees it missing.
    fn rewrite(&mut self, plan: Plan) -> Result<Applied, NetlinkError> {
        self.applied = None;
        let mut transaction = Transaction::new(&self.frame.table);
        // Made first, so that deleting works whether it existed or not.
        transaction.add_table();
        transaction.delete_table();
        base::add(&mut transaction, &self.frame);
        let nothing = Plan::default();
        write_difference(&mut transaction, &nothing, &plan, &nothing.difference(&plan));
        transaction.commit(&mut self.socket)?;
        let moves_udp = plan.has_udp();
        self.applied = Some(plan);
        Ok(Applied { moves_udp })
    }

    /// The plan in force, if it is ours.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.applied.as_ref()
    }

    /// The fixed part.
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Removes a table, whoever made it. One that does not exist is fine.
    pub(crate) fn delete(table: &str) -> Result<(), NetlinkError> {
        let mut socket = Socket::open(Family::Netfilter)?;
        if !exists(&mut socket, table)? {
            return Ok(());
        }
        let mut transaction = Transaction::new(table);
        transaction.delete_table();
        transaction.commit(&mut socket)
    }
}

fn exists(socket: &mut Socket, table: &str) -> Result<bool, NetlinkError> {
    let fixed = [FAMILY_IPV4, 0, 0, 0];
    let attempted = format!("look up nftables table {table}");
    let message = Message::new(attempted, GETTABLE, 0, &fixed).with(|attrs| {
        attrs.text(1, table);
    });
    match socket.get(message, |_| Some(())) {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Entries go before the chains they lead to, and come after them.
fn write_difference(
    transaction: &mut Transaction<'_>,
    before: &Plan,
    plan: &Plan,
    difference: &Difference,
) {
    for (set, elements) in frontend_elements(&difference.frontends_removed) {
        transaction.delete_elements(set, &elements);
    }
    transaction.delete_elements(base::HAIRPINS, &hairpins(&difference.addresses_removed));
    for chain in &difference.removed {
        service::remove(transaction, &chain.chain(), &before.balancers[chain]);
    }
    for chain in &difference.rewritten {
        let (before, now) = (&before.balancers[chain], &plan.balancers[chain]);
        service::rewrite(transaction, &chain.chain(), before, now);
    }
    for chain in &difference.added {
        service::add(transaction, &chain.chain(), &plan.balancers[chain]);
    }
    for (set, elements) in frontend_elements(&difference.frontends_added) {
        transaction.add_elements(set, &elements);
    }
    transaction.add_elements(base::HAIRPINS, &hairpins(&difference.addresses_added));
}

type Elements = Vec<(Vec<u8>, Element)>;

fn frontend_elements(frontends: &[(Frontend, Frontend)]) -> [(&'static str, Elements); 2] {
    let (mut services, mut ports) = (Vec::new(), Vec::new());
    for &(frontend, chain) in frontends {
        match frontend {
            Frontend::At(address, protocol, port) => {
                let mut key = address.octets().to_vec();
                key.extend(protocol_and_port(protocol.number(), port));
                services.push((key, Element::Goto(chain.chain())));
            }
            Frontend::Anywhere(protocol, port) => {
                let key = protocol_and_port(protocol.number(), port).to_vec();
                ports.push((key, Element::Goto(chain.chain())));
            }
        }
    }
    [(base::SERVICES, services), (base::PORTS, ports)]
}

/// Each in a word of its own, as registers hold them.
fn protocol_and_port(protocol: u8, port: u16) -> [u8; 8] {
    let [high, low] = port.to_be_bytes();
    [protocol, 0, 0, 0, high, low, 0, 0]
}

fn hairpins(addresses: &[Ipv4Addr]) -> Elements {
    let pair = |address: &Ipv4Addr| [address.octets(), address.octets()].concat();
    addresses.iter().map(|address| (pair(address), Element::Nothing)).collect()
}
