//! A snapshot: every key as it was at one revision.
//!
//! A file header like a segment's, frames of keys in order, then a last frame that holds nothing:
//! a snapshot without it is not complete. It is written under another name, made durable, and
//! only then given its own.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::segment::{self, Header};
use super::{entry, frame};
use crate::log_store::{LogFile, LogStore};
use crate::{KeyValue, Revision};

const MAGIC: &[u8; 8] = b"sampansn";
const SUFFIX: &str = ".snapshot";
pub(super) const UNFINISHED_SUFFIX: &str = ".tmp";

/// A frame is written out when it has this many bytes.
const FRAME_BYTES: usize = 256 << 10;

pub(super) fn name(revision: Revision) -> String {
    format!("{:020}{SUFFIX}", revision.0)
}

/// The revision of the snapshot with this name, if it is one's name.
pub(super) fn parse_name(name: &str) -> Option<Revision> {
    let digits = name.strip_suffix(SUFFIX)?;
    let revision = digits.parse().ok().map(Revision)?;
    (self::name(revision) == name).then_some(revision)
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

fn unfinished(revision: Revision) -> String {
    format!("{}{UNFINISHED_SUFFIX}", name(revision))
}

/// Why a snapshot could not be read.
pub(super) enum LoadError {
    Io(io::Error),
    Format(u32),
    Damaged { offset: u64, reason: &'static str },
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> LoadError {
        LoadError::Io(error)
    }
}

/// The keys of a snapshot, and its size.
pub(super) fn load(
    store: &dyn LogStore,
    revision: Revision,
) -> Result<(BTreeMap<Bytes, KeyValue>, u64), LoadError> {
    let name = name(revision);
    let mut file = Reader { from: BufReader::new(store.read(&name)?), offset: 0 };
    let mut header = [0; segment::HEADER_BYTES];
    file.fill(&mut header)?;
    match segment::check_header(&header, MAGIC, revision) {
        Header::Good => {}
        Header::Format(format) => return Err(LoadError::Format(format)),
        Header::Torn => return Err(damaged(0, "the header of the file is empty")),
        Header::Damaged(reason) => return Err(damaged(0, reason)),
    }
    let mut entries = BTreeMap::new();
    loop {
        let offset = file.offset;
        let payload = file.frame()?;
        if payload.is_empty() {
            return Ok((entries, file.offset));
        }
        let keys = entry::decode_key_values(&payload);
        let keys = keys.ok_or_else(|| damaged(offset, "a frame holds something unknown"))?;
        entries.extend(keys.into_iter().map(|kv| (kv.key.clone(), kv)));
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
