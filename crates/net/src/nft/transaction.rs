//! Changes to one nftables table, collected and then made all at once.

use crate::netlink::{APPEND, Batch, CREATE, NetlinkError, Socket, Writer};

use super::expression::{Rule, goto_chain, value};

/// The name a set without a name goes by; the kernel fills in a number.
pub(super) const ANONYMOUS: &str = "__map%d";
/// An attribute holds up to 64 KiB; so many elements of ours fit with room to spare.
const ELEMENTS_PER_MESSAGE: usize = 256;

const FAMILY_IPV4: u8 = 2;
const NEWTABLE: u8 = 0;
const DELTABLE: u8 = 2;
const NEWCHAIN: u8 = 3;
const DELCHAIN: u8 = 5;
const NEWRULE: u8 = 6;
const DELRULE: u8 = 8;
const NEWSET: u8 = 9;
const DELSET: u8 = 11;
const NEWSETELEM: u8 = 12;
const DELSETELEM: u8 = 14;
const LIST_ELEMENT: u16 = 1;
const VERDICT_DATA: u32 = 0xffff_ff00;
const POLICY_ACCEPT: u32 = 1;

/// Set flags of `linux/netfilter/nf_tables.h`.
const FLAG_ANONYMOUS: u32 = 1;
const FLAG_CONSTANT: u32 = 2;
const FLAG_MAP: u32 = 8;
const FLAG_TIMEOUT: u32 = 0x10;
const FLAG_DYNAMIC: u32 = 0x20;

/// The nft tool's numbers for data types; they only decide how it prints a set.
pub(super) mod data_type {
    pub(in crate::nft) const INTEGER: u32 = 4;
    pub(in crate::nft) const ADDRESS: u32 = 7;
    pub(in crate::nft) const PROTOCOL: u32 = 12;
    pub(in crate::nft) const PORT: u32 = 13;

    /// Several types one after the other.
    pub(in crate::nft) const fn concat(first: u32, second: u32) -> u32 {
        first << 6 | second
    }
}

/// What a set holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetKind {
    pub(super) key_type: u32,
    pub(super) key_bytes: u32,
    pub(super) holds: Holds,
}

/// What a set has for a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holds {
    /// Nothing: it is a set.
    Nothing,
    /// Nothing, and keys come from packets and go after a time.
    RecentKeys,
    /// A chain to go to.
    Verdict,
    /// Data of this type and length.
    Data(u32, u32),
}

/// Where a base chain is called from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    pub(super) kind: &'static str,
    pub(super) number: u32,
    pub(super) priority: i32,
}

/// An element's value.
#[derive(Clone, Debug)]
pub(super) enum Element {
    Nothing,
    Goto(String),
    Data(Vec<u8>),
}

/// A transaction on one table.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    table: &'a str,
    batch: Batch,
    set_id: u32,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(table: &'a str) -> Transaction<'a> {
        Transaction { table, batch: Batch::new(), set_id: 0 }
    }

    /// Makes all changes or none.
    pub(super) fn commit(self, socket: &mut Socket) -> Result<(), NetlinkError> {
        self.batch.commit(socket)
    }

    fn add(&mut self, what: String, kind: u8, flags: u16, fill: impl FnOnce(&mut Writer)) {
        let table = self.table;
        let attempted = format!("{what} in nftables table {table}");
        self.batch.add(attempted, kind, flags, FAMILY_IPV4, |body| {
            body.text(1, table);
            fill(body);
        });
    }

    pub(super) fn add_table(&mut self) {
        self.add("create".into(), NEWTABLE, CREATE, |_| ());
    }

    pub(super) fn delete_table(&mut self) {
        self.add("delete everything".into(), DELTABLE, 0, |_| ());
    }

    pub(super) fn add_chain(&mut self, name: &str) {
        self.add(format!("create chain {name}"), NEWCHAIN, CREATE, |body| {
            body.text(3, name);
        });
    }

    pub(super) fn add_base_chain(&mut self, name: &str, hook: Hook) {
        self.add(format!("create chain {name}"), NEWCHAIN, CREATE, |body| {
            body.text(3, name)
                .nest(4, |attrs| {
                    attrs.u32_be(1, hook.number).u32_be(2, hook.priority as u32);
                })
                .u32_be(5, POLICY_ACCEPT)
                .text(7, hook.kind);
        });
    }

    pub(super) fn flush_chain(&mut self, name: &str) {
        self.add(format!("flush chain {name}"), DELRULE, 0, |body| {
            body.text(2, name);
        });
    }

    pub(super) fn delete_chain(&mut self, name: &str) {
        self.add(format!("delete chain {name}"), DELCHAIN, 0, |body| {
            body.text(3, name);
        });
    }

    pub(super) fn add_rule(&mut self, chain: &str, fill: impl FnOnce(&mut Rule<'_>)) {
        self.add(format!("add a rule to chain {chain}"), NEWRULE, CREATE | APPEND, |body| {
            body.text(2, chain).nest(4, |list| fill(&mut Rule(list)));
        });
    }

    pub(super) fn add_set(&mut self, name: &str, kind: SetKind) {
        self.set(name, kind, 0);
    }

    /// A set for one rule; it goes with the rule. Gives its number for [`super::expression::SetRef::New`].
    pub(super) fn add_anonymous_map(
        &mut self,
        kind: SetKind,
        elements: &[(Vec<u8>, Element)],
    ) -> u32 {
        let id = self.set(ANONYMOUS, kind, FLAG_ANONYMOUS | FLAG_CONSTANT);
        for some in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.add("fill a map".into(), NEWSETELEM, CREATE, |body| {
                body.text(2, ANONYMOUS).u32_be(4, id).nest(3, |list| {
                    for (key, data) in some {
                        element(list, key, data);
                    }
                });
            });
        }
        id
    }

    fn set(&mut self, name: &str, kind: SetKind, flags: u32) -> u32 {
        self.set_id += 1;
        let id = self.set_id;
        self.add(format!("create set {name}"), NEWSET, CREATE, |body| {
            body.text(2, name);
            set_attributes(body, kind, flags);
            body.u32_be(10, id);
        });
        id
    }

    pub(super) fn delete_set(&mut self, name: &str) {
        self.add(format!("delete set {name}"), DELSET, 0, |body| {
            body.text(2, name);
        });
    }

    pub(super) fn add_elements(&mut self, set: &str, elements: &[(Vec<u8>, Element)]) {
        self.elements(format!("add to set {set}"), NEWSETELEM, CREATE, set, elements);
    }

    pub(super) fn delete_elements(&mut self, set: &str, elements: &[(Vec<u8>, Element)]) {
        self.elements(format!("delete from set {set}"), DELSETELEM, 0, set, elements);
    }

    fn elements(
        &mut self,
        what: String,
        kind: u8,
        flags: u16,
        set: &str,
        elements: &[(Vec<u8>, Element)],
    ) {
        for some in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.add(what.clone(), kind, flags, |body| {
                body.text(2, set).nest(3, |list| {
                    for (key, data) in some {
                        element(list, key, data);
                    }
                });
            });
        }
    }
}

fn set_attributes(body: &mut Writer, kind: SetKind, flags: u32) {
    let more = match kind.holds {
        Holds::Nothing => 0,
        Holds::RecentKeys => FLAG_TIMEOUT | FLAG_DYNAMIC,
        Holds::Verdict | Holds::Data(..) => FLAG_MAP,
    };
    body.u32_be(3, flags | more).u32_be(4, kind.key_type).u32_be(5, kind.key_bytes);
    match kind.holds {
        Holds::Nothing => {}
        Holds::RecentKeys => {
            body.nest(9, |desc| {
                desc.u32_be(1, super::service::REMEMBERED_CLIENTS_MAX);
            });
        }
        Holds::Verdict => {
            body.u32_be(6, VERDICT_DATA);
        }
        Holds::Data(data_type, bytes) => {
            body.u32_be(6, data_type).u32_be(7, bytes);
        }
    }
}

fn element(list: &mut Writer, key: &[u8], data: &Element) {
    list.nest(LIST_ELEMENT, |attrs| {
        attrs.nest(1, |attr| value(attr, key));
        match data {
            Element::Nothing => {}
            Element::Goto(chain) => {
                attrs.nest(2, |attr| goto_chain(attr, chain));
            }
            Element::Data(bytes) => {
                attrs.nest(2, |attr| value(attr, bytes));
            }
        }
    });
}
