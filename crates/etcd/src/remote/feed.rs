//! Feeds the mirror: one watch over the prefix, taken up again wherever it broke off.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::channel::mpsc;
use store::{Batch, Event, EventKind, Revision};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status, Streaming};

use super::End;
use super::keys::{Keys, revision, signed};
use super::load::{self, leader};
use super::state::{Leadership, State};
use crate::pb::etcdserverpb::watch_client::WatchClient;
use crate::pb::etcdserverpb::watch_request::RequestUnion;
use crate::pb::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use crate::pb::mvccpb;
use crate::pb::mvccpb::event::EventType;

/// A stream on which nothing was heard for so long is asked for a sign of life ...
const ASK_AFTER: Duration = Duration::from_secs(2);

/// ... and given up when there is none.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// Opening the stream may take so long.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// The pause before the next attempt, which doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Requests on the stream that etcd has not taken yet.
const REQUESTS_MAX: usize = 4;

/// The id of answers that belong to no watch.
const NO_WATCH: i64 = -1;

/// Why the watch ended.
enum Lost {
    /// The connection or the member; another one can go on where this one stopped.
    Stream(Status),
    /// What comes next is not to be had: etcd was compacted beyond it, or is another one.
    Gap,
}

impl From<Status> for Lost {
    fn from(status: Status) -> Lost {
        Lost::Stream(status)
    }
}

struct Feed {
    state: Arc<State>,
    /// The cluster that the mirror shows.
    cluster: u64,
    /// Events of a response whose other fragments are still to come.
    fragments: Vec<mvccpb::Event>,
    pause: Duration,
}

/// Feeds the mirror as long as it is there.
pub(super) async fn run(state: Arc<State>, cluster: u64) -> End {
    let mut feed = Feed { state, cluster, fragments: Vec::new(), pause: PAUSE_MIN };
    loop {
        let lost = match feed.check_cluster().await {
            Ok(()) => feed.follow().await,
            Err(lost) => lost,
        };
        let outcome = match lost {
            Lost::Stream(status) => Err(status),
            Lost::Gap => feed.reload().await,
        };
        if let Err(status) = outcome {
            tracing::warn!(%status, "the watch of etcd broke off; taking it up again");
            sleep(feed.pause).await;
            feed.pause = (feed.pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Feed {
    /// A watch in the future of another cluster, or of one that was restored, would wait in silence.
    async fn check_cluster(&self) -> Result<(), Lost> {
        let deadline = Instant::now() + SILENT_MAX;
        let (header, kv) = leader(&self.state.client, &self.state.keys, deadline).await?;
        if self.is_foreign(kv.as_ref()) {
            self.state.suspicion.notify_one();
        }
        let head = self.state.mirror.revision();
        if header.cluster_id != self.cluster || revision(header.revision) < head {
            tracing::error!(
                cluster = header.cluster_id,
                revision = header.revision,
                %head,
                "etcd is another one than before, or was restored"
            );
            return Err(Lost::Gap);
        }
        Ok(())
    }

    /// Whether the leader key is not the one that we created.
    fn is_foreign(&self, kv: Option<&mvccpb::KeyValue>) -> bool {
        match *self.state.leadership.borrow() {
            Leadership::Leader { term } => kv.is_none_or(|kv| kv.create_revision != term),
            Leadership::Seeking | Leadership::Deposed => false,
        }
    }

    async fn reload(&mut self) -> Result<(), Status> {
        let loaded = load::load(&self.state.client, &self.state.keys, |_| ()).await?;
        tracing::warn!(
            revision = %loaded.revision,
            keys = loaded.entries.len(),
            "etcd went on unseen; the store was read again"
        );
        self.cluster = loaded.cluster;
        self.state.reset(loaded);
        Ok(())
    }

    async fn follow(&mut self) -> Lost {
        let member = self.state.client.preferred();
        let lost = match self.open(member).await {
            Ok((mut requests, mut answers)) => self.pump(&mut requests, &mut answers).await,
            Err(status) => Lost::Stream(status),
        };
        if let Lost::Stream(status) = &lost {
            self.state.client.pass_over(member, status);
            if status.code() == Code::Unauthenticated {
                self.state.client.forget_token();
            }
        }
        lost
    }

    async fn open(
        &mut self,
        member: usize,
    ) -> Result<(mpsc::Sender<WatchRequest>, Streaming<WatchResponse>), Status> {
        self.fragments.clear();
        // What was said of the stream before does not concern this one.
        let _ = self.state.stalled.notified().now_or_never();
        let (mut requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let first = create(&self.state.keys, self.state.mirror.revision().next());
        requests.try_send(first).map_err(|_| Status::internal("the stream of requests is full"))?;
        let channel = self.state.client.channel(member);
        let open = async {
            let request = self.state.client.authenticated(&channel, receiver).await?;
            let mut client = WatchClient::new(channel.clone());
            client = client.max_decoding_message_size(usize::MAX);
            client.watch(request).await
        };
        let late = |_| Status::deadline_exceeded("the member did not open a watch in time");
        let answers = timeout(OPEN_MAX, open).await.map_err(late)??.into_inner();
        Ok((requests, answers))
    }

    async fn pump(
        &mut self,
        requests: &mut mpsc::Sender<WatchRequest>,
        answers: &mut Streaming<WatchResponse>,
    ) -> Lost {
        let mut heard = Instant::now();
        loop {
            let answer = tokio::select! {
                biased;
                answer = timeout(ASK_AFTER, answers.message()) => answer,
                () = self.state.stalled.notified() => {
                    return Status::unavailable("the watch does not show what was written").into();
                }
            };
            match answer {
                Ok(Ok(Some(answer))) => {
                    heard = Instant::now();
                    if let Err(lost) = self.take(answer) {
                        return lost;
                    }
                }
                Ok(Ok(None)) => return Status::unavailable("the member ended the watch").into(),
                Ok(Err(status)) => return status.into(),
                Err(_) if heard.elapsed() >= SILENT_MAX => {
                    return Status::deadline_exceeded("the member has fallen silent").into();
                }
                // If there is no room for it, the one before was not even taken.
                Err(_) => drop(requests.try_send(sign_of_life())),
            }
        }
    }

    fn take(&mut self, answer: WatchResponse) -> Result<(), Lost> {
        if answer.canceled {
            return Err(match answer.compact_revision {
                0 => Status::unavailable(format!("canceled: {}", answer.cancel_reason)).into(),
                _ => Lost::Gap,
            });
        }
        // An answer to our asking: before 3.4.31 and 3.5.13 it may overtake events, so that its
        // revision says nothing.
        if answer.watch_id == NO_WATCH {
            // It comes when nothing else does: history grows old all the same.
            self.state.mirror.progress(self.state.mirror.revision());
            return Ok(());
        }
        self.pause = PAUSE_MIN;
        self.fragments.extend(answer.events);
        if answer.fragment {
            return Ok(());
        }
        let events = mem::take(&mut self.fragments);
        match answer.header {
            // etcd says by itself that nothing happened up to its revision.
            Some(header) if events.is_empty() && !answer.created => {
                self.state.mirror.progress(revision(header.revision));
            }
            _ => self.feed(events),
        }
        self.state.fed();
        Ok(())
    }

    fn feed(&self, events: Vec<mvccpb::Event>) {
        let mut batch = Batch { revision: Revision::NONE, events: Vec::new() };
        for event in events {
            let at = revision(event.kv.as_ref().map_or(0, |kv| kv.mod_revision));
            if at != batch.revision {
                self.apply(mem::replace(&mut batch, Batch { revision: at, events: Vec::new() }));
            }
            batch.events.extend(self.event(&event));
        }
        self.apply(batch);
    }

    fn apply(&self, batch: Batch) {
        if batch.events.is_empty() {
            // What changed is not of the store, but ours.
            self.state.mirror.progress(batch.revision);
        } else {
            self.state.mirror.apply(batch);
        }
    }

    /// An event as the store has it, if it is about one of its keys.
    fn event(&self, event: &mvccpb::Event) -> Option<Event> {
        let kv = event.kv.as_ref()?;
        let deleted = event.r#type() == EventType::Delete;
        if kv.key == self.state.keys.leader {
            if self.is_foreign((!deleted).then_some(kv)) {
                self.state.suspicion.notify_one();
            }
            return None;
        }
        let kind = if deleted { EventKind::Delete } else { EventKind::Put };
        Some(Event { kind, kv: self.state.keys.key_value(kv)?, prev: None })
    }
}

fn create(keys: &Keys, from: Revision) -> WatchRequest {
    let span = keys.all();
    let create = WatchCreateRequest {
        key: span.key,
        range_end: span.range_end,
        start_revision: signed(from.0),
        progress_notify: true,
        fragment: true,
        ..WatchCreateRequest::default()
    };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

fn sign_of_life() -> WatchRequest {
    WatchRequest { request_union: Some(RequestUnion::ProgressRequest(WatchProgressRequest {})) }
}

#[cfg(test)]
mod tests;
