//! Opening a log: the newest snapshot, then every segment, into a key space.
//!
//! What a crash left of a write that nobody was told of is cut off; what was acknowledged and is
//! missing or damaged is refused. The [`Manifest`] tells which files there must be, the note of
//! [`super::tail`] how far the last of them was acknowledged.

mod error;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::OpenError;
use error::damaged;

use super::frame::{self, Found};
use super::manifest::{self, Manifest, ReadError};
use super::reserve::Reserve;
use super::segment::{self, FORMAT_WITH_SETTINGS, Header, Segment};
use super::snapshot::{self, LoadError};
use super::tail::{self, Acknowledged, Tail};
use super::{Entry, Log};
use crate::log_store::{LogFile, LogStore};
use crate::space::{Setting, Space};
use crate::stage::Stage;
use crate::stats::Histogram;
use crate::{Options, Revision};

const TOO_SHORT: &str = "the file ends too early";
const LOST: &str = "writes that were acknowledged are damaged or missing from here on";

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
    /// `None` in a new store, and in one that was made before there were manifests.
    manifest: Option<Manifest>,
    acknowledged: Option<Acknowledged>,
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
        let mut opening = Opening {
            store,
            options,
            manifest: None,
            acknowledged: None,
            space: Space::new(),
            segments,
            snapshots,
            snapshot_bytes: 0,
        };
        opening.read_notes()?;
        for name in names.iter().filter(|name| name.ends_with(segment::UNFINISHED_SUFFIX)) {
            opening.remove(name)?;
        }
        Ok(opening)
    }

    /// Reads what must be there, and looks whether it is.
    fn read_notes(&mut self) -> Result<(), OpenError> {
        let path = self.store.path(manifest::NAME);
        self.manifest = Manifest::read(self.store.as_ref()).map_err(|error| match error {
            ReadError::Io(source) => OpenError::Io { action: "read", path, source },
            ReadError::Format(format) => OpenError::Format { path, format },
            ReadError::Damaged => damaged(path, 0, "it is not a manifest, or has a wrong checksum"),
        })?;
        let note = tail::read(self.store.as_ref());
        self.acknowledged = note.map_err(|source| self.io("read", tail::NAME, source))?;
        let Some(manifest) = self.manifest else { return Ok(()) };
        // A newer snapshot does as well: it was complete when it got its name.
        let has_snapshot = self.snapshots.last().copied().unwrap_or_default() >= manifest.snapshot;
        let is_newest = |segment: &Segment| segment.first == manifest.segment;
        let has_segment = manifest.segment == Revision::NONE || self.segments.iter().any(is_newest);
        if !has_snapshot {
            return Err(self.missing(&snapshot::name(manifest.snapshot)));
        }
        if !has_segment {
            return Err(self.missing(&segment::name(manifest.segment)));
        }
        Ok(())
    }

    fn missing(&self, name: &str) -> OpenError {
        OpenError::Missing { path: self.store.path(name) }
    }

    /// A file of this format has a manifest beside it.
    fn check_manifest(&self, format: u32) -> Result<(), OpenError> {
        if self.manifest.is_none() && format >= FORMAT_WITH_SETTINGS {
            return Err(self.missing(manifest::NAME));
        }
        Ok(())
    }

    /// Whether a segment may be one that was just being begun.
    fn may_be_unfinished(&self, segment: &Segment, is_last: bool) -> bool {
        let newest = self.manifest.map_or(Revision::NONE, |manifest| manifest.segment);
        is_last && segment.first > newest
    }

    /// Up to where a segment was acknowledged, as far as is known.
    fn acknowledged_bytes(&self, segment: &Segment) -> usize {
        let here = self.acknowledged.filter(|to| to.first == segment.first);
        here.map_or(0, |to| usize::try_from(to.bytes).unwrap_or(usize::MAX))
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
        self.check_manifest(loaded.format)?;
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
        let is_new = self.may_be_unfinished(segment, is_last);
        match segment::check(&file, segment.first) {
            Header::Good(format) => segment.format = format,
            Header::Torn if is_new => return Ok(Replayed::Nothing),
            Header::Torn => return Err(damaged(path, 0, TOO_SHORT)),
            Header::Damaged(reason) => return Err(damaged(path, 0, reason)),
            Header::Format(format) => return Err(OpenError::Format { path, format }),
        }
        self.check_manifest(segment.format)?;
        let (end, is_torn) = self.replay_frames(segment, &file, &path)?;
        segment.bytes = end as u64;
        match (segment.lacks_checkpoint(end), is_torn) {
            // It was being begun.
            (true, _) if is_new => return Ok(Replayed::Nothing),
            (true, _) => return Err(damaged(path, end, TOO_SHORT)),
            (false, true) if !is_last => return Err(damaged(path, end, TOO_SHORT)),
            (false, _) => {}
        }
        if end < self.acknowledged_bytes(segment) {
            return Err(damaged(path, end, LOST));
        }
        if is_torn {
            // Zeros at the end are no write, but room that was laid out.
            let written = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            self.truncate(&name, end, written)?;
        }
        Ok(Replayed::Whole)
    }

    /// Replays up to the end of the file, or a torn frame: where that is, and which of the two.
    fn replay_frames(
        &mut self,
        segment: &mut Segment,
        file: &[u8],
        path: &Path,
    ) -> Result<(usize, bool), OpenError> {
        let mut offset = segment::HEADER_BYTES;
        loop {
            match frame::at(file, offset) {
                Found::Frame { payload, next } => {
                    self.replay_frame(segment, payload, offset)?;
                    if offset == segment::HEADER_BYTES {
                        segment.bytes_at_first = next as u64;
                    }
                    offset = next;
                }
                Found::End => return Ok((offset, false)),
                Found::Torn => return Ok((offset, true)),
                Found::Damaged(reason) => return Err(damaged(path.to_owned(), offset, reason)),
            }
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

    fn finish(mut self) -> Result<(Log, Space), OpenError> {
        let snapshot = self.snapshots.last().copied();
        if self.segments.is_empty() && self.manifest.is_none() {
            // Before there is anything to miss: files without a manifest are refused.
            self.note_files(snapshot)?;
        }
        let file = self.active_file()?;
        self.note_files(snapshot)?;
        let tail = Tail::open(self.store.as_ref());
        let tail = tail.map_err(|source| self.io("open", tail::NAME, source))?;
        let reserve = Reserve::open(self.store.as_ref());
        let Opening { store, options, space, segments, snapshot_bytes, .. } = self;
        let log = Log {
            store,
            segment_bytes_max: options.segment_bytes,
            segments: segments.into(),
            file,
            tail,
            reserve,
            failed: false,
            snapshot,
            snapshot_bytes,
            fsyncs: Histogram::default(),
        };
        Ok((log, space))
    }

    /// The file to append to: the newest segment, or a first one.
    fn active_file(&mut self) -> Result<Box<dyn LogFile>, OpenError> {
        if let Some(last) = self.segments.last() {
            let name = segment::name(last.first);
            return self
                .open_at(&name, last.bytes)
                .map_err(|source| self.io("open", &name, source));
        }
        let first = self.space.head().next();
        let created = segment::create(self.store.as_ref(), first, &super::checkpoint(&self.space));
        let (segment, file) =
            created.map_err(|source| self.io("create", &segment::name(first), source))?;
        self.segments.push(segment);
        Ok(file)
    }

    /// What was laid out ahead when the store ended goes: it may not be room any more.
    fn open_at(&self, name: &str, end: u64) -> io::Result<Box<dyn LogFile>> {
        let mut file = self.store.open(name)?;
        file.truncate(end)?;
        file.will_grow();
        Ok(file)
    }

    /// Brings the manifest up to date.
    fn note_files(&mut self, snapshot: Option<Revision>) -> Result<(), OpenError> {
        let segment = self.segments.last().map_or(Revision::NONE, |segment| segment.first);
        let manifest = Manifest { snapshot: snapshot.unwrap_or_default(), segment };
        if self.manifest != Some(manifest) {
            let written = manifest.write(self.store.as_ref());
            written.map_err(|source| self.io("write", manifest::NAME, source))?;
            self.manifest = Some(manifest);
        }
        Ok(())
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
        tracing::warn!(path = %path.display(), offset, cut = len.saturating_sub(offset), "cut off a torn write");
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
