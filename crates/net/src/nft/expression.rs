//! The expressions that rules are made of, as the kernel encodes them.
//!
//! A rule is a list of expressions that load registers, compare them, and act. Registers are named here
//! by their 32-bit words: [`R0`] to [`R3`] overlap the first 16-byte register, [`R4`] and on the second.
//! The numbers are those of `linux/netfilter/nf_tables.h`.

use std::net::Ipv4Addr;

use crate::netlink::Writer;

/// The first word of the first register.
pub(super) const R0: u32 = 8;
/// The second word.
pub(super) const R1: u32 = 9;
/// The third word.
pub(super) const R2: u32 = 10;
/// The fifth word: the start of the second register.
pub(super) const R4: u32 = 12;
/// The register that decides what happens to the packet.
const VERDICT: u32 = 0;

const LIST_ELEMENT: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
const VERDICT_DROP: u32 = 0;
const VERDICT_GOTO: u32 = -4_i32 as u32;
const FAMILY_IPV4: u32 = 2;
const ADDRESS_TYPE_LOCAL: u32 = 2;
const ICMP_PORT_UNREACHABLE: u8 = 3;

/// What a packet says about itself or its way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meta {
    InLink = 6,
    OutLink = 7,
    Protocol = 16,
}

/// A header field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Source,
    Destination,
    DestinationPort,
    IcmpType,
    TcpFlags,
}

impl Field {
    /// Header base, offset and length.
    fn place(self) -> (u32, u32, u32) {
        match self {
            Field::Source => (1, 12, 4),
            Field::Destination => (1, 16, 4),
            Field::DestinationPort => (2, 2, 2),
            Field::IcmpType => (2, 0, 1),
            Field::TcpFlags => (2, 13, 1),
        }
    }
}

/// The set a lookup goes to: by name, or one made in the same transaction by its number there.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetRef<'a> {
    Named(&'a str),
    New(u32),
}

/// Collects the expressions of one rule.
#[derive(Debug)]
pub(super) struct Rule<'a>(pub(super) &'a mut Writer);

impl Rule<'_> {
    fn expr(&mut self, name: &str, fill: impl FnOnce(&mut Writer)) -> &mut Self {
        self.0.nest(LIST_ELEMENT, |element| {
            element.text(EXPR_NAME, name).nest(EXPR_DATA, fill);
        });
        self
    }

    /// Loads a header field.
    pub(super) fn load(&mut self, field: Field, to: u32) -> &mut Self {
        let (base, offset, length) = field.place();
        self.expr("payload", |data| {
            data.u32_be(1, to).u32_be(2, base).u32_be(3, offset).u32_be(4, length);
        })
    }

    /// Loads a fact about the packet.
    pub(super) fn meta(&mut self, key: Meta, to: u32) -> &mut Self {
        self.expr("meta", |data| {
            data.u32_be(1, to).u32_be(2, key as u32);
        })
    }

    /// Goes on only when the register starts with these bytes.
    pub(super) fn equals(&mut self, register: u32, bytes: &[u8]) -> &mut Self {
        self.compare(register, 0, bytes)
    }

    /// Goes on only when the register does not start with these bytes.
    pub(super) fn differs(&mut self, register: u32, bytes: &[u8]) -> &mut Self {
        self.compare(register, 1, bytes)
    }

    fn compare(&mut self, register: u32, operator: u32, bytes: &[u8]) -> &mut Self {
        self.expr("cmp", |data| {
            data.u32_be(1, register).u32_be(2, operator).nest(3, |value| {
                value.attr(DATA_VALUE, bytes);
            });
        })
    }

    /// Keeps only the bits of a mask.
    pub(super) fn mask(&mut self, register: u32, mask: &[u8]) -> &mut Self {
        self.expr("bitwise", |data| {
            data.u32_be(1, register).u32_be(2, register).u32_be(3, mask.len() as u32);
            data.nest(4, |value| {
                value.attr(DATA_VALUE, mask);
            });
            data.nest(5, |value| {
                value.attr(DATA_VALUE, &vec![0; mask.len()]);
            });
        })
    }

    /// Goes on only when the destination is an address of the box.
    pub(super) fn destination_is_local(&mut self) -> &mut Self {
        self.fib_destination_type(R0).equals(R0, &ADDRESS_TYPE_LOCAL.to_ne_bytes())
    }

    /// Goes on only when the destination is no address of the box.
    pub(super) fn destination_is_not_local(&mut self) -> &mut Self {
        self.fib_destination_type(R0).differs(R0, &ADDRESS_TYPE_LOCAL.to_ne_bytes())
    }

    fn fib_destination_type(&mut self, to: u32) -> &mut Self {
        self.expr("fib", |data| {
            data.u32_be(1, to).u32_be(2, 3).u32_be(3, 2);
        })
    }

    /// A random number below `modulus`, in the machine's order.
    pub(super) fn random(&mut self, modulus: u32, to: u32) -> &mut Self {
        self.expr("numgen", |data| {
            data.u32_be(1, to).u32_be(2, modulus).u32_be(3, 1).u32_be(4, 0);
        })
    }

    /// Goes on only when the set holds what the registers from `key` hold.
    pub(super) fn is_in(&mut self, set: SetRef<'_>, key: u32) -> &mut Self {
        self.lookup(set, key, None)
    }

    /// Loads what the map has for the registers from `key`, or ends the rule.
    pub(super) fn map(&mut self, set: SetRef<'_>, key: u32, to: u32) -> &mut Self {
        self.lookup(set, key, Some(to))
    }

    /// Does what the verdict map says, if anything.
    pub(super) fn verdict_from(&mut self, set: SetRef<'_>, key: u32) -> &mut Self {
        self.lookup(set, key, Some(VERDICT))
    }

    fn lookup(&mut self, set: SetRef<'_>, key: u32, to: Option<u32>) -> &mut Self {
        self.expr("lookup", |data| {
            match set {
                SetRef::Named(name) => data.text(1, name),
                SetRef::New(id) => data.text(1, super::transaction::ANONYMOUS).u32_be(4, id),
            };
            data.u32_be(2, key);
            if let Some(to) = to {
                data.u32_be(3, to);
            }
        })
    }

    /// Puts the registers from `key` into a set, or renews their time there.
    pub(super) fn remember(&mut self, set: &str, key: u32, timeout_ms: u64) -> &mut Self {
        self.expr("dynset", |data| {
            data.text(1, set).u32_be(3, 1).u32_be(4, key).attr(6, &timeout_ms.to_be_bytes());
        })
    }

    /// Loads bytes.
    pub(super) fn immediate(&mut self, bytes: &[u8], to: u32) -> &mut Self {
        self.expr("immediate", |data| {
            data.u32_be(1, to).nest(2, |value| {
                value.attr(DATA_VALUE, bytes);
            });
        })
    }

    /// Drops the packet.
    pub(super) fn drop(&mut self) -> &mut Self {
        self.expr("immediate", |data| {
            data.u32_be(1, VERDICT).nest(2, |value| {
                value.nest(DATA_VERDICT, |verdict| {
                    verdict.u32_be(VERDICT_CODE, VERDICT_DROP);
                });
            });
        })
    }

    /// Sends the connection to the address and port in two registers.
    pub(super) fn destination_nat(&mut self, address: u32, port: u32) -> &mut Self {
        self.expr("nat", |data| {
            data.u32_be(1, 1).u32_be(2, FAMILY_IPV4).u32_be(3, address).u32_be(5, port);
        })
    }

    /// Makes the connection come from an address.
    pub(super) fn source_nat(&mut self, address: Ipv4Addr) -> &mut Self {
        self.immediate(&address.octets(), R0).expr("nat", |data| {
            data.u32_be(1, 0).u32_be(2, FAMILY_IPV4).u32_be(3, R0);
        })
    }

    /// Makes the connection come from the address of the link it leaves by.
    pub(super) fn masquerade(&mut self) -> &mut Self {
        self.expr("masq", |_| ())
    }

    /// Refuses a TCP connection.
    pub(super) fn reject_with_reset(&mut self) -> &mut Self {
        self.expr("reject", |data| {
            data.u32_be(1, 1).attr(2, &[0]);
        })
    }

    /// Refuses a packet with ICMP "port unreachable".
    pub(super) fn reject_with_unreachable(&mut self) -> &mut Self {
        self.expr("reject", |data| {
            data.u32_be(1, 0).attr(2, &[ICMP_PORT_UNREACHABLE]);
        })
    }

    /// Lowers the segment size that a TCP handshake announces to what the way allows.
    pub(super) fn clamp_segment_size(&mut self) -> &mut Self {
        self.expr("rt", |data| {
            data.u32_be(1, R0).u32_be(2, 3);
        })
        .expr("byteorder", |data| {
            data.u32_be(1, R0).u32_be(2, R0).u32_be(3, 1).u32_be(4, 2).u32_be(5, 2);
        })
        .expr("exthdr", |data| {
            data.attr(2, &[2]).u32_be(3, 2).u32_be(4, 2).u32_be(6, 1).u32_be(7, R0);
        })
    }
}

/// A map element's value that sends packets to a chain.
pub(super) fn goto_chain(data: &mut Writer, chain: &str) {
    data.nest(DATA_VERDICT, |verdict| {
        verdict.u32_be(VERDICT_CODE, VERDICT_GOTO).text(VERDICT_CHAIN, chain);
    });
}

/// A set element's key or a map element's plain value.
pub(super) fn value(data: &mut Writer, bytes: &[u8]) {
    data.attr(DATA_VALUE, bytes);
}
