//! What a lease promises: it does not end early, it is not lost in a restart, and a lapsed one
//! ends in time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::Moment;
use super::timeline::LeaseEnd;

/// What the server under trial owes.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// A restart gives a lease this much again (etcd: all of its time to live).
    pub grace_after_start: Duration,
    /// What the end of a lapsed lease may be late by, the way to the watcher included.
    pub late_max: Duration,
}

/// What a client knows of one lease.
#[derive(Debug, Clone)]
pub struct Life {
    pub ttl: Duration,
    /// When the last grant or renewal that was answered was asked for: the server had it later.
    pub renewed_after: Moment,
    /// When the last one, answered or not, was over: the server had it before, or never.
    pub tried_until: Moment,
    /// From when on the client has asked for its end.
    pub revoked_after: Option<Moment>,
    /// It had keys that a watcher would see go.
    pub has_keys: bool,
    /// When the client was told that it is no more.
    pub gone: Option<Moment>,
}

/// A broken promise.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the end of lease {lease:x}, at {seen}, is {early:?} early: {life:?}")]
    Early { lease: i64, seen: Moment, early: Duration, life: Box<Life> },
    #[error("lease {lease:x} should have ended at {due} and is there at {now}: {life:?}")]
    Late { lease: i64, due: Moment, now: Moment, life: Box<Life> },
    #[error("nobody granted lease {lease:x}, whose keys went with revision {revision}")]
    Strange { lease: i64, revision: i64 },
    #[error("lease {lease:x} ended twice, again with revision {revision}")]
    Twice { lease: i64, revision: i64 },
}

/// The leases of a trial.
#[derive(Debug)]
pub struct Leases {
    promise: Promise,
    lives: BTreeMap<i64, Life>,
    /// Those that ended lately: an end must not come twice.
    ended: BTreeMap<i64, Moment>,
    /// When the server was last ready again.
    started: Moment,
    /// How many ended by themselves, and how many after somebody asked for it.
    pub lapsed_count: usize,
    pub revoked_count: usize,
}

/// How long an ended lease is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);

fn nanos(duration: Duration) -> Moment {
    u64::try_from(duration.as_nanos()).expect("a duration of less than 584 years")
}

impl Leases {
    pub fn new(promise: Promise) -> Self {
        Leases {
            promise,
            lives: BTreeMap::new(),
            ended: BTreeMap::new(),
            started: 0,
            lapsed_count: 0,
            revoked_count: 0,
        }
    }

    /// A grant that was answered.
    pub fn granted(&mut self, lease: i64, ttl: Duration, start: Moment, end: Moment) {
        let life = Life {
            ttl,
            renewed_after: start,
            tried_until: end,
            revoked_after: None,
            has_keys: false,
            gone: None,
        };
        self.lives.insert(lease, life);
    }

    pub fn attached(&mut self, lease: i64) {
        self.change(lease, |life| life.has_keys = true);
    }

    /// A renewal; `answered` is when its answer was here.
    pub fn renewed(&mut self, lease: i64, start: Moment, answered: Option<Moment>, now: Moment) {
        self.change(lease, |life| {
            if answered.is_some() {
                life.renewed_after = life.renewed_after.max(start);
            }
            life.tried_until = life.tried_until.max(now);
        });
    }

    pub fn revoking(&mut self, lease: i64, start: Moment) {
        self.change(lease, |life| life.revoked_after = Some(start));
    }

    /// A revoke was answered, and so the lease is no more.
    pub fn revoked(&mut self, lease: i64, now: Moment) {
        self.change(lease, |life| life.gone = Some(now));
    }

    /// The server does not know the lease. Its end must be, or come, in the watch.
    pub fn told_gone(&mut self, lease: i64, now: Moment) -> Result<(), Broken> {
        let Some(life) = self.lives.get_mut(&lease) else { return Ok(()) };
        not_early(lease, life, now)?;
        life.gone = Some(now);
        Ok(())
    }

    /// The server is ready again after a kill.
    pub fn restarted(&mut self, now: Moment) {
        self.started = now;
    }

    fn change(&mut self, lease: i64, change: impl FnOnce(&mut Life)) {
        if let Some(life) = self.lives.get_mut(&lease) {
            change(life);
        }
    }

    /// The watch told of the end of a lease.
    pub fn ended(&mut self, end: LeaseEnd) -> Result<(), Broken> {
        let LeaseEnd { lease, revision, seen } = end;
        let Some(life) = self.lives.remove(&lease) else {
            return Err(match self.ended.contains_key(&lease) {
                true => Broken::Twice { lease, revision },
                false => Broken::Strange { lease, revision },
            });
        };
        not_early(lease, &life, seen)?;
        match life.revoked_after {
            Some(_) => self.revoked_count += 1,
            None => self.lapsed_count += 1,
        }
        self.ended.insert(lease, seen);
        self.ended.retain(|_, at| *at + nanos(REMEMBERED) > seen);
        Ok(())
    }

    /// All ends up to `now` have been told: what should have ended has.
    pub fn overdue(&mut self, now: Moment) -> Result<(), Broken> {
        for (lease, life) in &self.lives {
            let due = self.due(life);
            if life.has_keys && due < now {
                return Err(Broken::Late { lease: *lease, due, now, life: Box::new(life.clone()) });
            }
        }
        // Without keys an end is not seen.
        let promise = self.promise;
        let forgotten = nanos(REMEMBERED + promise.grace_after_start);
        self.lives.retain(|_, life| life.has_keys || life.tried_until + forgotten > now);
        Ok(())
    }

    /// When the lease must have ended at the latest.
    fn due(&self, life: &Life) -> Moment {
        let lapses = life.tried_until + nanos(life.ttl);
        let after_start = self.started + nanos(self.promise.grace_after_start.min(life.ttl));
        // The deadline may have moved by a second at the start.
        let moved = if life.tried_until < self.started { nanos(Duration::from_secs(1)) } else { 0 };
        let due = (lapses + moved).max(after_start);
        life.gone.map_or(due, |gone| due.min(gone)) + nanos(self.promise.late_max)
    }
}

fn not_early(lease: i64, life: &Life, seen: Moment) -> Result<(), Broken> {
    let due = life.renewed_after + nanos(life.ttl);
    if life.revoked_after.is_some() || seen >= due {
        return Ok(());
    }
    let early = Duration::from_nanos(due - seen);
    Err(Broken::Early { lease, seen, early, life: Box::new(life.clone()) })
}
