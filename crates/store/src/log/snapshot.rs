//! A snapshot: every key as it was at one revision, and the leases and records of a moment at it or
//! after it.
//!
//! A file header like a segment's; frames of keys in order and of leases and records, each with a
//! byte before that says which; then a last frame that holds nothing: a snapshot without it is not
//! complete. It is written under another name, made durable, and only then given its own.
//! Format 1 had keys only, and not that byte.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::entry::{self, Entry, KeyFormat};
use super::frame;
use super::segment::{self, FORMAT_WITH_SETTINGS, Header, UNFINISHED_SUFFIX};
use crate::log_store::{LogFile, LogStore};
use crate::space::Settings;
use crate::{KeyValue, Revision};

const MAGIC: &[u8; 8] = b"sampansn";
const SUFFIX: &str = ".snapshot";

/// A frame is written out when it has this many bytes.
const FRAME_BYTES: usize = 256 << 10;

/// What a frame holds.
const KEYS: u8 = 1;
const SETTINGS: u8 = 2;

pub(super) fn name(revision: Revision) -> String {
    format!("{:020}{SUFFIX}", revision.0)
}

/// The revision of the snapshot with this name, if it is one's name.
pub(super) fn parse_name(name: &str) -> Option<Revision> {
    let digits = name.strip_suffix(SUFFIX)?;
    let revision =
        digits.parse().ok().map(Revision).filter(|revision| segment::is_possible(*revision))?;
    (self::name(revision) == name).then_some(revision)
}

/// Whether this is the name of a snapshot, finished or not.
pub(crate) fn is_name(name: &str) -> bool {
    parse_name(name.strip_suffix(UNFINISHED_SUFFIX).unwrap_or(name)).is_some()
}

/// Writes a snapshot; dropped before [`SnapshotWriter::finish`] it leaves nothing.
pub(crate) struct SnapshotWriter {
    store: Arc<dyn LogStore>,
    file: Box<dyn LogFile>,
    revision: Revision,
    frame: Vec<u8>,
    bytes: u64,
    finished: bool,
}

impl SnapshotWriter {
    pub fn create(store: Arc<dyn LogStore>, revision: Revision) -> io::Result<SnapshotWriter> {
        let mut file = store.create(&unfinished(revision))?;
        file.append(&segment::header(MAGIC, revision))?;
        let bytes = segment::HEADER_BYTES as u64;
        Ok(SnapshotWriter { store, file, revision, frame: Vec::new(), bytes, finished: false })
    }

    /// Adds keys; they must come in order.
    pub fn add(&mut self, entries: &[KeyValue]) -> io::Result<()> {
        let mut rest = entries;
        while !rest.is_empty() {
            self.frame.clear();
            frame::write(&mut self.frame, |out| {
                out.push(KEYS);
                while let Some((kv, after)) = rest.split_first()
                    && out.len() < FRAME_BYTES
                {
                    entry::encode_key_value(out, kv);
                    rest = after;
                }
            });
            self.write_frame()?;
        }
        Ok(())
    }

    /// Adds leases and records.
    pub fn add_settings(&mut self, settings: &Settings) -> io::Result<()> {
        self.frame.clear();
        encode_settings(&mut self.frame, settings);
        self.write_frame()
    }

    fn write_frame(&mut self) -> io::Result<()> {
        self.file.append(&self.frame)?;
        self.bytes += self.frame.len() as u64;
        Ok(())
    }

    /// Makes it durable under its name; returns its size.
    pub fn finish(mut self) -> io::Result<u64> {
        self.frame.clear();
        frame::write(&mut self.frame, |_| {});
        self.write_frame()?;
        self.file.sync()?;
        self.store.rename(&unfinished(self.revision), &name(self.revision))?;
        self.finished = true;
        self.store.sync_names()?;
        Ok(self.bytes)
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = self.store.remove(&unfinished(self.revision))
        {
            tracing::debug!(%error, "could not remove a snapshot that was not finished");
        }
    }
}

/// Appends how a snapshot begins. It goes on with [`encode_keys`] and [`encode_settings`], and ends
/// with [`encode_end`].
pub(crate) fn encode_head(out: &mut Vec<u8>, revision: Revision) {
    out.extend_from_slice(&segment::header(MAGIC, revision));
}

/// Appends a frame of keys, which must come in order. There must be some.
pub(crate) fn encode_keys(out: &mut Vec<u8>, entries: &[KeyValue]) {
    frame::write(out, |out| {
        out.push(KEYS);
        entries.iter().for_each(|kv| entry::encode_key_value(out, kv));
    });
}

/// Appends a frame of leases and records.
pub(crate) fn encode_settings(out: &mut Vec<u8>, settings: &Settings) {
    frame::write(out, |out| {
        out.push(SETTINGS);
        Entry::encode_settings(out, settings);
    });
}

/// Appends the frame that says that nothing is missing.
pub(crate) fn encode_end(out: &mut Vec<u8>) {
    frame::write(out, |_| {});
}

fn unfinished(revision: Revision) -> String {
    format!("{}{UNFINISHED_SUFFIX}", name(revision))
}

/// Why a snapshot could not be read.
#[derive(Debug)]
pub(crate) enum LoadError {
    Io(io::Error),
    Format(u32),
    Damaged { offset: u64, reason: &'static str },
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> LoadError {
        LoadError::Io(error)
    }
}

/// What a snapshot holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub revision: Revision,
    pub format: u32,
    pub entries: BTreeMap<Bytes, KeyValue>,
    pub settings: Settings,
    /// The size of the snapshot.
    pub bytes: u64,
}

/// The snapshot of a revision.
pub(super) fn load(store: &dyn LogStore, revision: Revision) -> Result<Loaded, LoadError> {
    read(BufReader::new(store.read(&name(revision))?), Some(revision))
}

/// Reads a snapshot, of the revision that it says itself if none is `expected`. Nothing behind its
/// end is read.
pub(crate) fn read(from: impl Read, expected: Option<Revision>) -> Result<Loaded, LoadError> {
    let mut file = Reader { from, offset: 0 };
    let mut header = [0; segment::HEADER_BYTES];
    file.fill(&mut header)?;
    let revision = expected.unwrap_or_else(|| segment::revision_of(&header));
    let format = match segment::check_header(&header, MAGIC, revision) {
        Header::Good(format) => format,
        Header::Format(format) => return Err(LoadError::Format(format)),
        Header::Torn => return Err(damaged(0, "the header of the file is empty")),
        Header::Damaged(reason) => return Err(damaged(0, reason)),
    };
    let (entries, settings) = (BTreeMap::new(), Settings::default());
    let mut loaded = Loaded { revision, format, entries, settings, bytes: file.offset };
    loop {
        let payload = file.frame()?;
        if payload.is_empty() {
            loaded.bytes = file.offset;
            return Ok(loaded);
        }
        let known = loaded.add(&payload, format);
        known.ok_or_else(|| damaged(loaded.bytes, "a frame holds something unknown"))?;
        loaded.bytes = file.offset;
    }
}

impl Loaded {
    /// Adds what a frame holds; `None` when that is unknown.
    fn add(&mut self, payload: &[u8], format: u32) -> Option<()> {
        let (kind, payload, keys) = match payload.split_first() {
            Some((kind, rest)) if format >= FORMAT_WITH_SETTINGS => {
                (*kind, rest, KeyFormat::Leased)
            }
            _ => (KEYS, payload, KeyFormat::Plain),
        };
        match kind {
            KEYS => {
                let keys = entry::decode_key_values(payload, keys)?;
                self.entries.extend(keys.into_iter().map(|kv| (kv.key.clone(), kv)));
            }
            SETTINGS => {
                for entry in Entry::decode_all(payload)? {
                    match entry {
                        Entry::Lease(lease) => self.settings.leases.push(lease),
                        Entry::Record(name, Some(content)) => {
                            self.settings.records.push((name, content));
                        }
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn damaged(offset: u64, reason: &'static str) -> LoadError {
    LoadError::Damaged { offset, reason }
}

struct Reader<R> {
    from: R,
    offset: u64,
}

impl<R: Read> Reader<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), LoadError> {
        match self.from.read_exact(buffer) {
            Ok(()) => self.offset += buffer.len() as u64,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(self.offset, "the file ends too early"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<Vec<u8>, LoadError> {
        let start = self.offset;
        let mut header = [0; frame::HEADER_BYTES];
        self.fill(&mut header)?;
        let parsed = frame::parse_header(&header);
        let (len, crc) =
            parsed.ok_or_else(|| damaged(start, "the header of a frame has a wrong checksum"))?;
        let mut payload = vec![0; len];
        self.fill(&mut payload)?;
        if crc32fast::hash(&payload) != crc {
            return Err(damaged(start, "a frame has a wrong checksum"));
        }
        Ok(payload)
    }
}
