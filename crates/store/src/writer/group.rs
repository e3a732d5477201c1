//! A group: writes that become durable together, and what they come to.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::admission::Admission;
use super::{Answer, CompactError, WriteError};
use crate::lease::table::Leases;
use crate::log::{Entry, write_frame};
use crate::space::Space;
use crate::stage::{Stage, Staged};
use crate::{Lease, LeaseId, Revision, Txn, TxnReply};

/// A group is closed when it has this many writes or bytes.
const WRITES_MAX: usize = 512;
const BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
pub(super) struct Group {
    writes: Vec<Write>,
    bytes: usize,
}

/// What somebody wants written, and who waits for the answer.
pub(crate) enum Write {
    Commit(Txn, Answer<TxnReply, WriteError>),
    Compact(Revision, Answer<(), CompactError>),
    Grant(LeaseId, Duration, Answer<Lease, WriteError>),
    Revoke(LeaseId, Answer<Revision, WriteError>),
    /// End those of these leases whose time is up.
    Expire(Vec<LeaseId>),
    /// Log the keep-alives that were not logged yet, if nothing else is written.
    LogRenewed,
    Record(String, Option<Bytes>, Answer<(), WriteError>),
}

/// What a group comes to, before it is durable.
#[derive(Default)]
pub(super) struct Outcome {
    pub replies: Vec<Reply>,
    pub staged: Staged,
    /// Empty when there is nothing to log.
    pub frame: Vec<u8>,
    pub compact: Option<Revision>,
    /// Leases whose keep-alives are in the frame.
    pub renewed: BTreeSet<LeaseId>,
}

/// An answer that is given when what it says is durable, and what was asked.
pub(super) enum Reply {
    Commit(Txn, Answer<TxnReply, WriteError>, Result<TxnReply, WriteError>),
    Compact(Revision, Answer<(), CompactError>, Result<(), CompactError>),
    Grant(LeaseId, Duration, Answer<Lease, WriteError>, Result<Lease, WriteError>),
    Revoke(LeaseId, Answer<Revision, WriteError>, Result<Revision, WriteError>),
    Record(String, Option<Bytes>, Answer<(), WriteError>, Result<(), WriteError>),
    /// These leases end; nobody waits for it.
    Expire(Vec<LeaseId>),
}

impl Group {
    pub fn push(&mut self, write: Write) {
        self.bytes += match &write {
            Write::Commit(txn, _) => txn.bytes(),
            Write::Record(name, content, _) => name.len() + content.as_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        self.writes.push(write);
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.writes.len() >= WRITES_MAX || self.bytes >= BYTES_MAX
    }

    /// Works out one write after another.
    pub fn work_out(self, space: &Space, admission: &mut Admission) -> Outcome {
        let mut frame = Vec::with_capacity(self.bytes);
        let mut outcome = Outcome::default();
        let mut is_empty = true;
        write_frame(&mut frame, |entries| {
            let start = entries.len();
            let (stage, leases) = (Stage::new(space), space.leases());
            let mut work = Work { stage, leases, admission, entries };
            // Before what may end them.
            outcome.renewed = work.log_renewed();
            for write in self.writes {
                outcome.compact = work.compacts(&write).or(outcome.compact);
                outcome.replies.extend(work.out(write));
            }
            outcome.staged = work.stage.finish();
            is_empty = entries.len() == start;
        });
        outcome.frame = if is_empty { Vec::new() } else { frame };
        outcome
    }
}

struct Work<'s, 'e> {
    stage: Stage<'s>,
    leases: &'s Leases,
    admission: &'e mut Admission,
    entries: &'e mut Vec<u8>,
}

impl Work<'_, '_> {
    fn out(&mut self, write: Write) -> Option<Reply> {
        Some(match write {
            Write::Commit(txn, to) => {
                let reply = self.commit(&txn);
                Reply::Commit(txn, to, reply)
            }
            Write::Compact(revision, to) => Reply::Compact(revision, to, self.compact(revision)),
            Write::Grant(id, ttl, to) => Reply::Grant(id, ttl, to, self.grant(id, ttl)),
            Write::Revoke(id, to) => Reply::Revoke(id, to, self.revoke(id)),
            Write::Expire(ids) => Reply::Expire(self.expire(ids)),
            Write::LogRenewed => return None,
            Write::Record(name, content, to) => {
                let reply = self.record(name.clone(), content.clone());
                Reply::Record(name, content, to, reply)
            }
        })
    }

    /// The revision that a write will compact to.
    fn compacts(&self, write: &Write) -> Option<Revision> {
        match write {
            Write::Compact(revision, _) => self.check_compact(*revision).ok().map(|()| *revision),
            _ => None,
        }
    }

    fn commit(&mut self, txn: &Txn) -> Result<TxnReply, WriteError> {
        self.admission.check(txn, &self.stage)?;
        let before = self.stage.head();
        let reply = self.stage.run(txn)?;
        if reply.revision > before {
            let ops = if reply.succeeded { &txn.success } else { &txn.failure };
            Entry::encode_write(self.entries, ops, &reply);
        }
        Ok(reply)
    }

    fn compact(&mut self, revision: Revision) -> Result<(), CompactError> {
        self.check_compact(revision)?;
        Entry::encode_compact(self.entries, revision);
        self.stage.compact(revision);
        Ok(())
    }

    fn check_compact(&self, revision: Revision) -> Result<(), CompactError> {
        let (head, compacted) = (self.stage.head(), self.stage.compacted());
        if revision > head {
            Err(CompactError::Future { head })
        } else if revision <= compacted {
            Err(CompactError::Compacted { compacted })
        } else {
            Ok(())
        }
    }

    fn grant(&mut self, id: LeaseId, ttl: Duration) -> Result<Lease, WriteError> {
        self.admission.check_other()?;
        let id = self.stage.grant(id, ttl)?;
        Entry::encode_lease(self.entries, self.leases.logged_new(id, ttl));
        Ok(Lease { id, ttl, remaining: ttl })
    }

    fn revoke(&mut self, id: LeaseId) -> Result<Revision, WriteError> {
        let before = self.stage.head();
        self.stage.revoke(id)?;
        let revision = self.stage.head();
        Entry::encode_lease_ended(self.entries, id, (revision > before).then_some(revision));
        Ok(revision)
    }

    /// The leases that end: of those asked for, some may have been kept alive meanwhile.
    fn expire(&mut self, ids: Vec<LeaseId>) -> Vec<LeaseId> {
        let due = ids.into_iter().filter(|id| self.leases.begin_to_end(*id));
        due.collect::<Vec<_>>().into_iter().filter(|id| self.revoke(*id).is_ok()).collect()
    }

    fn record(&mut self, name: String, content: Option<Bytes>) -> Result<(), WriteError> {
        if content.is_some() {
            self.admission.check_other()?;
        }
        self.stage.check_record(&name, content.as_ref())?;
        Entry::encode_record(self.entries, &name, content.as_ref());
        self.stage.set_record(name, content);
        Ok(())
    }

    fn log_renewed(&mut self) -> BTreeSet<LeaseId> {
        let renewed = self.leases.take_renewed();
        let logged = renewed.iter().filter_map(|id| self.leases.logged(*id));
        logged.for_each(|lease| Entry::encode_lease(self.entries, lease));
        renewed
    }
}

impl Outcome {
    /// What was asked, to be worked out again.
    pub fn into_group(self) -> Group {
        let mut group = Group::default();
        self.replies.into_iter().for_each(|reply| group.push(reply.into_write()));
        group
    }
}

impl Reply {
    fn into_write(self) -> Write {
        match self {
            Reply::Commit(txn, to, _) => Write::Commit(txn, to),
            Reply::Compact(revision, to, _) => Write::Compact(revision, to),
            Reply::Grant(id, ttl, to, _) => Write::Grant(id, ttl, to),
            Reply::Revoke(id, to, _) => Write::Revoke(id, to),
            Reply::Record(name, content, to, _) => Write::Record(name, content, to),
            Reply::Expire(ids) => Write::Expire(ids),
        }
    }

    /// Says what came of it. Whoever asked may have gone; what was done stays done.
    pub fn send(self) {
        match self {
            Reply::Commit(_, to, reply) => drop(to.send(reply)),
            Reply::Compact(_, to, reply) => drop(to.send(reply)),
            Reply::Grant(.., to, reply) => drop(to.send(reply)),
            Reply::Revoke(_, to, reply) => drop(to.send(reply)),
            Reply::Record(.., to, reply) => drop(to.send(reply)),
            Reply::Expire(_) => {}
        }
    }

    /// Says that it could not be made durable; what was refused before says why itself.
    pub fn refuse(self, error: WriteError) {
        match self {
            Reply::Commit(_, to, reply) => drop(to.send(reply.and(Err(error)))),
            Reply::Compact(_, to, reply) => {
                let _ = to.send(reply.and(Err(CompactError::Write(error))));
            }
            Reply::Grant(.., to, reply) => drop(to.send(reply.and(Err(error)))),
            Reply::Revoke(_, to, reply) => drop(to.send(reply.and(Err(error)))),
            Reply::Record(.., to, reply) => drop(to.send(reply.and(Err(error)))),
            Reply::Expire(_) => {}
        }
    }
}
