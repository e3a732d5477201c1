//! The bytes of netlink messages: headers, attributes, nesting.

use std::net::Ipv4Addr;

const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const NESTED: u16 = 0x8000;
/// Strips the nested and byte-order bits from an attribute's type.
const TYPE_MASK: u16 = 0x3fff;

/// Appends attributes to a growing buffer. Every attribute starts at a multiple of four.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An attribute with a plain payload.
    pub(crate) fn attr(&mut self, kind: u16, payload: &[u8]) -> &mut Writer {
        let start = self.open(kind);
        self.bytes.extend_from_slice(payload);
        self.close(start)
    }

    /// An attribute with a 32-bit number in the machine's order.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Writer {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// An attribute with a 32-bit number in network order, as nftables wants it.
    pub(crate) fn u32_be(&mut self, kind: u16, value: u32) -> &mut Writer {
        self.attr(kind, &value.to_be_bytes())
    }

    /// An attribute with a text and its final zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Writer {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start)
    }

    /// An attribute that holds attributes.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) -> &mut Writer {
        let start = self.open(kind | NESTED);
        fill(self);
        self.close(start)
    }

    /// Plain bytes outside any attribute: the fixed header of a message or of a nested one.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// Starts a whole message; close it with [`Writer::end`].
    pub(super) fn begin(&mut self, kind: u16, flags: u16, sequence: u32) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        start
    }

    pub(super) fn end(&mut self, start: usize) {
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Sets more flags on the message that starts at `start`.
    pub(super) fn add_flags(&mut self, start: usize, flags: u16) {
        let at = start + 6..start + 8;
        let now = u16::from_ne_bytes([self.bytes[at.start], self.bytes[at.start + 1]]);
        self.bytes[at].copy_from_slice(&(now | flags).to_ne_bytes());
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) -> &mut Writer {
        let length = self.bytes.len() - start;
        let length = u16::try_from(length).expect("attributes are split before they reach 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One request, with the words an error will use for it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    writer: Writer,
    attempted: String,
}

impl Message {
    /// A request of this type with its fixed header; add attributes through [`Message::with`].
    pub(crate) fn new(
        attempted: impl Into<String>,
        kind: u16,
        flags: u16,
        fixed: &[u8],
    ) -> Message {
        let mut writer = Writer::default();
        writer.begin(kind, flags, 0);
        writer.raw(fixed);
        Message { writer, attempted: attempted.into() }
    }

    /// Adds attributes.
    pub(crate) fn with(mut self, fill: impl FnOnce(&mut Writer)) -> Message {
        fill(&mut self.writer);
        self
    }

    pub(super) fn attempted(&self) -> &str {
        &self.attempted
    }

    pub(super) fn finish(mut self, flags: u16, sequence: u32) -> (Vec<u8>, String) {
        self.writer.add_flags(0, flags);
        self.writer.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.writer.end(0);
        (self.writer.bytes, self.attempted)
    }
}

/// One message from the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// The messages in a datagram; ends at the first one that is cut off.
pub(super) fn replies(mut bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    std::iter::from_fn(move || {
        let length = u32_ne(bytes)? as usize;
        let body = bytes.get(HEADER_BYTES..length)?;
        let reply = Reply {
            kind: u16::from_ne_bytes([bytes[4], bytes[5]]),
            flags: u16::from_ne_bytes([bytes[6], bytes[7]]),
            sequence: u32_ne(&bytes[8..])?,
            body,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply)
    })
}

/// The attributes in a body; ends at the first one that is cut off.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & TYPE_MASK;
        let payload = bytes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// The first attribute of a type.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, payload)| payload)
}

/// The leading four bytes as a number in the machine's order.
pub(crate) fn u32_ne(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// The leading two bytes as a number in network order.
pub(crate) fn u16_be(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?))
}

/// The leading four bytes as an address.
pub(crate) fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?))
}

/// A text up to its final zero; empty when it is no UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_read_back() {
        let mut writer = Writer::default();
        writer.text(3, "eth0").u32(4, 1500).nest(18, |info| {
            info.text(1, "veth");
        });
        let read: Vec<_> =
            attributes(writer.bytes()).map(|(kind, bytes)| (kind, bytes.len())).collect();
        assert_eq!(read, [(3, 5), (4, 4), (18, 12)]);
        let info = find(writer.bytes(), 18).unwrap();
        assert_eq!(find(info, 1).map(text), Some("veth"));
    }

    #[test]
    fn a_message_carries_its_length_and_sequence() {
        let message = Message::new("test", 16, 0x400, &[7; 5]).with(|body| {
            body.u32(1, 2);
        });
        let (bytes, attempted) = message.finish(1, 9);
        assert_eq!(attempted, "test");
        let reply = replies(&bytes).next().unwrap();
        assert_eq!((reply.kind, reply.flags, reply.sequence), (16, 0x401, 9));
        assert_eq!(find(&reply.body[8..], 1).and_then(u32_ne), Some(2));
    }

    #[test]
    fn cut_off_input_ends_the_walk() {
        for cut in 0..20 {
            let mut bytes = vec![20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
            bytes.truncate(cut);
            assert_eq!(replies(&bytes).count(), 0, "{cut}");
        }
        assert_eq!(attributes(&[8, 0, 1, 0, 1]).count(), 0);
        assert_eq!(attributes(&[2, 0, 1, 0]).count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let total: usize = replies(&bytes).map(|reply| reply.body.len()).sum();
            assert!(total <= bytes.len());
            let total: usize = attributes(&bytes).map(|(_, payload)| payload.len()).sum();
            assert!(total <= bytes.len());
        }
    }
}
