//! Opening a log: the newest snapshot, then every segment, into a key space.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, Found};
use super::segment::{self, Header, Segment};
use super::snapshot::{self, LoadError};
use super::{Entry, Log};
use crate::log_store::{LockError, LogStore};
use crate::space::{Setting, Space};
use crate::stage::Stage;
use crate::{Options, Revision};

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory open.
    #[error("{} is in use by another process{}", path.display(), of_id(*pid))]
    InUse {
        /// The store's directory.
        path: PathBuf,
        /// The other process, if it is known.
        pid: Option<u32>,
    },
    /// The operating system refused something.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file holds something that was good once and is not now. Nothing was changed.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A file is missing, or belongs to another store. Nothing was changed.
    #[error("{} holds revision {found} where {expected} should follow", path.display())]
    Gap {
        /// The file that does not follow.
        path: PathBuf,
        /// The revision that is missing.
        expected: Revision,
        /// The one found.
        found: Revision,
    },
    /// Written by a version whose format this one does not know.
    #[error("{} has format {format}, which this version does not read", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

fn of_id(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

const TOO_SHORT: &str = "the file ends too early";

fn damaged(path: PathBuf, offset: usize, reason: &'static str) -> OpenError {
    OpenError::Damaged { path, offset: offset as u64, reason }
}

impl OpenError {
    pub(crate) fn from_lock(path: PathBuf, error: LockError) -> OpenError {
        match error {
            LockError::InUse(pid) => OpenError::InUse { path, pid },
            LockError::Io(source) => OpenError::Io { action: "lock", path, source },
        }
    }
}

impl Log {
    /// Reads the whole log; the key space is as the last durable write left it.
    pub fn open(store: Arc<dyn LogStore>, options: &Options) -> Result<(Log, Space), OpenError> {
        let mut opening = Opening::new(store, options)?;
        opening.load_snapshot()?;
        opening.replay_segments()?;
        opening.finish()
    }
}

/// What there was in a segment.
#[derive(PartialEq, Eq)]
enum Replayed {
    /// A header, and frames up to its end.
    Whole,
    /// Not even all that it was begun with.
    Nothing,
}

struct Opening<'a> {
    store: Arc<dyn LogStore>,
    options: &'a Options,
    space: Space,
    segments: Vec<Segment>,
    snapshots: Vec<Revision>,
    snapshot_bytes: u64,
}

impl<'a> Opening<'a> {
    fn new(store: Arc<dyn LogStore>, options: &'a Options) -> Result<Opening<'a>, OpenError> {
        let names = store.list().map_err(|source| OpenError::Io {
            action: "list",
            path: store.path(""),
            source,
        })?;
        let mut segments: Vec<_> =
            names.iter().filter_map(|name| segment::parse_name(name)).map(Segment::empty).collect();
        segments.sort_by_key(|segment| segment.first);
        let mut snapshots: Vec<_> =
            names.iter().filter_map(|name| snapshot::parse_name(name)).collect();
        snapshots.sort();
        let space = Space::new();
        let opening = Opening { store, options, space, segments, snapshots, snapshot_bytes: 0 };
        for name in names.iter().filter(|name| name.ends_with(segment::UNFINISHED_SUFFIX)) {
            opening.remove(name)?;
        }
        Ok(opening)
    }

    fn load_snapshot(&mut self) -> Result<(), OpenError> {
        let Some(newest) = self.snapshots.last().copied() else { return Ok(()) };
        let name = snapshot::name(newest);
        let path = self.store.path(&name);
        let loaded = snapshot::load(self.store.as_ref(), newest).map_err(|error| match error {
            LoadError::Io(source) => OpenError::Io { action: "read", path, source },
            LoadError::Format(format) => OpenError::Format { path, format },
            LoadError::Damaged { offset, reason } => OpenError::Damaged { path, offset, reason },
        })?;
        self.snapshot_bytes = loaded.bytes;
        self.space = Space::restored(loaded.entries, newest);
        self.space.restore_settings(loaded.settings);
        Ok(())
    }

    fn replay_segments(&mut self) -> Result<(), OpenError> {
        // What the snapshot holds need not be read. The last segment always is.
        let head = self.space.head();
        let needed = self.segments.partition_point(|segment| segment.first <= head.next());
        let unneeded = needed.saturating_sub(1);
        let mut kept = self.segments.split_off(unneeded);
        let last = kept.len().saturating_sub(1);
        for (index, segment) in kept.iter_mut().enumerate() {
            if self.replay(segment, index == last)? == Replayed::Nothing {
                // It was being created when the crash came; the one before it goes on.
                self.remove(&segment::name(segment.first))?;
                kept.pop();
                break;
            }
        }
        let removed = std::mem::replace(&mut self.segments, kept);
        for old in removed {
            self.remove(&segment::name(old.first))?;
        }
        let newest = self.snapshots.pop();
        for old in self.snapshots.drain(..).collect::<Vec<_>>() {
            self.remove(&snapshot::name(old))?;
        }
        self.snapshots.extend(newest);
        Ok(())
    }

    fn replay(&mut self, segment: &mut Segment, is_last: bool) -> Result<Replayed, OpenError> {
        let name = segment::name(segment.first);
        let path = self.store.path(&name);
        self.check_follows(segment.first, &path)?;
        let file = self.read(&name)?;
        match segment::check(&file, segment.first) {
            Header::Good(format) => segment.format = format,
            Header::Torn if is_last => return Ok(Replayed::Nothing),
            Header::Torn => return Err(damaged(path, 0, TOO_SHORT)),
            Header::Damaged(reason) => return Err(damaged(path, 0, reason)),
            Header::Format(format) => return Err(OpenError::Format { path, format }),
        }
        let mut offset = segment::HEADER_BYTES;
        loop {
            match frame::at(&file, offset) {
                Found::Frame { payload, next } => {
                    self.replay_frame(segment, payload, offset)?;
                    if offset == segment::HEADER_BYTES {
                        segment.bytes_at_first = next as u64;
                    }
                    offset = next;
                }
                Found::End => break,
                Found::Torn if is_last && segment.lacks_checkpoint(offset) => break,
                Found::Torn if is_last => {
                    self.truncate(&name, offset, file.len())?;
                    break;
                }
                Found::Torn => return Err(damaged(path, offset, TOO_SHORT)),
                Found::Damaged(reason) => return Err(damaged(path, offset, reason)),
            }
        }
        segment.bytes = offset as u64;
        match segment.lacks_checkpoint(offset) {
            // It was being begun.
            true if is_last => Ok(Replayed::Nothing),
            true => Err(damaged(path, offset, TOO_SHORT)),
            false => Ok(Replayed::Whole),
        }
    }

    /// What begins with revision `first` must follow what was read, or overlap with it.
    fn check_follows(&self, first: Revision, path: &Path) -> Result<(), OpenError> {
        let expected = self.space.head().next();
        if first > expected {
            return Err(OpenError::Gap { path: path.to_owned(), expected, found: first });
        }
        Ok(())
    }

    fn replay_frame(
        &mut self,
        segment: &mut Segment,
        payload: &[u8],
        offset: usize,
    ) -> Result<(), OpenError> {
        let path = self.store.path(&segment::name(segment.first));
        let unknown = |path| damaged(path, offset, "a frame holds something unknown");
        let Some(entries) = Entry::decode_all(payload) else { return Err(unknown(path)) };
        for entry in entries {
            match entry {
                Entry::Compact(revision) => drop(self.space.compact(revision)),
                Entry::Write(revision, ops) => {
                    let replay = |stage: &mut Stage<'_>| stage.replay(&ops);
                    self.replay_revision(segment, revision, replay, unknown)?;
                }
                Entry::LeaseEnded(id, revision) => {
                    if let Some(revision) = revision {
                        let replay = |stage: &mut Stage<'_>| stage.end_lease(id);
                        self.replay_revision(segment, revision, replay, unknown)?;
                    }
                    self.space.set(Setting::LeaseEnded(id));
                }
                Entry::Lease(lease) => self.space.restore_lease(lease),
                Entry::Record(name, content) => self.space.set(Setting::Record(name, content)),
                Entry::ClearSettings => self.space.clear_settings(),
            }
        }
        Ok(())
    }

    /// Does once more what made a revision, unless the snapshot has it.
    fn replay_revision(
        &mut self,
        segment: &mut Segment,
        revision: Revision,
        replay: impl FnOnce(&mut Stage<'_>),
        unknown: impl FnOnce(PathBuf) -> OpenError,
    ) -> Result<(), OpenError> {
        let path = self.store.path(&segment::name(segment.first));
        self.check_follows(revision, &path)?;
        segment.last = revision;
        if revision <= self.space.head() {
            return Ok(());
        }
        let mut stage = Stage::new(&self.space);
        replay(&mut stage);
        let batches = stage.finish().batches;
        // It did change something when it was logged.
        if batches.is_empty() {
            return Err(unknown(path));
        }
        batches.into_iter().for_each(|batch| self.space.apply(batch));
        drop(self.space.trim(self.options));
        Ok(())
    }

    fn finish(self) -> Result<(Log, Space), OpenError> {
        let Opening { store, options, space, mut segments, snapshots, snapshot_bytes } = self;
        let failed = |path, source| OpenError::Io { action: "open", path, source };
        let file = match segments.last() {
            Some(last) => {
                let name = segment::name(last.first);
                store.open(&name).map_err(|source| failed(store.path(&name), source))?
            }
            None => {
                let first = space.head().next();
                let path = store.path(&segment::name(first));
                let checkpoint = super::checkpoint(&space);
                let created = segment::create(store.as_ref(), first, &checkpoint);
                let (segment, file) = created.map_err(|source| failed(path, source))?;
                segments.push(segment);
                file
            }
        };
        let log = Log {
            store,
            segment_bytes_max: options.segment_bytes,
            segments: segments.into(),
            file,
            failed: false,
            snapshot: snapshots.last().copied(),
            snapshot_bytes,
        };
        Ok((log, space))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, OpenError> {
        let mut content = Vec::new();
        let read = self.store.read(name).and_then(|mut file| file.read_to_end(&mut content));
        read.map_err(|source| self.io("read", name, source))?;
        Ok(content)
    }

    fn remove(&self, name: &str) -> Result<(), OpenError> {
        self.store.remove(name).map_err(|source| self.io("remove", name, source))
    }

    /// Cuts off the tail of a write that nobody was told of.
    fn truncate(&self, name: &str, offset: usize, len: usize) -> Result<(), OpenError> {
        let path = self.store.path(name);
        tracing::warn!(path = %path.display(), offset, cut = len - offset, "cut off a torn write");
        let cut = self.store.open(name).and_then(|mut file| {
            file.truncate(offset as u64)?;
            file.sync()
        });
        cut.map_err(|source| self.io("cut off the torn end of", name, source))
    }

    fn io(&self, action: &'static str, name: &str, source: io::Error) -> OpenError {
        OpenError::Io { action, path: self.store.path(name), source }
    }
}
