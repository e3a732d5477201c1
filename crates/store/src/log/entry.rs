//! What a frame of the log holds: entries, one for each transaction that wrote, and for each other
//! thing that must survive.
//!
//! An entry records what was asked for, not what came of it: replay works it out again, so a
//! deleted range of a million keys costs a few bytes, as does a value that is kept. Only which
//! branches a transaction took is settled before. Numbers are little endian.

mod codec;

use bytes::Bytes;
use codec::{Decoder, put_bytes, put_count, put_u64};

use crate::lease::table::LoggedLease;
use crate::space::Settings;
use crate::{KeyValue, LeaseId, Op, OpReply, Range, Revision, TxnReply};

const WRITE: u8 = 1;
const COMPACT: u8 = 2;
const LEASE: u8 = 3;
const LEASE_ENDED: u8 = 4;
const RECORD: u8 = 5;
const RECORD_REMOVED: u8 = 6;
const CLEAR_SETTINGS: u8 = 7;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_TO_END: u8 = 3;
const PUT_LEASED: u8 = 4;
const PUT_KEEPING_VALUE: u8 = 5;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// These operations made this revision.
    Write(Revision, Vec<Op>),
    /// History below this revision was given up.
    Compact(Revision),
    /// There is this lease, with this deadline from now on.
    Lease(LoggedLease),
    /// A lease ended. The keys attached to it were deleted by this revision; by none, if there
    /// were no keys.
    LeaseEnded(LeaseId, Option<Revision>),
    /// A record was set or removed.
    Record(String, Option<Bytes>),
    /// There are no leases and records but those that follow.
    ClearSettings,
}

impl Entry {
    /// Appends the entry of a transaction: what the branches taken wrote.
    pub fn encode_write(out: &mut Vec<u8>, ops: &[Op], reply: &TxnReply) {
        out.push(WRITE);
        put_u64(out, reply.revision.0);
        put_count(out, |out| encode_ops(out, ops, &reply.results));
    }

    pub fn encode_compact(out: &mut Vec<u8>, revision: Revision) {
        out.push(COMPACT);
        put_u64(out, revision.0);
    }

    pub fn encode_lease(out: &mut Vec<u8>, lease: LoggedLease) {
        out.push(LEASE);
        encode_logged_lease(out, lease);
    }

    pub fn encode_lease_ended(out: &mut Vec<u8>, id: LeaseId, revision: Option<Revision>) {
        out.push(LEASE_ENDED);
        put_u64(out, id.0.cast_unsigned());
        put_u64(out, revision.unwrap_or(Revision::NONE).0);
    }

    pub fn encode_record(out: &mut Vec<u8>, name: &str, content: Option<&Bytes>) {
        out.push(if content.is_some() { RECORD } else { RECORD_REMOVED });
        put_bytes(out, name.as_bytes());
        if let Some(content) = content {
            put_bytes(out, content);
        }
    }

    /// Appends an entry for each lease and record.
    pub fn encode_settings(out: &mut Vec<u8>, settings: &Settings) {
        settings.leases.iter().for_each(|lease| Entry::encode_lease(out, *lease));
        for (name, content) in &settings.records {
            Entry::encode_record(out, name, Some(content));
        }
    }

    /// Appends what a segment begins with: that there are these leases and records, and no others.
    pub fn encode_checkpoint(out: &mut Vec<u8>, compacted: Revision, settings: &Settings) {
        out.push(CLEAR_SETTINGS);
        Entry::encode_compact(out, compacted);
        Entry::encode_settings(out, settings);
    }

    fn decode(from: &mut Decoder<'_>) -> Option<Entry> {
        Some(match from.u8()? {
            WRITE => {
                let revision = Revision(from.u64()?);
                let count = from.len()?;
                Entry::Write(revision, (0..count).map(|_| decode_op(from)).collect::<Option<_>>()?)
            }
            COMPACT => Entry::Compact(Revision(from.u64()?)),
            LEASE => Entry::Lease(decode_logged_lease(from)?),
            LEASE_ENDED => {
                let id = LeaseId(from.u64()?.cast_signed());
                let revision = Revision(from.u64()?);
                Entry::LeaseEnded(id, Some(revision).filter(|at| *at != Revision::NONE))
            }
            RECORD => Entry::Record(from.text()?, Some(from.bytes()?)),
            RECORD_REMOVED => Entry::Record(from.text()?, None),
            CLEAR_SETTINGS => Entry::ClearSettings,
            _ => return None,
        })
    }

    /// Reads all entries of a frame; `None` when it holds anything else.
    pub fn decode_all(payload: &[u8]) -> Option<Vec<Entry>> {
        codec::decode_all(payload, Entry::decode)
    }
}

/// Appends what operations wrote, and how many that were.
fn encode_ops(out: &mut Vec<u8>, ops: &[Op], results: &[OpReply]) -> usize {
    let writes = ops.iter().zip(results).map(|(op, result)| match (op, result) {
        (Op::Put { value, .. }, OpReply::Put { kv, .. }) => encode_put(out, kv, value.is_some()),
        (Op::Delete { range }, _) => encode_delete(out, range),
        (Op::Txn(txn), OpReply::Txn(reply)) => {
            let ops = if reply.succeeded { &txn.success } else { &txn.failure };
            encode_ops(out, ops, &reply.results)
        }
        (Op::Put { .. } | Op::Range { .. } | Op::Txn(_), _) => 0,
    });
    writes.sum()
}

fn encode_put(out: &mut Vec<u8>, kv: &KeyValue, has_value: bool) -> usize {
    let kind = match kv.lease {
        _ if !has_value => PUT_KEEPING_VALUE,
        LeaseId::NONE => PUT,
        _ => PUT_LEASED,
    };
    out.push(kind);
    put_bytes(out, &kv.key);
    if has_value {
        put_bytes(out, &kv.value);
    }
    if kind != PUT {
        put_u64(out, kv.lease.0.cast_unsigned());
    }
    1
}

fn encode_delete(out: &mut Vec<u8>, range: &Range) -> usize {
    out.push(if range.end().is_some() { DELETE } else { DELETE_TO_END });
    put_bytes(out, range.start());
    if let Some(end) = range.end() {
        put_bytes(out, end);
    }
    1
}

fn decode_op(from: &mut Decoder<'_>) -> Option<Op> {
    match from.u8()? {
        PUT => Some(Op::put(from.bytes()?, from.bytes()?)),
        PUT_LEASED => {
            let (key, value) = (from.bytes()?, from.bytes()?);
            Some(Op::put_leased(key, value, LeaseId(from.u64()?.cast_signed())))
        }
        PUT_KEEPING_VALUE => {
            let (key, value) = (from.bytes()?, None);
            Some(Op::Put { key, value, lease: Some(LeaseId(from.u64()?.cast_signed())) })
        }
        DELETE => Some(Op::Delete { range: Range::new(from.bytes()?, from.bytes()?) }),
        DELETE_TO_END => Some(Op::Delete { range: Range::starting_at(from.bytes()?) }),
        _ => None,
    }
}

pub(super) fn encode_logged_lease(out: &mut Vec<u8>, lease: LoggedLease) {
    put_u64(out, lease.id.0.cast_unsigned());
    put_u64(out, lease.ttl_ms);
    put_u64(out, lease.deadline_ms);
}

fn decode_logged_lease(from: &mut Decoder<'_>) -> Option<LoggedLease> {
    let id = LeaseId(from.u64()?.cast_signed());
    Some(LoggedLease { id, ttl_ms: from.u64()?, deadline_ms: from.u64()? })
}

/// Appends a key as a snapshot holds it.
pub(super) fn encode_key_value(out: &mut Vec<u8>, kv: &KeyValue) {
    put_u64(out, kv.create_revision.0);
    put_u64(out, kv.mod_revision.0);
    put_u64(out, kv.version);
    put_u64(out, kv.lease.0.cast_unsigned());
    put_bytes(out, &kv.key);
    put_bytes(out, &kv.value);
}

/// What a frame of a snapshot holds: its keys with their leases, or as before there were leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyFormat {
    Plain,
    Leased,
}

/// Reads all keys of a snapshot's frame; `None` when it holds anything else.
pub(super) fn decode_key_values(payload: &[u8], format: KeyFormat) -> Option<Vec<KeyValue>> {
    codec::decode_all(payload, |from| {
        let create_revision = Revision(from.u64()?);
        let mod_revision = Revision(from.u64()?);
        let version = from.u64()?;
        let lease = match format {
            KeyFormat::Plain => LeaseId::NONE,
            KeyFormat::Leased => LeaseId(from.u64()?.cast_signed()),
        };
        let (key, value) = (from.bytes()?, from.bytes()?);
        Some(KeyValue { key, value, create_revision, mod_revision, version, lease })
    })
}

#[cfg(test)]
mod tests;
