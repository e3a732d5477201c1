//! A place in a queue of keys: what locks and elections are made of.
//!
//! Each contender puts one key, named by its lease, under a common prefix. Whose key was created
//! first has its turn; the others wait for the one before them, so that a turn that ends wakes one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::{
    Compare, EventKind, KeyValue, LeaseId, Op, OpReply, Range, Revision, Store, Txn, WatchError,
    WatchSet,
};
use tonic::{Code, Status};

use crate::auth::Caller;
use crate::error;
use crate::member::Member;

/// The lease of a contender who has brought none.
const SESSION_TTL: Duration = Duration::from_secs(60);

/// Names of the two watches of somebody who waits.
const BEFORE: u64 = 0;
const OWN: u64 = 1;

/// A key in the queue.
pub(crate) struct Claim {
    pub(crate) key: Bytes,
    pub(crate) lease: LeaseId,
    /// The revision that created it: its place.
    pub(crate) place: Revision,
    /// The revision at which it was made, or found.
    pub(crate) revision: Revision,
    /// What was found, when this lease was in the queue before.
    pub(crate) found: Option<KeyValue>,
    prefix: Range,
}

/// Why a wait ended without its turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The key is gone: its lease has ended, or somebody deleted it.
    Key,
    /// The server is closing.
    Stopped,
}

impl Claim {
    /// Joins the queue of a name. Who is in it with the same lease keeps its place, and the value
    /// it had.
    pub(crate) async fn make(
        member: &Member,
        caller: &Caller,
        name: &[u8],
        lease: i64,
        value: &[u8],
    ) -> Result<Claim, Status> {
        let lease = session(member, lease).await?;
        let key = key_of(name, lease);
        let prefix = queue(name);
        member.auth.may_read(caller, &prefix)?;
        may_attach(member, caller, &key, lease)?;
        let txn = Txn::new()
            .when(Compare::absent(key.clone()))
            .then(Op::put_leased(key.clone(), Bytes::copy_from_slice(value), lease))
            .otherwise(Op::range(Range::key(key.clone()), 1));
        let reply = member.store.commit(txn).await.map_err(error::write)?;
        let revision = reply.revision;
        let found = reply.results.into_iter().find_map(|result| match result {
            OpReply::Range(range) => range.entries.into_iter().next(),
            _ => None,
        });
        let place = found.as_ref().map_or(revision, |kv| kv.create_revision);
        Ok(Claim { key, lease, place, revision, found, prefix })
    }

    /// Waits until nobody is before this one; says at which revision that was seen. When the wait
    /// is given up, by a client that goes away too, the key is taken out of the queue.
    pub(crate) async fn turn(&self, member: &Arc<Member>) -> Result<Revision, Lost> {
        let mut leaving = Leaving { claim: self, store: Some(member.store.clone()) };
        let turn = tokio::select! {
            turn = self.wait(&member.store) => turn,
            () = member.closing.cancelled() => Err(Lost::Stopped),
        };
        if !matches!(turn, Err(Lost::Stopped)) {
            leaving.store = None;
        }
        turn
    }

    /// What holds as long as the key is the one that was claimed.
    pub(crate) fn holds(&self) -> Compare {
        Compare::create_revision(self.key.clone(), self.place)
    }

    async fn wait(&self, store: &Store) -> Result<Revision, Lost> {
        loop {
            let queue = match store.range(&self.prefix, None, 0) {
                Ok(queue) => queue,
                Err(_) => return Err(Lost::Stopped),
            };
            let own = |kv: &KeyValue| kv.key == self.key && kv.create_revision == self.place;
            if !queue.entries.iter().any(own) {
                return Err(Lost::Key);
            }
            let before = queue.entries.iter().filter(|kv| kv.create_revision < self.place);
            let Some(next) = before.max_by_key(|kv| kv.create_revision) else {
                return Ok(queue.revision);
            };
            let next = next.key.clone();
            let from = queue.revision.next();
            drop(queue);
            let mut watches = store.watch_set();
            let watched = watches
                .add(BEFORE, Range::key(next), from)
                .and_then(|()| watches.add(OWN, Range::key(self.key.clone()), from));
            match watched {
                Ok(()) => deletion(&mut watches).await?,
                Err(WatchError::Closed) => return Err(Lost::Stopped),
                Err(WatchError::Compacted { .. } | WatchError::Lagged) => {}
            }
        }
    }
}

/// Waits for one of the watched keys to be deleted, or for not having seen whether it was.
async fn deletion(watches: &mut WatchSet) -> Result<(), Lost> {
    loop {
        match watches.next().await {
            Err(_) => return Err(Lost::Stopped),
            Ok((_, Err(_))) => return Ok(()),
            Ok((_, Ok(changes))) => {
                let mut events = changes.batches.iter().flat_map(|batch| &batch.events);
                if events.any(|event| event.kind == EventKind::Delete) {
                    return Ok(());
                }
            }
        }
    }
}

/// Takes a claim out of the queue when its wait is dropped.
struct Leaving<'a> {
    claim: &'a Claim,
    store: Option<Store>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let (Some(store), Ok(runtime)) = (self.store.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let leave = Txn::new().when(self.claim.holds()).then(Op::delete(self.claim.key.clone()));
        runtime.spawn(async move {
            if let Err(error) = store.commit(leave).await {
                tracing::debug!(%error, "a key stays in its queue until its lease ends");
            }
        });
    }
}

/// The lease to claim with: the one given, or a new one.
pub(crate) async fn session(member: &Member, lease: i64) -> Result<LeaseId, Status> {
    if lease != LeaseId::NONE.0 {
        return Ok(LeaseId(lease));
    }
    let granted = member.store.grant_lease(LeaseId::NONE, SESSION_TTL).await;
    granted.map(|lease| lease.id).map_err(error::write)
}

/// The keys of all that contend for a name.
pub(crate) fn queue(name: &[u8]) -> Range {
    Range::prefix([name, b"/"].concat())
}

/// Who attaches a key to a lease gives it into the hands of who may end that lease.
pub(crate) fn may_attach(
    member: &Member,
    caller: &Caller,
    key: &Bytes,
    lease: LeaseId,
) -> Result<(), Status> {
    if let Caller::Anyone = caller {
        return Ok(());
    }
    member.auth.may_write(caller, &Range::key(key.clone()))?;
    let mut others = member.store.lease_keys(lease).into_iter();
    others.try_for_each(|key| member.auth.may_write(caller, &Range::key(key)))
}

/// The same error in the guise that etcd gives it: its lock and election servers are clients of
/// its own, and what a client gets loses its code on the way through them.
pub(crate) fn through_client(status: Status) -> Status {
    match status.code() {
        // Worth another try, which clients see by the code alone.
        Code::Unavailable => status,
        _ => Status::unknown(status.message()),
    }
}

/// The key of a lease in the queue of a name; a negative lease is written as Go does.
fn key_of(name: &[u8], lease: LeaseId) -> Bytes {
    let sign = if lease.0 < 0 { "-" } else { "" };
    let id = format!("/{sign}{:x}", lease.0.unsigned_abs());
    [name, id.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lease: i64, expected: &str) {
        assert_eq!(key_of(b"n", LeaseId(lease)), expected);
        assert!(queue(b"n").contains(&key_of(b"n", LeaseId(lease))));
    }

    #[test]
    fn a_key_is_named_by_its_lease_in_hexadecimal() {
        check(0xabc, "n/abc");
        check(i64::MAX, "n/7fffffffffffffff");
        check(-5, "n/-5");
        check(i64::MIN, "n/-8000000000000000");
    }
}
