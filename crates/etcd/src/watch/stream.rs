//! One stream of watches: what its client asks for, and what it is told.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::Stream;
use store::{Changes, WatchError, WatchSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Request, Status, Streaming};

use super::create::{NO_WATCH, Wanted, WatchOptions};
use super::response::{FRAGMENT_BYTES_MAX, event, fragments};
use super::{Places, STREAM_WATCHES_MAX};
use crate::error;
use crate::member::Member;
use crate::pb::etcdserverpb::watch_request::RequestUnion;
use crate::pb::etcdserverpb::{
    ResponseHeader, WatchCancelRequest, WatchCreateRequest, WatchRequest, WatchResponse,
};

const DUPLICATE_ID: &str = "mvcc: duplicate watch ID provided on the WatchStream";
const TOO_MANY: &str = "etcdserver: too many watches";

pub(super) struct WatchStream {
    member: Arc<Member>,
    /// Who it is: asked for each watch anew, since tokens and permissions come and go.
    caller: Request<()>,
    /// `None` after the client's last request; its watches go on.
    requests: Option<Streaming<WatchRequest>>,
    set: WatchSet,
    watches: HashMap<i64, Watch>,
    places: Arc<Places>,
    next_id: i64,
    /// What is to be sent before anything else is looked at: what one request or one turn of one
    /// watch comes to.
    outbox: VecDeque<WatchResponse>,
    progress_requested: bool,
    progress_ticks: Interval,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

struct Watch {
    options: WatchOptions,
    /// Nothing was sent since the last tick.
    quiet: bool,
}

enum Input {
    Request(WatchRequest),
    EndOfRequests,
    Changes(i64, Result<Changes, WatchError>),
    Tick,
}

impl WatchStream {
    pub fn new(
        member: Arc<Member>,
        caller: Request<()>,
        requests: Option<Streaming<WatchRequest>>,
        places: Arc<Places>,
        progress_interval: Duration,
    ) -> WatchStream {
        WatchStream {
            set: member.store.watch_set(),
            caller,
            requests,
            watches: HashMap::new(),
            places,
            next_id: 0,
            outbox: VecDeque::new(),
            progress_requested: false,
            progress_ticks: ticks(progress_interval),
            closing: Box::pin(member.closing.clone().cancelled_owned()),
            member,
        }
    }

    /// All responses. The stream is worked on only as its responses are taken.
    pub fn responses(self) -> impl Stream<Item = Result<WatchResponse, Status>> {
        // In a box, since it is handed on with each response.
        futures::stream::unfold(Some(Box::new(self)), |stream| async {
            let mut stream = stream?;
            match stream.next().await {
                Ok(response) => Some((Ok(response), Some(stream))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<WatchResponse, Status> {
        loop {
            if let Some(response) = self.outbox.pop_front() {
                return Ok(response);
            }
            if let Some(response) = self.progress() {
                return Ok(response);
            }
            match self.input().await? {
                Input::Request(request) => self.take(request)?,
                Input::EndOfRequests => self.requests = None,
                Input::Changes(id, Ok(changes)) => self.deliver(id, changes),
                Input::Changes(id, Err(_)) => self.give_up(id),
                Input::Tick => self.notify_of_progress(),
            }
        }
    }

    async fn input(&mut self) -> Result<Input, Status> {
        tokio::select! {
            () = self.closing.as_mut() => Err(error::STOPPED.into()),
            request = next_request(&mut self.requests) => {
                Ok(request?.map_or(Input::EndOfRequests, Input::Request))
            }
            found = self.set.next() => match found {
                Ok((token, changes)) => Ok(Input::Changes(token.cast_signed(), changes)),
                Err(_) => Err(error::STOPPED.into()),
            },
            _ = self.progress_ticks.tick() => Ok(Input::Tick),
        }
    }

    fn take(&mut self, request: WatchRequest) -> Result<(), Status> {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(&request)?,
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request),
            Some(RequestUnion::ProgressRequest(_)) => {
                self.progress_requested = !self.watches.is_empty();
            }
            None => tracing::debug!("a watch request that asks for nothing"),
        }
        Ok(())
    }

    fn create(&mut self, request: &WatchCreateRequest) -> Result<(), Status> {
        let started = match self.start(request) {
            Ok(started) => started,
            Err(reason) => {
                self.refuse(reason);
                return Ok(());
            }
        };
        let (id, failed) = started;
        self.outbox.push_back(WatchResponse {
            header: self.header(),
            watch_id: id,
            created: true,
            ..Default::default()
        });
        match failed {
            None => Ok(()),
            Some(WatchError::Closed) => Err(error::STOPPED.into()),
            Some(_) => {
                self.give_up(id);
                Ok(())
            }
        }
    }

    /// Starts a watch. One that wants a past that is gone has an id all the same: it is created,
    /// and canceled at once.
    fn start(&mut self, request: &WatchCreateRequest) -> Result<(i64, Option<WatchError>), String> {
        let wanted = Wanted::read(request)?;
        let auth = &self.member.auth;
        let caller = auth.caller(&self.caller).map_err(|status| reason(&status))?;
        auth.may_read(&caller, &wanted.range).map_err(|status| reason(&status))?;
        let id = match wanted.id {
            0 => self.free_id(),
            id if self.watches.contains_key(&id) => return Err(DUPLICATE_ID.into()),
            id => id,
        };
        if self.watches.len() >= STREAM_WATCHES_MAX || !self.places.take() {
            return Err(TOO_MANY.into());
        }
        self.watches.insert(id, Watch { options: wanted.options, quiet: true });
        Ok((id, self.set.add(id.cast_unsigned(), wanted.range, wanted.from).err()))
    }

    fn refuse(&mut self, reason: String) {
        self.outbox.push_back(WatchResponse {
            header: self.header(),
            watch_id: NO_WATCH,
            created: true,
            canceled: true,
            cancel_reason: reason,
            ..Default::default()
        });
    }

    fn cancel(&mut self, request: WatchCancelRequest) {
        let id = request.watch_id;
        if self.remove(id) {
            self.outbox.push_back(WatchResponse {
                header: self.header(),
                watch_id: id,
                canceled: true,
                ..Default::default()
            });
        }
    }

    /// Cancels a watch whose next revision was compacted. Its header has no revision, as etcd's.
    fn give_up(&mut self, id: i64) {
        self.remove(id);
        let header = self.header().map(|header| ResponseHeader { revision: 0, ..header });
        self.outbox.push_back(WatchResponse {
            header,
            watch_id: id,
            canceled: true,
            compact_revision: crate::member::int64(self.member.store.compacted()),
            ..Default::default()
        });
    }

    fn remove(&mut self, id: i64) -> bool {
        let removed = self.watches.remove(&id).is_some();
        if removed {
            self.set.remove(id.cast_unsigned());
            self.places.give_back(1);
        }
        removed
    }

    fn deliver(&mut self, id: i64, changes: Changes) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let options = watch.options;
        let mut events = Vec::new();
        for batch in &changes.batches {
            let wanted = batch.events.iter().filter(|event| options.wants(event));
            events.extend(wanted.map(|found| event(found, batch, options.prev_kv)));
        }
        if events.is_empty() {
            return;
        }
        watch.quiet = false;
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.member.counts.watch_events.fetch_add(count, Ordering::Relaxed);
        let header = Some(self.member.header_at(changes.through));
        let response = WatchResponse { header, watch_id: id, events, ..Default::default() };
        if options.fragment {
            self.outbox.extend(fragments(response, FRAGMENT_BYTES_MAX));
        } else {
            self.outbox.push_back(response);
        }
    }

    /// What answers a request for progress, once all watches are where the store is.
    fn progress(&mut self) -> Option<WatchResponse> {
        if !self.progress_requested {
            return None;
        }
        let header = Some(self.member.header_at(self.set.progress()?));
        self.progress_requested = false;
        Some(WatchResponse { header, watch_id: NO_WATCH, ..Default::default() })
    }

    fn notify_of_progress(&mut self) {
        for (id, watch) in &mut self.watches {
            let quiet = std::mem::replace(&mut watch.quiet, true);
            if !quiet || !watch.options.progress_notify {
                continue;
            }
            let Some(progress) = self.set.progress_of(id.cast_unsigned()) else { continue };
            let header = Some(self.member.header_at(progress));
            self.outbox.push_back(WatchResponse { header, watch_id: *id, ..Default::default() });
        }
    }

    fn free_id(&mut self) -> i64 {
        while self.watches.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    fn header(&self) -> Option<ResponseHeader> {
        Some(self.member.header())
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.places.give_back(self.watches.len());
    }
}

async fn next_request(
    requests: &mut Option<Streaming<WatchRequest>>,
) -> Result<Option<WatchRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => std::future::pending().await,
    }
}

/// Ticks that differ a little from stream to stream: clients that come back together after a
/// restart are not all told of their progress together.
fn ticks(interval: Duration) -> Interval {
    let tenths = u32::try_from(RandomState::new().hash_one(0) % 1_000).unwrap_or_default();
    let period = interval + interval / 10 * tenths / 1_000;
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A status as Go's gRPC prints it: clients of etcd compare the whole text.
fn reason(status: &Status) -> String {
    format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
}

#[cfg(test)]
mod tests;
