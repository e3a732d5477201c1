//! Watch streams: the store's changes as watch events, in order, bounded by the store's
//! history and told when they end.
//!
//! A stream holds no queue of its own: it reads the store's history as fast as its client
//! takes the events. One that falls behind what is kept ends with a 410.

mod change;
mod encode;
mod piece;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, Stream as FuturesStream};
use store::{Batch, KeyValue, Revision, WatchError};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

pub(crate) use self::change::Changes;
pub(crate) use self::encode::Encoder;
use self::piece::Piece;
use crate::error::{ApiError, ApiResult};
use crate::registry::Opener;
use crate::request::Call;
use crate::server::Shared;
use crate::verbs::watch::{Options, Start};

/// How often a quiet stream says how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// Of what is there at the start, so many bytes and one object wait for the client at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// One client's watch.
pub(crate) struct Stream {
    encoder: Encoder,
    state: State,
}

enum State {
    /// Sends what is there, piece by piece; then it runs.
    Initial(Box<Initial>, Box<Running>),
    /// Hands on changes until time, shutdown or a failure ends it.
    Running(Box<Running>),
    /// Sends these bytes and ends.
    Last(Bytes),
    /// Nothing more.
    Over,
}

struct Initial {
    entries: std::vec::IntoIter<KeyValue>,
    /// As of when that is, told at its end to who asked for that.
    end: Option<Revision>,
}

struct Running {
    shared: Arc<Shared>,
    watcher: Opener,
    /// Everything up to here was sent or does not concern the client.
    sent: Revision,
    bookmarks: Option<Interval>,
    end: Pin<Box<Sleep>>,
}

impl Stream {
    pub(crate) fn new(
        call: &Call<'_>,
        encoder: Encoder,
        start: Start,
        options: &Options,
    ) -> ApiResult<Self> {
        let store = &call.registry().store;
        let watcher = match store.watch(start.range, start.after.next()) {
            Ok(watcher) => watcher,
            Err(error) => return ended_at_once(encoder, &error, start.after),
        };
        let running = Running {
            shared: call.shared.clone(),
            watcher,
            sent: start.after,
            bookmarks: options.bookmarks.then(bookmark_interval),
            end: Box::pin(tokio::time::sleep(options.timeout)),
        };
        let running = Box::new(running);
        let state = match start.initial {
            Some(page) => {
                let end = start.marks_end.then_some(page.revision);
                let initial = Initial { entries: page.entries.into_iter(), end };
                State::Initial(Box::new(initial), running)
            }
            None => State::Running(running),
        };
        Ok(Self { encoder, state })
    }

    /// A stream that only says why it is none.
    pub(crate) fn refused(encoder: Encoder, error: &ApiError) -> Self {
        let last = encode::error(error);
        Self { encoder, state: State::Last(last) }
    }

    /// The stream as a response body.
    pub(crate) fn into_chunks(self) -> impl FuturesStream<Item = Result<Bytes, Infallible>> + Send {
        futures::stream::unfold(self, |mut stream| async move {
            stream.next_chunk().await.map(|chunk| (Ok(chunk), stream))
        })
    }

    async fn next_chunk(&mut self) -> Option<Bytes> {
        loop {
            let (chunk, next) = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return None,
                State::Last(bytes) => (bytes, State::Over),
                State::Initial(mut initial, running) => {
                    let piece = initial.piece(&self.encoder);
                    match initial.entries.len() {
                        0 => (piece, State::Running(running)),
                        _ => (piece, State::Initial(initial, running)),
                    }
                }
                State::Running(running) => running.next(&self.encoder).await,
            };
            self.state = next;
            if !chunk.is_empty() {
                return Some(chunk);
            }
        }
    }
}

impl Initial {
    /// The next objects, and after the last of them the word that there are no more.
    fn piece(&mut self, encoder: &Encoder) -> Bytes {
        let mut out = Vec::new();
        while out.len() < PIECE_BYTES
            && let Some(kv) = self.entries.next()
        {
            encoder.added(&mut out, &kv);
        }
        if self.entries.len() == 0
            && let Some(revision) = self.end
        {
            encoder.bookmark(&mut out, revision, true);
        }
        out.into()
    }
}

fn bookmark_interval() -> Interval {
    let first = Instant::now() + BOOKMARK_INTERVAL;
    let mut interval = tokio::time::interval_at(first, BOOKMARK_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn ended_at_once(encoder: Encoder, error: &WatchError, after: Revision) -> ApiResult<Stream> {
    match watch_error(error, after) {
        error if error.code() == 410 => Ok(Stream::refused(encoder, &error)),
        error => Err(error),
    }
}

fn watch_error(error: &WatchError, after: Revision) -> ApiError {
    match error {
        WatchError::Compacted { compacted } => {
            ApiError::expired(format!("too old resource version: {after} ({compacted})"))
        }
        WatchError::Lagged => ApiError::expired(format!(
            "too old resource version: {after} (the watch was too slow and its history is gone)"
        )),
        WatchError::Closed => ApiError::unavailable("the server is shutting down"),
    }
}

impl Running {
    /// The next bytes, maybe none, and what comes after them.
    async fn next(mut self: Box<Self>, encoder: &Encoder) -> (Bytes, State) {
        let mut out = Vec::new();
        tokio::select! {
            biased;
            () = self.shared.closing.cancelled() => self.last_words(encoder, &mut out),
            () = self.end.as_mut() => self.last_words(encoder, &mut out),
            batch = self.watcher.next() => match batch {
                Ok(batch) => return self.changes(encoder, batch).await,
                Err(WatchError::Closed) => {}
                Err(error) => out.extend_from_slice(&encode::error(&watch_error(&error, self.sent))),
            },
            // After the last changes: its objects are deleted before a kind goes.
            () = gone(encoder) => {}
            () = tick(&mut self.bookmarks) => {
                let progress = self.sent.max(self.watcher.progress());
                encoder.bookmark(&mut out, progress, false);
                return (out.into(), State::Running(self));
            }
        }
        (out.into(), State::Over)
    }

    /// A change and those that wait behind it, up to a piece: a group of writes that was made
    /// durable together wakes its watchers once, and is one frame for each.
    async fn changes(mut self: Box<Self>, encoder: &Encoder, first: Batch) -> (Bytes, State) {
        let Some(written) = self.change(encoder, first).await else {
            return (Bytes::new(), State::Over);
        };
        let mut out = match written {
            // Mostly it is alone, and its bytes are those that other watchers send too.
            Ok(bytes) => Piece::from(bytes),
            Err(error) => return (encode::error(&error), State::Over),
        };
        while out.len() < PIECE_BYTES
            && let Some(next) = self.watcher.next().now_or_never()
        {
            let written = match next {
                Ok(batch) => self.change(encoder, batch).await,
                Err(WatchError::Closed) => None,
                Err(error) => Some(Err(watch_error(&error, self.sent))),
            };
            match written {
                Some(Ok(bytes)) => out.push(bytes),
                Some(Err(error)) => {
                    out.push(encode::error(&error));
                    return (out.into(), State::Over);
                }
                None => return (out.into(), State::Over),
            }
        }
        (out.into(), State::Running(self))
    }

    /// A change, in the version that the client watches; none when the server ends before that.
    async fn change(&mut self, encoder: &Encoder, mut batch: Batch) -> Option<ApiResult<Bytes>> {
        let shown = batch.events.iter_mut().flat_map(encode::objects).collect();
        let converted = tokio::select! {
            biased;
            converted = self.shared.registry.in_version_of(&encoder.kind, shown) => converted,
            () = self.shared.closing.cancelled() => return None,
        };
        if let Err(error) = converted {
            return Some(Err(error));
        }
        self.sent = self.sent.max(batch.revision);
        Some(Ok(encoder.batch(&batch)))
    }

    fn last_words(&self, encoder: &Encoder, out: &mut Vec<u8>) {
        if self.bookmarks.is_some() {
            encoder.bookmark(out, self.sent.max(self.watcher.progress()), false);
        }
    }
}

/// The kind is served no more, or is another now.
async fn gone(encoder: &Encoder) {
    match &encoder.kind.custom {
        Some(custom) => custom.gone.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
