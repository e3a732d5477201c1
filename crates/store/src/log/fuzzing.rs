//! Ways in for fuzzers: bytes as a disk may hand them out. None of these may panic, whatever the
//! bytes are, and what is read must read the same the next time. Checksums are put right where a
//! fuzzer could not get past them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Found};
use super::manifest::Manifest;
use super::{Log, segment, snapshot};
use crate::log_store::{LogStore, Memory};
use crate::space::Space;
use crate::{KeyValue, LeaseId, OpenError, Options, Range, Revision};

/// The first revision of the segment that is made of the bytes.
const FIRST: Revision = Revision(2);

/// What a key space holds.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    head: Revision,
    compacted: Revision,
    keys: Vec<KeyValue>,
    leases: Vec<LeaseId>,
    records: Vec<(String, Bytes)>,
}

impl Contents {
    fn of(space: &Space) -> Contents {
        let settings = space.settings();
        Contents {
            head: space.head(),
            compacted: space.compacted(),
            keys: space.entries(&Range::all()).cloned().collect(),
            leases: settings.leases.iter().map(|lease| lease.id).collect(),
            records: settings.records,
        }
    }
}

/// The bytes are frames, or are not.
pub fn log_frames(data: &[u8]) {
    let mut offset = 0;
    while let Found::Frame { payload, next } = frame::at(data, offset) {
        assert_eq!(next, offset + frame::HEADER_BYTES + payload.len());
        offset = next;
    }
    assert!(offset <= data.len());
}

/// The bytes are what a good frame holds.
pub fn log_entries(data: &[u8]) {
    let mut file = begun();
    frame::write(&mut file, |out| out.extend_from_slice(data));
    open_twice(&file);
}

/// The bytes are a segment, as it is.
pub fn log_segment(data: &[u8]) {
    open_twice(data);
}

/// The bytes are a segment's frames, each after a byte for its length; what does not fit is a torn
/// write.
pub fn log_segment_of_frames(data: &[u8]) {
    let (mut file, mut rest) = (begun(), data);
    while let Some((len, after)) = rest.split_first()
        && let Some((payload, after)) = after.split_at_checked(usize::from(*len))
    {
        frame::write(&mut file, |out| out.extend_from_slice(payload));
        rest = after;
    }
    file.extend_from_slice(rest);
    open_twice(&file);
}

/// The bytes are a snapshot, as it is.
pub fn snapshot(data: &[u8]) {
    read_twice(data);
}

/// The bytes are what the good frames of a complete snapshot hold, each after a byte for its
/// length.
pub fn snapshot_of_frames(data: &[u8]) {
    let (mut file, mut rest) = (Vec::new(), data);
    snapshot::encode_head(&mut file, FIRST);
    while let Some((len, after)) = rest.split_first() {
        let (payload, after) = after.split_at(after.len().min(usize::from(*len)));
        frame::write(&mut file, |out| out.extend_from_slice(payload));
        rest = after;
    }
    snapshot::encode_end(&mut file);
    read_twice(&file);
}

/// A segment with nothing in it yet.
fn begun() -> Vec<u8> {
    [&segment::header(segment::MAGIC, FIRST)[..], &super::checkpoint(&Space::new())].concat()
}

/// The store as it is after opening, if it can be.
fn open(files: &Memory) -> Result<Contents, OpenError> {
    let (_, space) = Log::open(Arc::new(files.clone()), &Options::default())?;
    Ok(Contents::of(&space))
}

fn open_twice(segment: &[u8]) {
    let files = Memory::default();
    let laid = lay(&files, &segment::name(FIRST), segment)
        .and_then(|()| Manifest { snapshot: Revision::NONE, segment: FIRST }.write(&files));
    laid.expect("memory writes");
    if let Ok(contents) = open(&files) {
        let again = open(&files).expect("what was opened once opens again");
        assert_eq!(contents, again);
    }
}

fn lay(files: &Memory, name: &str, content: &[u8]) -> io::Result<()> {
    files.create(name)?.append(content)
}

fn read_twice(data: &[u8]) {
    let Ok(loaded) = snapshot::read(data, None) else { return };
    let mut again = Vec::new();
    snapshot::encode_head(&mut again, loaded.revision);
    let keys: Vec<_> = loaded.entries.values().cloned().collect();
    snapshot::encode_settings(&mut again, &loaded.settings);
    if !keys.is_empty() {
        snapshot::encode_keys(&mut again, &keys);
    }
    snapshot::encode_end(&mut again);
    let read = snapshot::read(&again[..], None).expect("what was encoded reads back");
    assert_eq!((read.revision, read.entries), (loaded.revision, loaded.entries));
    assert_eq!(read.settings, loaded.settings);
    assert_eq!(read.bytes, again.len() as u64);
}

#[cfg(test)]
mod tests;
