//! What the parts of a remote store share: the client, the mirror, and who the leader is.

use std::time::Duration;

use store::{Mirror, Revision, WriteError};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;

use super::client::{Client, Repeat};
use super::keys::Keys;
use super::load::Loaded;
use super::txn::fence;
use crate::pb::etcdserverpb::kv_client::KvClient;
use crate::pb::etcdserverpb::request_op::Request;
use crate::pb::etcdserverpb::{PutRequest, TxnRequest, TxnResponse};

/// The mirror has seen a revision by then, or somebody else's writes are in between.
const SOON: Duration = Duration::from_millis(100);

/// A watch that does not show what was written even so is taken up again elsewhere.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// Whether we may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leadership {
    /// Until the lease runs out. The term is the revision that created the leader key.
    Leader { term: i64 },
    /// The lease ran out, and we are about to find out whether anybody else took it.
    Seeking,
    /// Somebody else did; that is for good.
    Deposed,
}

pub(super) struct State {
    pub client: Client,
    pub keys: Keys,
    pub mirror: Mirror,
    pub leadership: watch::Sender<Leadership>,
    /// The lease that holds the leader key.
    pub lease: watch::Sender<i64>,
    /// Rung when the leader key may not be ours any more.
    pub suspicion: Notify,
    /// Rung when the watch seems to be stuck.
    pub stalled: Notify,
    /// The revision that the mirror shows.
    shown: watch::Sender<Revision>,
    /// Held while the sync key is written.
    syncing: Mutex<()>,
}

impl State {
    pub fn leading(client: Client, keys: Keys, mirror: Mirror, term: i64, lease: i64) -> State {
        State {
            client,
            keys,
            mirror,
            leadership: watch::Sender::new(Leadership::Leader { term }),
            lease: watch::Sender::new(lease),
            suspicion: Notify::new(),
            stalled: Notify::new(),
            shown: watch::Sender::new(Revision::NONE),
            syncing: Mutex::new(()),
        }
    }

    /// The first load, or what there is after a gap.
    pub fn reset(&self, loaded: Loaded) {
        self.mirror.reset(loaded.entries, loaded.revision);
        self.shown.send_replace(self.mirror.revision());
    }

    /// The mirror was fed.
    pub fn fed(&self) {
        self.shown.send_replace(self.mirror.revision());
    }

    /// The term in which we may write now; waits while that is being found out.
    pub async fn term(&self, deadline: Instant) -> Result<i64, WriteError> {
        let mut leadership = self.leadership.subscribe();
        let known = leadership.wait_for(|now| *now != Leadership::Seeking);
        match timeout_at(deadline, known).await {
            Ok(Ok(now)) => match *now {
                Leadership::Leader { term } => Ok(term),
                Leadership::Deposed => Err(WriteError::Deposed),
                Leadership::Seeking => Err(WriteError::Unavailable),
            },
            Ok(Err(_)) => Err(WriteError::Closed),
            Err(_) => Err(WriteError::Unavailable),
        }
    }

    /// Waits until it is known that a term is over, or the time is.
    pub async fn term_over(&self, term: i64, deadline: Instant) {
        self.suspicion.notify_one();
        let mut leadership = self.leadership.subscribe();
        let over = leadership.wait_for(|now| *now != Leadership::Leader { term });
        // Whoever waits looks again.
        let _ = timeout_at(deadline, over).await;
    }

    /// Waits until the mirror shows a revision. Most are changes of ours, which come by the watch at
    /// once. One that somebody made elsewhere in etcd does not; then a write of ours behind it does.
    pub async fn show(&self, revision: Revision, deadline: Instant) -> Result<(), WriteError> {
        let mut shown = self.shown.subscribe();
        let reached = |now: &Revision| *now >= revision;
        if let Ok(Ok(_)) = timeout(SOON, shown.wait_for(reached)).await {
            return Ok(());
        }
        self.sync(revision, deadline).await?;
        if let Ok(Ok(_)) = timeout(STALLED_AFTER, shown.wait_for(reached)).await {
            return Ok(());
        }
        self.stalled.notify_one();
        match timeout_at(deadline, shown.wait_for(reached)).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                tracing::warn!(%revision, "the watch of etcd did not show a write in time");
                Err(WriteError::Unavailable)
            }
        }
    }

    async fn sync(&self, revision: Revision, deadline: Instant) -> Result<(), WriteError> {
        let syncing = timeout_at(deadline, self.syncing.lock()).await;
        let _alone = syncing.map_err(|_| WriteError::Unavailable)?;
        if *self.shown.borrow() >= revision {
            return Ok(());
        }
        let term = self.term(deadline).await?;
        let put = PutRequest { key: self.keys.sync.clone(), ..PutRequest::default() };
        let request = fence(&self.keys, term, Request::RequestPut(put));
        // If this fails, the write it is for may come by the watch all the same.
        if let Err(status) = self.txn(Repeat::Always, deadline, &request).await {
            tracing::debug!(%status, "the sync key could not be written");
        }
        Ok(())
    }

    /// A transaction of etcd's.
    pub async fn txn(
        &self,
        repeat: Repeat,
        deadline: Instant,
        request: &TxnRequest,
    ) -> Result<TxnResponse, Status> {
        txn(&self.client, repeat, deadline, request).await
    }
}

/// A transaction of etcd's.
pub(super) async fn txn(
    client: &Client,
    repeat: Repeat,
    deadline: Instant,
    request: &TxnRequest,
) -> Result<TxnResponse, Status> {
    let rpc = |channel, request| async move {
        KvClient::new(channel).max_decoding_message_size(usize::MAX).txn(request).await
    };
    client.call(repeat, deadline, request, rpc).await
}

#[cfg(test)]
mod tests {
    use store::{Options, Store};

    use super::*;
    use crate::remote::RemoteConfig;

    fn state(leadership: Leadership) -> State {
        let config = RemoteConfig::new(["http://127.0.0.1:1".to_owned()]);
        let client = Client::new(&config).expect("an endpoint");
        let state =
            State::leading(client, Keys::new("/s/"), Store::mirrored(Options::default()).1, 7, 1);
        state.leadership.send_replace(leadership);
        state
    }

    async fn check(leadership: Leadership, expected: Result<i64, WriteError>) {
        let state = state(leadership.clone());
        let deadline = Instant::now() + Duration::from_millis(50);
        assert_eq!(state.term(deadline).await, expected, "{leadership:?}");
    }

    #[tokio::test]
    async fn only_the_leader_has_a_term_to_write_in() {
        check(Leadership::Leader { term: 7 }, Ok(7)).await;
        check(Leadership::Seeking, Err(WriteError::Unavailable)).await;
        check(Leadership::Deposed, Err(WriteError::Deposed)).await;
    }

    #[tokio::test]
    async fn a_revision_that_etcd_does_not_show_is_not_waited_for_for_ever() {
        let state = state(Leadership::Leader { term: 7 });
        state.mirror.reset(Vec::new(), Revision(5));
        state.fed();
        let deadline = Instant::now() + Duration::from_millis(300);
        assert_eq!(state.show(Revision(5), deadline).await, Ok(()));
        assert_eq!(state.show(Revision(6), deadline).await, Err(WriteError::Unavailable));
    }
}
