//! Watchers of the whole key space, which come back after every kill and miss nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd::pb::etcdserverpb::watch_client::WatchClient;
use etcd::pb::etcdserverpb::watch_create_request::FilterType;
use etcd::pb::etcdserverpb::watch_request::RequestUnion;
use etcd::pb::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use etcd::pb::mvccpb::{Event, event::EventType};
use tokio::sync::Notify;
use tonic::Status;

use super::history::Clock;
use super::model::{Change, Space};
use super::timeline::Written;
use super::wire::{channel, entry};

/// How long a watcher waits before it tries again to reach the server.
const PAUSE: Duration = Duration::from_millis(20);

/// What sort of watch it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Plain,
    /// Is told what was there before, and compares it with what it was told earlier.
    WithPrevious,
    PutsOnly,
}

/// What a watcher has been told and nobody has taken yet.
pub struct Seen {
    pub sort: Sort,
    queue: Mutex<VecDeque<Written>>,
    arrived: Notify,
}

impl Seen {
    pub fn new(sort: Sort) -> Arc<Self> {
        Arc::new(Seen { sort, queue: Mutex::default(), arrived: Notify::new() })
    }

    fn push(&self, written: Written) {
        self.queue.lock().expect("nobody panics with it").push_back(written);
        self.arrived.notify_waiters();
    }

    /// Takes all up to `revision`, once the watcher is there.
    pub async fn take_up_to(&self, revision: i64) -> Vec<Written> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut queue = self.queue.lock().expect("nobody panics with it");
                if queue.back().is_some_and(|last| last.revision >= revision) {
                    let count = queue.partition_point(|written| written.revision <= revision);
                    return queue.drain(..count).collect();
                }
            }
            arrived.await;
        }
    }

    /// What this watcher should have been told, if `all` happened.
    pub fn expects(&self, all: &[Written]) -> Vec<(i64, Vec<Change>)> {
        let puts_only = self.sort == Sort::PutsOnly;
        let wanted = |change: &&Change| !puts_only || change.now.is_some();
        all.iter()
            .map(|one| (one.revision, one.changes.iter().filter(wanted).cloned().collect()))
            .filter(|(_, changes): &(i64, Vec<Change>)| !changes.is_empty())
            .collect()
    }
}

/// One watcher's way through the trial.
pub struct Watcher {
    endpoint: String,
    clock: Clock,
    seen: Arc<Seen>,
    /// The last revision it was told of.
    revision: i64,
    /// The key space as it was told.
    replica: Space,
}

impl Watcher {
    /// A watcher that begins after `revision`, when `space` is there.
    pub fn new(
        endpoint: String,
        clock: Clock,
        seen: Arc<Seen>,
        revision: i64,
        space: Space,
    ) -> Self {
        Watcher { endpoint, clock, seen, revision, replica: space }
    }

    /// Watches until dropped. Ends with what is wrong.
    pub async fn run(mut self) -> String {
        loop {
            match self.watch().await {
                Ok(wrong) => return format!("{:?} watcher: {wrong}", self.seen.sort),
                Err(_broken) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// One stream. An error is one of the connection; `Ok` is what is wrong with the watch.
    async fn watch(&mut self) -> Result<String, Status> {
        let mut client =
            WatchClient::new(channel(&self.endpoint)).max_decoding_message_size(64 << 20);
        let filters = match self.seen.sort {
            Sort::PutsOnly => vec![FilterType::Nodelete.into()],
            Sort::Plain | Sort::WithPrevious => Vec::new(),
        };
        let create = WatchCreateRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            start_revision: self.revision + 1,
            prev_kv: self.seen.sort == Sort::WithPrevious,
            filters,
            ..WatchCreateRequest::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        // The requests' side stays open as long as the stream is read.
        let requests = futures::stream::once(async { create });
        let requests = futures::StreamExt::chain(requests, futures::stream::pending());
        let mut stream = client.watch(requests).await?.into_inner();
        while let Some(response) = stream.message().await? {
            if let Err(wrong) = self.take(&response) {
                return Ok(wrong);
            }
        }
        Err(Status::unavailable("the stream ended"))
    }

    fn take(&mut self, response: &WatchResponse) -> Result<(), String> {
        if response.canceled || response.compact_revision != 0 {
            return Err(format!("cancelled after {}: {response:?}", self.revision));
        }
        let seen = self.clock.now();
        for events in response.events.chunk_by(|a, b| revision(a) == revision(b)) {
            let revision = revision(&events[0]);
            if revision <= self.revision {
                return Err(format!("was told of {revision} after {}", self.revision));
            }
            let changes: Result<_, _> = events.iter().map(|event| self.change(event)).collect();
            self.revision = revision;
            self.seen.push(Written { revision, changes: changes?, seen });
        }
        Ok(())
    }

    fn change(&mut self, event: &Event) -> Result<Change, String> {
        let stored = event.kv.as_ref().ok_or("an event without a key")?;
        let key = String::from_utf8(stored.key.to_vec()).map_err(|_| "a key not of ours")?;
        let now = (event.r#type() == EventType::Put).then(|| entry(stored).1);
        let before = match now {
            Some(now) => self.replica.insert(key.clone(), now),
            None => self.replica.remove(&key),
        };
        if self.seen.sort == Sort::WithPrevious {
            let told = event.prev_kv.as_ref().map(|previous| entry(previous).1);
            if told != before {
                return Err(format!("{key} was {before:?} before, not {told:?}"));
            }
        }
        Ok(Change { key, now })
    }
}

fn revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |stored| stored.mod_revision)
}

/// Watches again what was watched before, and compares: history is the same after a restart. False
/// when it has been compacted meanwhile.
pub async fn look_again(
    endpoint: String,
    clock: Clock,
    written: &[Written],
) -> Result<bool, String> {
    let (Some(first), Some(last)) = (written.first(), written.last()) else { return Ok(true) };
    let seen = Seen::new(Sort::Plain);
    let space = Space::new();
    let watcher = Watcher::new(endpoint, clock, seen.clone(), first.revision - 1, space);
    let again = tokio::select! {
        wrong = watcher.run() => {
            return if wrong.contains("compact") { Ok(false) } else { Err(wrong) };
        }
        again = seen.take_up_to(last.revision) => again,
    };
    let plain = |written: &[Written]| seen.expects(written);
    match plain(&again) == plain(written) {
        true => Ok(true),
        false => Err(format!("history from {} on is another after the kill", first.revision)),
    }
}
