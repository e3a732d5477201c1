//! All of a store at one revision, read page by page while the store goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::log::snapshot;
use crate::shared::Shared;
use crate::space::{Pin, Settings};
use crate::{KeyValue, LeaseId, Range, Revision};

/// Keys copied under one lock of the key space.
const KEYS_PER_PAGE_MAX: usize = 1_000;

/// A piece of the stream is complete when its keys and values have this many bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// Why an export could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// What changed meanwhile took too much memory to hold on to the old state any longer.
    #[error("reading took so long that the store could not hold revision {revision} any longer")]
    TooSlow {
        /// The revision of the export.
        revision: Revision,
    },
}

/// The state of a store at the revision at which the export began. It is held until this is
/// dropped, or until writes have made that too expensive.
pub struct Export {
    shared: Arc<Shared>,
    pin: Pin,
    /// What was not yet read.
    rest: Range,
    /// What was read and not yet handed out.
    page: VecDeque<KeyValue>,
    settings: Settings,
    stream: Stream,
}

/// How far the stream of chunks has come.
#[derive(Clone, Copy)]
enum Stream {
    Head,
    Keys,
    Ended,
}

impl Export {
    pub(crate) fn start(shared: &Arc<Shared>) -> Export {
        let mut space = shared.write();
        let (pin, settings) = (space.pin_head(), space.settings());
        let (rest, page, stream) = (Range::all(), VecDeque::new(), Stream::Head);
        Export { shared: shared.clone(), pin, rest, page, settings, stream }
    }

    /// The revision whose state this is.
    pub fn revision(&self) -> Revision {
        self.pin.revision()
    }

    /// The leases there were, as they were when the export began.
    pub fn leases(&self) -> impl Iterator<Item = (LeaseId, Duration)> {
        let leases = self.settings.leases.iter();
        leases.map(|lease| (lease.id, Duration::from_millis(lease.ttl_ms)))
    }

    /// The records there were.
    pub fn records(&self) -> &[(String, Bytes)] {
        &self.settings.records
    }

    /// The next keys, in order; `None` after the last.
    ///
    /// # Errors
    /// When reading took so long that the state was given up.
    pub fn next_page(&mut self) -> Result<Option<Vec<KeyValue>>, ExportError> {
        if self.page.is_empty() {
            self.read_page()?;
        }
        let page = std::mem::take(&mut self.page);
        Ok((!page.is_empty()).then(|| page.into()))
    }

    fn read_page(&mut self) -> Result<(), ExportError> {
        let revision = self.pin.revision();
        let space = self.shared.read();
        if !space.is_pinned(self.pin) {
            return Err(ExportError::TooSlow { revision });
        }
        let page = space.page_at_pin(&self.rest, revision, KEYS_PER_PAGE_MAX);
        drop(space);
        if let Some(last) = page.last() {
            self.rest = self.rest.clone().after(&last.key);
        }
        self.page = page.into();
        Ok(())
    }

    /// The next keys, so few that they take not much more than [`CHUNK_BYTES`]; none at the end.
    fn next_few(&mut self) -> Result<Vec<KeyValue>, ExportError> {
        if self.page.is_empty() {
            self.read_page()?;
        }
        let (mut few, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES
            && let Some(kv) = self.page.pop_front()
        {
            bytes += kv.key.len() + kv.value.len();
            few.push(kv);
        }
        Ok(few)
    }

    /// The next piece of a stream that [`crate::import`] reads: what [`Export::next_page`] has not
    /// handed out yet, with checksums; `None` after the last piece.
    ///
    /// # Errors
    /// When reading took so long that the state was given up. The pieces before it are of no use.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, ExportError> {
        let mut chunk = Vec::new();
        match self.stream {
            Stream::Head => {
                snapshot::encode_head(&mut chunk, self.revision());
                snapshot::encode_settings(&mut chunk, &self.settings);
                self.stream = Stream::Keys;
            }
            Stream::Keys => {
                let few = self.next_few()?;
                if few.is_empty() {
                    snapshot::encode_end(&mut chunk);
                    self.stream = Stream::Ended;
                } else {
                    snapshot::encode_keys(&mut chunk, &few);
                }
            }
            Stream::Ended => return Ok(None),
        }
        Ok(Some(chunk.into()))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.shared.unpin(self.pin);
    }
}

#[cfg(test)]
mod tests;
