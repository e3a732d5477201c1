//! Locks and elections.

use etcd::pb::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use etcd::pb::v3lockpb::{LockRequest, UnlockRequest};

use crate::say::{begin, differs, everything, grant, pause, put, revoke, time_to_live};
use crate::talk;
use crate::talk::Step;

fn lock(name: &str, lease: i64) -> LockRequest {
    LockRequest { name: name.to_owned().into(), lease }
}

fn unlock(key: &str) -> UnlockRequest {
    UnlockRequest { key: key.to_owned().into() }
}

pub fn locks() -> Vec<Step> {
    talk![
        grant(7, 60),
        lock("l", 7),
        everything(),
        time_to_live(7, true),
        lock("l", 7),
        unlock("l/7"),
        unlock("l/7"),
        everything(),
        lock("l", 7),
        revoke(7),
        everything(),
        lock("l", 99),
        unlock("nothing"),
        unlock(""),
        everything(),
    ]
}

pub fn locks_that_wait() -> Vec<Step> {
    talk![
        grant(7, 60),
        grant(8, 60),
        grant(9, 60),
        lock("l", 7),
        begin(1, lock("l", 8)),
        pause(150),
        begin(2, lock("l", 9)),
        pause(150),
        Step::Waits(1),
        Step::Waits(2),
        everything(),
        unlock("l/7"),
        Step::End(1),
        Step::Waits(2),
        // The holder's lease ends: the next one has the lock.
        revoke(8),
        Step::End(2),
        everything(),
        // One that waits and gives up leaves nothing.
        begin(3, lock("l", 7)),
        pause(150),
        Step::Waits(3),
        Step::Abandon(3),
        pause(150),
        everything(),
        // The lease of one that waits ends.
        begin(4, lock("l", 7)),
        pause(150),
        revoke(7),
        pause(150),
        unlock("l/9"),
        differs(
            Step::End(4),
            "3.4 gives the lock to one whose lease is gone, and whose key with it",
            "LockResponse",
            "Unknown: mutex: session is expired",
        ),
        everything(),
    ]
}

fn campaign(lease: i64, value: &str) -> CampaignRequest {
    CampaignRequest { name: "e".into(), lease, value: value.to_owned().into() }
}

fn leader(name: &str) -> LeaderRequest {
    LeaderRequest { name: name.to_owned().into() }
}

fn key(lease: i64, rev: i64) -> LeaderKey {
    LeaderKey { name: "e".into(), key: format!("e/{lease:x}").into(), rev, lease }
}

fn proclaim(leader: LeaderKey, value: &str) -> ProclaimRequest {
    ProclaimRequest { leader: Some(leader), value: value.to_owned().into() }
}

fn resign(leader: LeaderKey) -> ResignRequest {
    ResignRequest { leader: Some(leader) }
}

pub fn elections() -> Vec<Step> {
    talk![
        leader("e"),
        grant(7, 60),
        grant(8, 60),
        campaign(7, "first"),
        leader("e"),
        campaign(7, "again"),
        leader("e"),
        proclaim(key(7, 2), "changed"),
        leader("e"),
        begin(1, campaign(8, "second")),
        pause(150),
        Step::Waits(1),
        everything(),
        leader("e"),
        resign(key(7, 2)),
        Step::End(1),
        leader("e"),
        proclaim(key(7, 2), "too late"),
        resign(key(7, 2)),
        revoke(8),
        leader("e"),
        everything(),
    ]
}

pub fn elections_observed() -> Vec<Step> {
    talk![
        grant(7, 60),
        grant(8, 60),
        campaign(7, "first"),
        Step::Observe(1, "e"),
        Step::Observed(1),
        proclaim(key(7, 2), "changed"),
        Step::Observed(1),
        begin(1, campaign(8, "second")),
        pause(150),
        resign(key(7, 2)),
        Step::End(1),
        Step::Observed(1),
        put("other", "1"),
        proclaim(key(8, 4), "more"),
        Step::Observed(1),
    ]
}

pub fn bad_elections() -> Vec<Step> {
    talk![
        campaign(99, "no lease"),
        ProclaimRequest::default(),
        ResignRequest::default(),
        proclaim(key(7, 5), "nobody"),
        resign(key(7, 5)),
        leader(""),
        everything(),
    ]
}
