//! L4 balancing by nftables.
//!
//! One table per instance. A packet's destination is looked up in one verdict map (address, protocol and
//! port; a second map for ports of the box itself), which leads to the chain of a service; that chain picks an
//! endpoint through a map of its own. So the cost of a packet does not depend on the number of services, and a
//! change of one service rewrites one chain.
//!
//! A virtual address without endpoints is in no map: its packets are refused by one rule for the whole
//! range of virtual addresses.

mod base;
mod expression;
mod plan;
mod ruleset;
mod service;
mod transaction;

pub(crate) use plan::Plan;
pub(crate) use ruleset::{Frame, Ruleset};
