//! Carries the store's writes to etcd, several at once.

use std::sync::Arc;
use std::time::Duration;

use store::{CompactError, ReadError, Request, Revision, Txn, TxnReply, WriteError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::client::Repeat;
use super::load::COMPACTED;
use super::state::State;
use super::txn::{Outcome, decode, fenced};

/// Writes on their way at once; beyond it, they wait.
const IN_FLIGHT_MAX: usize = 128;

/// A write is answered within this time.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// Answers requests until the store is closed; those begun are finished.
pub(super) async fn serve(state: Arc<State>) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut running = JoinSet::new();
    while let Some(request) = state.mirror.next().await {
        let slot = slots.clone().acquire_owned().await.expect("it is never closed");
        while running.try_join_next().is_some() {}
        let state = state.clone();
        running.spawn(async move {
            match request {
                Request::Commit(txn, answer) => answer.send(commit(&state, &txn).await),
                Request::Compact(revision, answer) => answer.send(compact(&state, revision).await),
                // What a mirror cannot do, it refuses itself.
                _ => {}
            }
            drop(slot);
        });
    }
    while running.join_next().await.is_some() {}
}

/// One transaction. What we know not to have been done is done again, in the next term or by
/// another member; what may have been done is answered as unknown.
async fn commit(state: &State, txn: &Txn) -> Result<TxnReply, WriteError> {
    let deadline = Instant::now() + WRITE_MAX;
    loop {
        let term = state.term(deadline).await?;
        let request = fenced(&state.keys, term, txn)?;
        let answer = state.txn(Repeat::IfNotDone, deadline, &request).await;
        let answer = answer.map_err(|status| refused(state, &status))?;
        let outcome = decode(&state.keys, txn, answer).map_err(|error| {
            tracing::error!(%error, "etcd's answer is not understood");
            WriteError::Unavailable
        })?;
        match outcome {
            Outcome::Reply(reply) => {
                state.show(reply.revision, deadline).await?;
                return Ok(reply);
            }
            Outcome::Fenced(leader) => {
                tracing::debug!(?leader, "a write was refused: the leader key is not ours");
                state.term_over(term, deadline).await;
            }
        }
        if Instant::now() >= deadline {
            return Err(WriteError::Unavailable);
        }
    }
}

fn refused(state: &State, status: &Status) -> WriteError {
    let revision = state.mirror.revision();
    match status.message() {
        "etcdserver: request is too large" | "etcdserver: too many operations in txn request" => {
            WriteError::TooLarge
        }
        "etcdserver: duplicate key given in txn request" => WriteError::DuplicateKey,
        "etcdserver: key not found" => WriteError::KeyNotFound,
        "etcdserver: mvcc: database space exceeded" => WriteError::Quota,
        COMPACTED => WriteError::Read(ReadError::Compacted { compacted: revision }),
        FUTURE => WriteError::Read(ReadError::Future { head: revision }),
        message if message.contains("message larger than max") => WriteError::TooLarge,
        _ => {
            tracing::warn!(%status, "etcd did not answer a write");
            WriteError::Unavailable
        }
    }
}

const FUTURE: &str = "etcdserver: mvcc: required revision is a future revision";

async fn compact(state: &State, revision: Revision) -> Result<(), CompactError> {
    let deadline = Instant::now() + WRITE_MAX;
    state.term(deadline).await.map_err(CompactError::Write)?;
    match super::compaction::compact(state, revision, deadline).await {
        Ok(()) => {
            state.mirror.compact(revision);
            Ok(())
        }
        Err(status) if status.code() == Code::OutOfRange => Err(match status.message() {
            COMPACTED => CompactError::Compacted { compacted: revision },
            _ => CompactError::Future { head: state.mirror.revision() },
        }),
        Err(status) => Err(CompactError::Write(refused(state, &status))),
    }
}
