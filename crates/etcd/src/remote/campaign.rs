//! Who may write: one leader key, held by a lease.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};

use super::client::{Client, Repeat};
use super::keys::Keys;
use super::load::{is_away, leader};
use super::state::{Leadership, State, txn};
use super::txn::{created_by, operation};
use super::{End, LEASE_TTL, Progress, RemoteConfig, RemoteError};
use crate::pb::etcdserverpb::lease_client::LeaseClient;
use crate::pb::etcdserverpb::request_op::Request;
use crate::pb::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest,
    PutRequest, RangeRequest, TxnRequest,
};
use crate::pb::mvccpb::KeyValue;

/// The lease is kept alive three times in its life.
const KEEP_EVERY: Duration = Duration::from_millis(LEASE_TTL.as_millis() as u64 / 3);

/// How often a server that waits looks whether the other one is gone, and how soon something that
/// failed is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One step may take so long.
const STEP_MAX: Duration = Duration::from_secs(5);

/// How we hold the leader key.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// The revision that created it: what every write is fenced by.
    pub term: i64,
    pub lease: i64,
    /// What we say of ourselves; no two servers say the same.
    pub identity: Bytes,
}

enum Attempt {
    Won(Held),
    Taken(String),
}

/// Waits until nobody has the leader key, and takes it.
pub(super) async fn win(
    client: &Client,
    keys: &Keys,
    config: &RemoteConfig,
) -> Result<Held, RemoteError> {
    let identity = identity();
    let mut told = String::new();
    loop {
        match attempt(client, keys, &identity).await {
            Ok(Attempt::Won(held)) => return Ok(held),
            Ok(Attempt::Taken(holder)) => {
                config.progress(Progress::Waiting { holder: &holder });
                if told != holder {
                    tracing::info!(holder, "waiting: another server has the store in etcd");
                    told = holder;
                }
            }
            Err(status) if is_away(&status) => {
                tracing::warn!(%status, "etcd does not answer; trying on");
            }
            Err(source) => {
                return Err(RemoteError::Refused { action: "take the leader key", source });
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Takes the leader key if nobody has it.
async fn attempt(client: &Client, keys: &Keys, identity: &Bytes) -> Result<Attempt, Status> {
    let deadline = Instant::now() + STEP_MAX;
    if let (_, Some(kv)) = leader(client, keys, deadline).await? {
        return Ok(judge(&kv, identity));
    }
    let lease = grant(client, deadline).await?;
    let put = PutRequest {
        key: keys.leader.clone(),
        value: identity.clone(),
        lease,
        ..PutRequest::default()
    };
    let range = RangeRequest { key: keys.leader.clone(), ..RangeRequest::default() };
    let request = TxnRequest {
        compare: vec![created_by(&keys.leader, 0)],
        success: vec![operation(Request::RequestPut(put))],
        failure: vec![operation(Request::RequestRange(range))],
    };
    let answer = txn(client, Repeat::Always, deadline, &request).await?;
    if answer.succeeded {
        let term = answer.header.map_or(0, |header| header.revision);
        return Ok(Attempt::Won(Held { term, lease, identity: identity.clone() }));
    }
    // Somebody was faster; or we were, and the answer got lost.
    let found = leader(client, keys, deadline).await?.1;
    let outcome = found.map(|kv| judge(&kv, identity));
    if !matches!(&outcome, Some(Attempt::Won(held)) if held.lease == lease) {
        revoke(client, lease, deadline).await;
    }
    Ok(outcome.unwrap_or_else(|| Attempt::Taken("a server that has just gone".into())))
}

/// Whether a leader key that is there is ours.
fn judge(kv: &KeyValue, identity: &Bytes) -> Attempt {
    if kv.value == identity {
        let (term, lease) = (kv.create_revision, kv.lease);
        return Attempt::Won(Held { term, lease, identity: identity.clone() });
    }
    Attempt::Taken(String::from_utf8_lossy(&kv.value).into_owned())
}

/// What others are told of who has the store.
fn identity() -> Bytes {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "a host without name" } else { host.trim() };
    let mut identity = String::new();
    let chance = RandomState::new().hash_one(std::process::id());
    write!(identity, "{host} (process {}, {chance:016x})", std::process::id())
        .expect("a string takes everything");
    identity.into()
}

async fn grant(client: &Client, deadline: Instant) -> Result<i64, Status> {
    let ttl = i64::try_from(LEASE_TTL.as_secs()).unwrap_or(i64::MAX);
    let request = LeaseGrantRequest { ttl, id: 0 };
    let rpc =
        |channel, request| async move { LeaseClient::new(channel).lease_grant(request).await };
    Ok(client.call(Repeat::Always, deadline, &request, rpc).await?.id)
}

async fn revoke(client: &Client, lease: i64, deadline: Instant) {
    let request = LeaseRevokeRequest { id: lease };
    let rpc =
        |channel, request| async move { LeaseClient::new(channel).lease_revoke(request).await };
    if let Err(status) = client.call(Repeat::Always, deadline, &request, rpc).await {
        tracing::debug!(%status, "a lease was not given back; it runs out by itself");
    }
}

/// Seconds left; 0 when there is no such lease any more.
async fn keep_alive(client: &Client, lease: i64) -> Result<i64, Status> {
    let request = LeaseKeepAliveRequest { id: lease };
    let rpc = |channel, request: tonic::Request<LeaseKeepAliveRequest>| async move {
        let request = request.map(|request| stream::iter([request]));
        let answers = LeaseClient::new(channel).lease_keep_alive(request).await?;
        let answer = answers.into_inner().message().await?;
        let ended = || Status::unavailable("the stream ended without an answer");
        answer.map(Response::<LeaseKeepAliveResponse>::new).ok_or_else(ended)
    };
    let deadline = Instant::now() + STEP_MAX;
    Ok(client.call(Repeat::Always, deadline, &request, rpc).await?.ttl)
}

/// Keeps the lease alive, and takes the leader key again if the lease ran out and nobody else
/// has it. Ends when somebody has.
pub(super) async fn hold(state: Arc<State>, mut held: Held) -> End {
    let mut pause = KEEP_EVERY;
    loop {
        // Suspicion cuts the wait short; what is done then is the same.
        let suspected = timeout(pause, state.suspicion.notified()).await.is_ok();
        pause = match check(&state, &held, suspected).await {
            Ok(Check::Ours) => KEEP_EVERY,
            Ok(Check::RunningOut) => LOOK_EVERY,
            Ok(Check::Taken(by)) => {
                state.leadership.send_replace(Leadership::Deposed);
                return End::Deposed { by };
            }
            Ok(Check::Gone) => {
                tracing::warn!("the lease on the store in etcd ran out; taking it again");
                state.leadership.send_replace(Leadership::Seeking);
                Duration::ZERO
            }
            Ok(Check::Retaken(new)) => {
                tracing::info!("the store in etcd is ours again");
                state.lease.send_replace(new.lease);
                state.leadership.send_replace(Leadership::Leader { term: new.term });
                held = new;
                KEEP_EVERY
            }
            Err(status) => {
                tracing::warn!(%status, "the lease on the store in etcd could not be kept alive");
                LOOK_EVERY
            }
        };
    }
}

enum Check {
    Ours,
    /// The lease is gone, the key not yet.
    RunningOut,
    Gone,
    Retaken(Held),
    Taken(String),
}

async fn check(state: &State, held: &Held, suspected: bool) -> Result<Check, Status> {
    if *state.leadership.borrow() == Leadership::Seeking {
        return Ok(match attempt(&state.client, &state.keys, &held.identity).await? {
            Attempt::Won(new) => Check::Retaken(new),
            Attempt::Taken(by) => Check::Taken(by),
        });
    }
    let alive = keep_alive(&state.client, held.lease).await? > 0;
    if alive && !suspected {
        return Ok(Check::Ours);
    }
    let deadline = Instant::now() + STEP_MAX;
    Ok(match leader(&state.client, &state.keys, deadline).await?.1 {
        None => Check::Gone,
        Some(kv) if kv.value != held.identity => {
            Check::Taken(String::from_utf8_lossy(&kv.value).into_owned())
        }
        Some(kv) if kv.create_revision != held.term => Check::Gone,
        Some(_) if alive => Check::Ours,
        Some(_) => Check::RunningOut,
    })
}

/// Gives the lease back.
pub(super) async fn resign(state: &State, time_max: Duration) {
    if *state.leadership.borrow() != Leadership::Deposed {
        let lease = *state.lease.borrow();
        revoke(&state.client, lease, Instant::now() + time_max).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_servers_say_the_same_of_themselves() {
        let (one, other) = (identity(), identity());
        assert_ne!(one, other);
        let text = String::from_utf8(one.to_vec()).expect("text");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    }

    #[test]
    fn a_leader_key_with_our_name_is_ours() {
        let kv =
            KeyValue { value: "me".into(), create_revision: 7, lease: 9, ..KeyValue::default() };
        let Attempt::Won(held) = judge(&kv, &"me".into()) else { panic!("it is ours") };
        assert_eq!((held.term, held.lease), (7, 9));
        assert!(matches!(judge(&kv, &"you".into()), Attempt::Taken(by) if by == "me"));
    }
}
