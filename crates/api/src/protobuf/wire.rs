//! The protobuf wire format: a message is a run of numbered fields.

use super::ProtobufError;

/// One field's value as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// No Kubernetes type has such a field; it can only be skipped.
    Fixed32,
}

/// Iterates over the fields of one message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u32, Wire<'a>), ProtobufError> {
        let key = varint(&mut self.rest)?;
        let number = u32::try_from(key >> 3).map_err(|_| malformed("illegal tag"))?;
        if number == 0 {
            return Err(malformed("illegal tag 0"));
        }
        let value = match key & 7 {
            0 => Wire::Varint(varint(&mut self.rest)?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Wire::Bytes(self.delimited()?),
            5 => {
                self.array::<4>()?;
                Wire::Fixed32
            }
            other => return Err(malformed(&format!("illegal wire type {other}"))),
        };
        Ok((number, value))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn delimited(&mut self) -> Result<&'a [u8], ProtobufError> {
        let length = usize::try_from(varint(&mut self.rest)?).map_err(|_| truncated())?;
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(head)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(u32, Wire<'a>), ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Takes one varint off the front of `bytes`.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, ProtobufError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(truncated)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(malformed("integer overflow"))
}

/// The bytes of a string field.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ProtobufError> {
    std::str::from_utf8(bytes).map_err(|_| malformed("a string field holds invalid UTF-8"))
}

pub(super) fn malformed(why: &str) -> ProtobufError {
    ProtobufError::Malformed(why.to_owned())
}

fn truncated() -> ProtobufError {
    malformed("unexpected EOF")
}
