//! Who follows a leader: what it proclaims, and who comes after it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use store::{Event, EventKind, KeyValue, Range, Revision, WatchError, Watcher};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use crate::error;
use crate::kv::key_value;
use crate::member::Member;
use crate::pb::v3electionpb::LeaderResponse;

/// Tells of each leader, and of each value that the leader has. Values that were replaced before
/// they could be told may be left out; the newest never is.
pub(super) struct Observer {
    member: Arc<Member>,
    queue: Range,
    state: State,
    /// What is still to be told of one revision.
    outbox: VecDeque<LeaderResponse>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

enum State {
    /// To look who leads. Left for either of the others.
    Looking,
    /// Nobody leads. Left when somebody comes.
    Waiting(Watcher),
    /// Somebody leads. Left when its key is deleted.
    Following(Watcher),
}

impl Observer {
    pub fn new(member: Arc<Member>, queue: Range) -> Observer {
        let closing = Box::pin(member.closing.clone().cancelled_owned());
        Observer { member, queue, state: State::Looking, outbox: VecDeque::new(), closing }
    }

    pub fn responses(self) -> impl Stream<Item = Result<LeaderResponse, Status>> {
        futures::stream::unfold(Some(self), |observer| async {
            let mut observer = observer?;
            match observer.next().await {
                Ok(response) => Some((Ok(response), Some(observer))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<LeaderResponse, Status> {
        loop {
            if let Some(response) = self.outbox.pop_front() {
                return Ok(response);
            }
            let watcher = match &mut self.state {
                State::Looking => {
                    self.look()?;
                    continue;
                }
                State::Waiting(watcher) | State::Following(watcher) => watcher,
            };
            let batch = tokio::select! {
                batch = watcher.next() => batch,
                () = self.closing.as_mut() => Err(WatchError::Closed),
            };
            match batch {
                Ok(batch) => batch.events.into_iter().for_each(|event| self.see(event)),
                Err(WatchError::Closed) => return Err(error::STOPPED.into()),
                Err(WatchError::Lagged | WatchError::Compacted { .. }) => {
                    self.state = State::Looking;
                }
            }
        }
    }

    fn look(&mut self) -> Result<(), Status> {
        let found = self.member.store.range(&self.queue, None, 0).map_err(error::read)?;
        let from = found.revision.next();
        self.state = match first(found.entries) {
            Some(leader) => {
                let state = self.watch(Range::key(leader.key.clone()), from, State::Following)?;
                self.tell(found.revision, leader);
                state
            }
            None => self.watch(self.queue.clone(), from, State::Waiting)?,
        };
        Ok(())
    }

    /// Takes in one event of the leader, or of the one who becomes it.
    fn see(&mut self, event: Event) {
        match (&self.state, event.kind) {
            (State::Following(_), EventKind::Put) => self.tell(event.kv.mod_revision, event.kv),
            // Who has come may have gone, or not be alone.
            _ => self.state = State::Looking,
        }
    }

    fn tell(&mut self, revision: Revision, leader: KeyValue) {
        let header = Some(self.member.header_at(revision));
        self.outbox.push_back(LeaderResponse { header, kv: Some(key_value(leader)) });
    }

    fn watch(
        &self,
        range: Range,
        from: Revision,
        state: fn(Watcher) -> State,
    ) -> Result<State, Status> {
        match self.member.store.watch(range, from) {
            Ok(watcher) => Ok(state(watcher)),
            Err(WatchError::Closed) => Err(error::STOPPED.into()),
            // Compacted in between: look again.
            Err(WatchError::Compacted { .. } | WatchError::Lagged) => Ok(State::Looking),
        }
    }
}

/// Who leads: whose key was created first.
pub(super) fn first(queue: Vec<KeyValue>) -> Option<KeyValue> {
    queue.into_iter().min_by_key(|kv| kv.create_revision)
}
