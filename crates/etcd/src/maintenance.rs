//! The Maintenance service: status, alarms, hashes, snapshots.
//!
//! - `snapshot`: all state as an etcd database; `bolt`: how such a file is written; `sort`: with
//!   bounded memory
//! - `hash`: a checksum of the key space at a revision

mod bolt;
mod hash;
mod snapshot;
mod sort;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use store::{ReadError, Revision, Stats};
use tokio::sync::{Semaphore, mpsc};
use tonic::{Request, Response, Status};

use crate::error;
use crate::member::{Member, VERSION, int64};
use crate::pb::etcdserverpb as pb;
use crate::pb::etcdserverpb::alarm_request::AlarmAction;
use crate::pb::etcdserverpb::downgrade_request::DowngradeAction;
use snapshot::{Snapshot, SnapshotError};

/// Snapshots made at once: each is a file as large as the key space.
const SNAPSHOTS_AT_ONCE: usize = 2;

/// Pieces of a snapshot on their way to a client.
const CHUNKS_WAITING: usize = 4;

/// How often a hash of the newest revision is begun anew when compaction overtakes it.
const HASH_ATTEMPTS: usize = 4;

/// What etcd says of a key space that was never compacted.
const NEVER_COMPACTED: i64 = -1;

/// The Maintenance service of a member.
pub(crate) struct Maintenance {
    member: Arc<Member>,
    snapshots: Arc<Semaphore>,
}

type Answer<T> = Result<Response<T>, Status>;
type SnapshotStream = Pin<Box<dyn Stream<Item = Result<pb::SnapshotResponse, Status>> + Send>>;

impl Maintenance {
    pub(crate) fn new(member: Arc<Member>) -> Maintenance {
        Maintenance { member, snapshots: Arc::new(Semaphore::new(SNAPSHOTS_AT_ONCE)) }
    }

    /// Checks that the request is an administrator's, and takes its message out.
    fn admin<T>(&self, request: Request<T>) -> Result<T, Status> {
        let caller = self.member.auth.caller(&request)?;
        self.member.auth.is_admin(&caller)?;
        Ok(request.into_inner())
    }

    /// Checks that the request is a user's, and takes its message out.
    fn somebody<T>(&self, request: Request<T>) -> Result<T, Status> {
        let caller = self.member.auth.caller(&request)?;
        self.member.auth.is_somebody(&caller)?;
        Ok(request.into_inner())
    }

    /// The checksum at a revision, or at the newest one, and which that was.
    async fn hash(&self, asked: Option<Revision>) -> Result<(u32, Revision), Status> {
        let store = &self.member.store;
        let mut attempts = 0;
        loop {
            let revision = asked.unwrap_or_else(|| store.revision());
            attempts += 1;
            match hash::hash_at(store, revision).await {
                Ok(hash) => return Ok((hash, revision)),
                Err(ReadError::Compacted { .. }) if asked.is_none() && attempts < HASH_ATTEMPTS => {
                }
                Err(refused) => return Err(error::read(refused)),
            }
        }
    }
}

/// The alarms that hold: there is no room, for as long as there is none.
fn alarms(member: &Member, stats: &Stats) -> Vec<pb::AlarmMember> {
    let nospace =
        pb::AlarmMember { member_id: member.member_id, alarm: pb::AlarmType::Nospace.into() };
    stats.full.map(|_| nospace).into_iter().collect()
}

/// What the status says of an alarm, as etcd prints it.
fn alarm_text(alarm: &pb::AlarmMember) -> String {
    format!("memberID:{} alarm:{} ", alarm.member_id, alarm.alarm().as_str_name())
}

fn is_wanted(request: &pb::AlarmRequest, alarm: &pb::AlarmMember) -> bool {
    let any_member = request.member_id == 0;
    let any_kind = request.alarm() == pb::AlarmType::None;
    (any_member || request.member_id == alarm.member_id)
        && (any_kind || request.alarm() == alarm.alarm())
}

#[tonic::async_trait]
impl pb::maintenance_server::Maintenance for Maintenance {
    /// Alarms cannot be set or reset: one holds as long as what it is about.
    async fn alarm(&self, request: Request<pb::AlarmRequest>) -> Answer<pb::AlarmResponse> {
        let request = match request.get_ref().action() {
            AlarmAction::Get => self.somebody(request)?,
            AlarmAction::Activate | AlarmAction::Deactivate => self.admin(request)?,
        };
        let mut alarms = alarms(&self.member, &self.member.store.stats());
        alarms.retain(|alarm| is_wanted(&request, alarm));
        match request.action() {
            AlarmAction::Get => {}
            AlarmAction::Activate if alarms.is_empty() => {
                return Err(Status::unimplemented(
                    "etcdserver: an alarm is raised by what it is about, and cannot be by a request",
                ));
            }
            AlarmAction::Activate => {}
            // The answer is what was reset. What holds still does.
            AlarmAction::Deactivate => alarms.clear(),
        }
        let header = Some(self.member.header());
        Ok(Response::new(pb::AlarmResponse { header, alarms }))
    }

    async fn status(&self, request: Request<pb::StatusRequest>) -> Answer<pb::StatusResponse> {
        self.somebody(request)?;
        let stats = self.member.store.stats();
        let mut errors: Vec<String> = alarms(&self.member, &stats).iter().map(alarm_text).collect();
        if stats.failed {
            errors.push("the disk failed; there are no writes until the server starts anew".into());
        }
        Ok(Response::new(pb::StatusResponse {
            header: Some(self.member.header_at(stats.revision)),
            version: VERSION.to_owned(),
            db_size: bytes(stats.disk_bytes),
            db_size_in_use: bytes(in_use(&stats)),
            leader: self.member.member_id,
            raft_index: stats.revision.0,
            raft_applied_index: stats.revision.0,
            raft_term: self.member.raft_term,
            errors,
            is_learner: false,
        }))
    }

    /// There is nothing to do: the log is cut and rewritten while it is used, and what is free is
    /// given back to the file system then.
    async fn defragment(
        &self,
        request: Request<pb::DefragmentRequest>,
    ) -> Answer<pb::DefragmentResponse> {
        self.admin(request)?;
        // etcd's answer has no header either, nor that to a move of the leader.
        Ok(Response::new(pb::DefragmentResponse { header: None }))
    }

    async fn hash(&self, request: Request<pb::HashRequest>) -> Answer<pb::HashResponse> {
        self.admin(request)?;
        let (hash, revision) = self.hash(None).await?;
        let header = Some(self.member.header_at(revision));
        Ok(Response::new(pb::HashResponse { header, hash }))
    }

    async fn hash_kv(&self, request: Request<pb::HashKvRequest>) -> Answer<pb::HashKvResponse> {
        let asked = self.admin(request)?.revision;
        let asked = u64::try_from(asked).ok().filter(|asked| *asked > 0).map(Revision);
        let (hash, _) = self.hash(asked).await?;
        // etcd's word for "nothing".
        let compact_revision = match self.member.store.compacted() {
            Revision::NONE => NEVER_COMPACTED,
            compacted => int64(compacted),
        };
        let header = Some(self.member.header());
        Ok(Response::new(pb::HashKvResponse { header, hash, compact_revision }))
    }

    type SnapshotStream = SnapshotStream;

    async fn snapshot(&self, request: Request<pb::SnapshotRequest>) -> Answer<SnapshotStream> {
        self.admin(request)?;
        let place = self.snapshots.clone().try_acquire_owned();
        let place = place.map_err(|_| Status::from(error::TOO_MANY_REQUESTS))?;
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let member = self.member.clone();
        tokio::task::spawn_blocking(move || {
            let _place = place;
            send_snapshot(&member, &sender);
        });
        let stream = futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|message| (message, receiver))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    /// The leader is the one member; it can be moved to where it is.
    async fn move_leader(
        &self,
        request: Request<pb::MoveLeaderRequest>,
    ) -> Answer<pb::MoveLeaderResponse> {
        if self.admin(request)?.target_id != self.member.member_id {
            return Err(error::BAD_LEADER_TRANSFEREE.into());
        }
        Ok(Response::new(pb::MoveLeaderResponse { header: None }))
    }

    /// There is no older version to go to.
    async fn downgrade(
        &self,
        request: Request<pb::DowngradeRequest>,
    ) -> Answer<pb::DowngradeResponse> {
        let request = self.admin(request)?;
        Err(match request.action() {
            DowngradeAction::Cancel => error::NO_INFLIGHT_DOWNGRADE.into(),
            _ if !is_version(&request.version) => error::WRONG_DOWNGRADE_VERSION_FORMAT.into(),
            _ => error::INVALID_DOWNGRADE_TARGET_VERSION.into(),
        })
    }
}

fn send_snapshot(member: &Member, sender: &mpsc::Sender<Result<pb::SnapshotResponse, Status>>) {
    let give = |message| {
        if member.closing.is_cancelled() {
            return Err(SnapshotError::Gone);
        }
        sender.blocking_send(Ok(message)).map_err(|_| SnapshotError::Gone)
    };
    let sent = Snapshot::of(&member.store).and_then(|snapshot| snapshot.send(give));
    let status = match sent {
        Ok(()) => return,
        Err(SnapshotError::Gone) => error::STOPPED.into(),
        Err(failed) => {
            let cause = std::error::Error::source(&failed).map(ToString::to_string);
            let cause = cause.unwrap_or_default();
            tracing::warn!(error = %failed, cause, "a snapshot was not made");
            Status::unavailable(format!("etcdserver: {failed}: {cause}"))
        }
    };
    // When nobody is there any more, nobody needs to be told.
    let _ = sender.blocking_send(Err(status));
}

/// Bytes of files that hold what can still be read; the rest goes with the next snapshot of the
/// log.
pub(crate) fn in_use(stats: &Stats) -> u64 {
    stats.disk_bytes.min(stats.live_bytes + stats.history_bytes)
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether this is a version of a cluster: `3.4`, or `3.4.0`.
fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| part.parse::<u16>().is_ok())
}
