//! Numbers and bytes in entries.

use bytes::Bytes;

pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn len_u32(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a transaction is far smaller than 4 GiB").to_le_bytes()
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&len_u32(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Appends what `put` appends, and before it the number that `put` returns.
pub(super) fn put_count(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> usize) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let count = len_u32(put(out));
    out[at..at + 4].copy_from_slice(&count);
}

/// Reads a whole payload; `None` when `decode` refuses any of it.
pub(super) fn decode_all<T>(
    payload: &[u8],
    decode: impl Fn(&mut Decoder<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut from = Decoder(payload);
    let mut all = Vec::new();
    while !from.0.is_empty() {
        all.push(decode(&mut from)?);
    }
    Some(all)
}

pub(super) struct Decoder<'a>(&'a [u8]);

impl Decoder<'_> {
    pub fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    pub fn len(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    /// A copy: the frame is large and short-lived.
    pub fn bytes(&mut self) -> Option<Bytes> {
        self.slice().map(Bytes::copy_from_slice)
    }

    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.slice()?.to_vec()).ok()
    }

    fn slice(&mut self) -> Option<&[u8]> {
        let len = self.len()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}
