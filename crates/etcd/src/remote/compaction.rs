//! Keeps etcd's history short, as kube-apiserver does: every few minutes it is compacted to where
//! it was a few minutes ago.

use std::sync::Arc;
use std::time::Duration;

use store::Revision;
use tokio::time::{Instant, sleep};
use tonic::Status;

use super::End;
use super::client::Repeat;
use super::keys::signed;
use super::load::COMPACTED;
use super::state::{Leadership, State};
use crate::pb::etcdserverpb::CompactionRequest;
use crate::pb::etcdserverpb::kv_client::KvClient;

/// One compaction may take so long to be accepted.
const COMPACT_MAX: Duration = Duration::from_secs(10);

/// Compacts what is older than `age`, as long as we are the leader.
pub(super) async fn run(state: Arc<State>, age: Duration) -> End {
    let mut then = state.mirror.revision();
    loop {
        sleep(age).await;
        let leading = matches!(*state.leadership.borrow(), Leadership::Leader { .. });
        if leading && let Err(status) = compact(&state, then, Instant::now() + COMPACT_MAX).await {
            match status.message() {
                COMPACTED => tracing::debug!(revision = %then, "etcd was compacted by another"),
                _ => tracing::warn!(%status, revision = %then, "etcd could not be compacted"),
            }
        }
        then = state.mirror.revision();
    }
}

pub(super) async fn compact(
    state: &State,
    revision: Revision,
    deadline: Instant,
) -> Result<(), Status> {
    let request = CompactionRequest { revision: signed(revision.0), physical: false };
    let rpc = |channel, request| async move { KvClient::new(channel).compact(request).await };
    state.client.call(Repeat::Always, deadline, &request, rpc).await?;
    Ok(())
}
