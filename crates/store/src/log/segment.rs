//! A segment: a header, then frames.
//!
//! `"sampanwl" | format version u32 | first revision u64 | crc32 of these twenty bytes u32`
//!
//! The first frame is a checkpoint: all leases and records there are. So nothing of them is needed
//! from the segments before. Format 1 knew neither, and had no such frame.

use std::io;

use crate::Revision;
use crate::log_store::{LogFile, LogStore};

pub(super) const MAGIC: &[u8; 8] = b"sampanwl";
pub(super) const FORMAT: u32 = 2;
/// Older ones are not read.
const FORMAT_MIN: u32 = 1;
/// The first one that has leases and records.
pub(super) const FORMAT_WITH_SETTINGS: u32 = 2;
pub(super) const HEADER_BYTES: usize = 24;
const SUFFIX: &str = ".log";

/// Of a file that is being written; it gets its own name when it is whole.
pub(super) const UNFINISHED_SUFFIX: &str = ".tmp";

/// A file of the log.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The first revision it may hold.
    pub first: Revision,
    /// The newest revision in it; less than `first` when there is none yet.
    pub last: Revision,
    pub bytes: u64,
    /// What it had when it was begun.
    pub bytes_at_first: u64,
    pub format: u32,
}

impl Segment {
    pub fn empty(first: Revision) -> Segment {
        let bytes = HEADER_BYTES as u64;
        let last = Revision(first.0 - 1);
        Segment { first, last, bytes, bytes_at_first: bytes, format: FORMAT }
    }

    /// Whether it should have a checkpoint and ends before it.
    pub fn lacks_checkpoint(&self, end: usize) -> bool {
        end == HEADER_BYTES && self.format >= FORMAT_WITH_SETTINGS
    }

    /// Whether it holds no revision yet.
    pub fn is_unused(&self) -> bool {
        self.last < self.first
    }
}

pub(super) fn name(first: Revision) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

/// Whether a store can get there. The last number there is has none after it.
pub(super) fn is_possible(revision: Revision) -> bool {
    (1..u64::MAX).contains(&revision.0)
}

/// The first revision of the segment with this name, if it is one's name.
pub(super) fn parse_name(name: &str) -> Option<Revision> {
    let digits = name.strip_suffix(SUFFIX)?;
    let first = digits.parse().ok().map(Revision).filter(|first| is_possible(*first))?;
    (self::name(first) == name).then_some(first)
}

pub(super) fn header(magic: &[u8; 8], revision: Revision) -> [u8; HEADER_BYTES] {
    header_of(magic, FORMAT, revision)
}

fn header_of(magic: &[u8; 8], format: u32, revision: Revision) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(magic);
    header[8..12].copy_from_slice(&format.to_le_bytes());
    header[12..20].copy_from_slice(&revision.0.to_le_bytes());
    let crc = crc32fast::hash(&header[..20]);
    header[20..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The revision that a header names, good or not.
pub(super) fn revision_of(header: &[u8; HEADER_BYTES]) -> Revision {
    Revision(u64::from_le_bytes(std::array::from_fn(|i| header[12 + i])))
}

/// What a header says, or does not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Good, of this format.
    Good(u32),
    /// Written by a version with a format that is not read.
    Format(u32),
    /// The file was being created; nothing was in it yet.
    Torn,
    Damaged(&'static str),
}

pub(super) fn check(file: &[u8], first: Revision) -> Header {
    check_header(file, MAGIC, first)
}

pub(super) fn check_header(file: &[u8], magic: &[u8; 8], revision: Revision) -> Header {
    let Some(found) = file.first_chunk::<HEADER_BYTES>() else { return Header::Torn };
    if file.iter().all(|byte| *byte == 0) {
        return Header::Torn;
    }
    let crc = crc32fast::hash(&found[..20]).to_le_bytes();
    if found[..8] != *magic || found[20..] != crc {
        return Header::Damaged("the header of the file is not ours, or has a wrong checksum");
    }
    let format = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
    if !(FORMAT_MIN..=FORMAT).contains(&format) {
        return Header::Format(format);
    }
    if *found != header_of(magic, format, revision) {
        return Header::Damaged("the header of the file names another revision than its name");
    }
    Header::Good(format)
}

/// Creates a segment that survives a crash, or leaves nothing. `checkpoint` is its first frame.
pub(super) fn create(
    store: &dyn LogStore,
    first: Revision,
    checkpoint: &[u8],
) -> io::Result<(Segment, Box<dyn LogFile>)> {
    let name = name(first);
    let created = write(store, &name, first, checkpoint).and_then(|created| {
        store.sync_names()?;
        Ok(created)
    });
    created.map_err(|error| match store.remove(&name).and_then(|()| store.sync_names()) {
        // If it may be there after a crash, it must not be followed by others: the log has failed.
        Err(worse) if worse.kind() != io::ErrorKind::NotFound => worse,
        _ => error,
    })
}

/// Begins a segment anew that holds no revision: it comes to no more than the checkpoint.
pub(super) fn create_again(
    store: &dyn LogStore,
    first: Revision,
    checkpoint: &[u8],
) -> io::Result<(Segment, Box<dyn LogFile>)> {
    let (name, unfinished) = (name(first), format!("{}{UNFINISHED_SUFFIX}", name(first)));
    let written = write(store, &unfinished, first, checkpoint);
    let (segment, _) = written.inspect_err(|_| {
        if let Err(error) = store.remove(&unfinished) {
            tracing::debug!(%error, "could not remove a segment that was not finished");
        }
    })?;
    store.rename(&unfinished, &name)?;
    store.sync_names()?;
    let mut file = store.open(&name)?;
    file.will_grow();
    Ok((segment, file))
}

fn write(
    store: &dyn LogStore,
    name: &str,
    first: Revision,
    checkpoint: &[u8],
) -> io::Result<(Segment, Box<dyn LogFile>)> {
    let mut file = store.create(name)?;
    let content = [&header(MAGIC, first), checkpoint].concat();
    file.append(&content)?;
    file.sync()?;
    file.will_grow();
    let bytes = content.len() as u64;
    Ok((Segment { bytes, bytes_at_first: bytes, ..Segment::empty(first) }, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(name: &str, expected: Option<u64>) {
        assert_eq!(parse_name(name), expected.map(Revision), "{name}");
    }

    #[test]
    fn only_names_of_ours_are_segments() {
        check_name("00000000000000000017.log", Some(17));
        check_name(&name(Revision(u64::MAX - 1)), Some(u64::MAX - 1));
        check_name(&name(Revision(u64::MAX)), None);
        for other in
            ["17.log", "00000000000000000000.log", "lock", "x.log", "+0000000000000000017.log"]
        {
            check_name(other, None);
        }
    }

    #[test]
    fn a_header_is_good_torn_damaged_or_of_another_format() {
        let good = header(MAGIC, Revision(5));
        assert_eq!(check(&good, Revision(5)), Header::Good(FORMAT));
        let older = header_of(MAGIC, 1, Revision(5));
        assert_eq!(check(&older, Revision(5)), Header::Good(1));
        assert!(matches!(check(&good, Revision(6)), Header::Damaged(_)));
        assert_eq!(check(&good[..23], Revision(5)), Header::Torn);
        assert_eq!(check(&[0; 100], Revision(5)), Header::Torn);
        let mut newer = good;
        newer[8] = 9;
        assert!(matches!(check(&newer, Revision(5)), Header::Damaged(_)));
        let crc = crc32fast::hash(&newer[..20]).to_le_bytes();
        newer[20..].copy_from_slice(&crc);
        assert_eq!(check(&newer, Revision(5)), Header::Format(9));
    }
}
