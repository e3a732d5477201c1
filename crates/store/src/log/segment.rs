//! A segment: a header, then frames.
//!
//! `"sampanwl" | format version u32 | first revision u64 | crc32 of these twenty bytes u32`

use std::io;

use crate::Revision;
use crate::log_store::{LogFile, LogStore};

const MAGIC: &[u8; 8] = b"sampanwl";
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER_BYTES: usize = 24;
const SUFFIX: &str = ".log";

/// A file of the log.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// The first revision it may hold.
    pub first: Revision,
    /// The newest revision in it; less than `first` when there is none yet.
    pub last: Revision,
    pub bytes: u64,
}

impl Segment {
    pub fn empty(first: Revision) -> Segment {
        Segment { first, last: Revision(first.0 - 1), bytes: HEADER_BYTES as u64 }
    }
}

pub(super) fn name(first: Revision) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

/// The first revision of the segment with this name, if it is one's name.
pub(super) fn parse_name(name: &str) -> Option<Revision> {
    let digits = name.strip_suffix(SUFFIX)?;
    let first = digits.parse().ok().map(Revision).filter(|first| *first > Revision::NONE)?;
    (self::name(first) == name).then_some(first)
}

pub(super) fn header(magic: &[u8; 8], revision: Revision) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(magic);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
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
    Good,
    /// Written by a version with another format.
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
    if format != FORMAT {
        return Header::Format(format);
    }
    if *found != header(magic, revision) {
        return Header::Damaged("the header of the file names another revision than its name");
    }
    Header::Good
}

/// Creates an empty segment that survives a crash, or leaves nothing.
pub(super) fn create(
    store: &dyn LogStore,
    first: Revision,
) -> io::Result<(Segment, Box<dyn LogFile>)> {
    let name = name(first);
    let created = store.create(&name).and_then(|mut file| {
        file.append(&header(MAGIC, first))?;
        file.sync()?;
        store.sync_names()?;
        Ok(file)
    });
    match created {
        Ok(file) => Ok((Segment::empty(first), file)),
        Err(error) => match store.remove(&name) {
            // If it cannot be removed, it must not be followed by others: the log has failed.
            Err(worse) if worse.kind() != io::ErrorKind::NotFound => Err(worse),
            _ => Err(error),
        },
    }
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
        check_name(&name(Revision(u64::MAX)), Some(u64::MAX));
        for other in
            ["17.log", "00000000000000000000.log", "lock", "x.log", "+0000000000000000017.log"]
        {
            check_name(other, None);
        }
    }

    #[test]
    fn a_header_is_good_torn_damaged_or_of_another_format() {
        let good = header(MAGIC, Revision(5));
        assert_eq!(check(&good, Revision(5)), Header::Good);
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
