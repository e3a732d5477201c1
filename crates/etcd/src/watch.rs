//! The Watch service: many watches on one stream.
//!
//! A stream is one task that reads a [`store::WatchSet`]. It has no queue of events: what a slow
//! client has not taken stays in the store's history, and a watch that falls behind that is
//! canceled with the revision it was compacted at.

mod create;
mod response;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use self::stream::WatchStream;
use crate::member::Member;
use crate::pb::etcdserverpb::watch_server;
use crate::pb::etcdserverpb::{WatchRequest, WatchResponse};

/// Watches one stream may have.
const STREAM_WATCHES_MAX: usize = 100_000;
/// Watches there may be on all streams.
const WATCHES_MAX: usize = 1_000_000;
/// How often a quiet watch that asked for it is told how far it is. etcd's default.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The Watch service of a member.
pub(crate) struct Watch {
    member: Arc<Member>,
    watches: Arc<Places>,
    progress_interval: Duration,
}

impl Watch {
    pub(crate) fn new(member: Arc<Member>) -> Watch {
        let watches = Arc::new(Places::new(WATCHES_MAX));
        Watch { member, watches, progress_interval: PROGRESS_INTERVAL }
    }
}

#[tonic::async_trait]
impl watch_server::Watch for Watch {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, extensions, requests) = request.into_parts();
        let caller = Request::from_parts(metadata, extensions, ());
        let stream = WatchStream::new(
            self.member.clone(),
            caller,
            Some(requests),
            self.watches.clone(),
            self.progress_interval,
        );
        Ok(Response::new(Box::pin(stream.responses())))
    }
}

/// Places for watches: so many, on all streams.
struct Places {
    taken: AtomicUsize,
    max: usize,
}

impl Places {
    fn new(max: usize) -> Places {
        Places { taken: AtomicUsize::new(0), max }
    }

    fn take(&self) -> bool {
        let more = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::AcqRel);
    }
}
