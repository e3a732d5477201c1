//! What a frame of the log holds: entries, one for each transaction that wrote.
//!
//! An entry records what was asked for, not what came of it: replay works it out again, so a
//! deleted range of a million keys costs a few bytes. Numbers are little endian.

use bytes::Bytes;

use crate::{KeyValue, Op, Range, Revision};

const WRITE: u8 = 1;
const COMPACT: u8 = 2;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_TO_END: u8 = 3;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// These operations made this revision.
    Write(Revision, Vec<Op>),
    /// History below this revision was given up.
    Compact(Revision),
}

impl Entry {
    /// Appends the entry of a transaction; what it reads is left out.
    pub fn encode_write(out: &mut Vec<u8>, revision: Revision, ops: &[Op]) {
        out.push(WRITE);
        put_u64(out, revision.0);
        let writes = ops.iter().filter(|op| !matches!(op, Op::Range { .. }));
        put_len(out, writes.clone().count());
        writes.for_each(|op| encode_op(out, op));
    }

    pub fn encode_compact(out: &mut Vec<u8>, revision: Revision) {
        out.push(COMPACT);
        put_u64(out, revision.0);
    }

    fn decode(from: &mut Decoder<'_>) -> Option<Entry> {
        match from.u8()? {
            WRITE => {
                let revision = Revision(from.u64()?);
                let count = from.len()?;
                let ops = (0..count).map(|_| decode_op(from)).collect::<Option<_>>()?;
                Some(Entry::Write(revision, ops))
            }
            COMPACT => Some(Entry::Compact(Revision(from.u64()?))),
            _ => None,
        }
    }

    /// Reads all entries of a frame; `None` when it holds anything else.
    pub fn decode_all(payload: &[u8]) -> Option<Vec<Entry>> {
        decode_all(payload, Entry::decode)
    }
}

fn encode_op(out: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Put { key, value } => {
            out.push(PUT);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Op::Delete { range } => {
            out.push(if range.end().is_some() { DELETE } else { DELETE_TO_END });
            put_bytes(out, range.start());
            if let Some(end) = range.end() {
                put_bytes(out, end);
            }
        }
        Op::Range { .. } => {}
    }
}

fn decode_op(from: &mut Decoder<'_>) -> Option<Op> {
    match from.u8()? {
        PUT => Some(Op::Put { key: from.bytes()?, value: from.bytes()? }),
        DELETE => Some(Op::Delete { range: Range::new(from.bytes()?, from.bytes()?) }),
        DELETE_TO_END => Some(Op::Delete { range: Range::starting_at(from.bytes()?) }),
        _ => None,
    }
}

/// Appends a key as a snapshot holds it.
pub(super) fn encode_key_value(out: &mut Vec<u8>, kv: &KeyValue) {
    put_u64(out, kv.create_revision.0);
    put_u64(out, kv.mod_revision.0);
    put_u64(out, kv.version);
    put_bytes(out, &kv.key);
    put_bytes(out, &kv.value);
}

/// Reads all keys of a snapshot's frame; `None` when it holds anything else.
pub(super) fn decode_key_values(payload: &[u8]) -> Option<Vec<KeyValue>> {
    decode_all(payload, |from| {
        let create_revision = Revision(from.u64()?);
        let mod_revision = Revision(from.u64()?);
        let version = from.u64()?;
        let (key, value) = (from.bytes()?, from.bytes()?);
        Some(KeyValue { key, value, create_revision, mod_revision, version })
    })
}

fn decode_all<T>(payload: &[u8], decode: impl Fn(&mut Decoder<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut from = Decoder(payload);
    let mut all = Vec::new();
    while !from.0.is_empty() {
        all.push(decode(&mut from)?);
    }
    Some(all)
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).expect("a transaction is far smaller than 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct Decoder<'a>(&'a [u8]);

impl Decoder<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn len(&mut self) -> Option<usize> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }

    /// A copy: the frame is large and short-lived.
    fn bytes(&mut self) -> Option<Bytes> {
        let len = self.len()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_bytes() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    fn any_op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (any_bytes(), any_bytes()).prop_map(|(key, value)| Op::put(key, value)),
            (any_bytes(), any_bytes()).prop_map(|(a, b)| Op::delete_range(Range::new(a, b))),
            any_bytes().prop_map(|start| Op::delete_range(Range::starting_at(start))),
        ]
    }

    proptest! {
        #[test]
        fn entries_read_back_as_written(
            ops in proptest::collection::vec(any_op(), 0..8), revision: u64, compacted: u64,
        ) {
            let mut out = Vec::new();
            Entry::encode_write(&mut out, Revision(revision), &ops);
            Entry::encode_compact(&mut out, Revision(compacted));
            let write = Entry::Write(Revision(revision), ops);
            let expected = vec![write, Entry::Compact(Revision(compacted))];
            prop_assert_eq!(Entry::decode_all(&out), Some(expected));
        }

        #[test]
        fn any_other_bytes_are_refused_or_read_but_never_panic(
            payload in proptest::collection::vec(0u8..5, 0..64),
        ) {
            let _ = Entry::decode_all(&payload);
            let _ = decode_key_values(&payload);
        }
    }
}
