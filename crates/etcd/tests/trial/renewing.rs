//! The clients with leases: some keep theirs alive through every kill, some let theirs lapse, some
//! revoke them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd::pb::etcdserverpb::lease_client::LeaseClient;
use etcd::pb::etcdserverpb::{LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest};
use tonic::Status;
use tonic::transport::Channel;

use super::leases::Leases;
use super::load::{Client, Done, Notes, PATIENCE, Random, is_no_lease};
use super::model::{Action, Operation};
use super::wire;

/// The keys of leases begin with this; they go without being asked for.
pub const PREFIX: &str = "lease/";
/// The times to live of leases that lapse, in seconds.
const SHORT_TTLS: [i64; 3] = [2, 3, 5];
/// That of leases that are kept.
const LONG_TTL: i64 = 8;
/// How often a kept lease is renewed.
const RENEW_INTERVAL: Duration = Duration::from_millis(700);
/// How often a kept lease is renewed before it is given up for a new one.
const RENEWALS: u64 = 60;

/// What a holder does with its leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Keeps,
    LetsLapse,
}

/// A client that holds one lease after another.
pub struct Holder {
    client: Client,
    lease: LeaseClient<Channel>,
    leases: Arc<Mutex<Leases>>,
    notes: Arc<Notes>,
    habit: Habit,
    random: Random,
}

/// How a request about a lease ended.
enum Answer<T> {
    Known(T),
    Unknown,
    Gone,
}

impl Holder {
    pub fn new(
        client: Client,
        endpoint: &str,
        notes: Arc<Notes>,
        leases: Arc<Mutex<Leases>>,
        habit: Habit,
        seed: u64,
    ) -> Self {
        let lease = LeaseClient::new(wire::channel(endpoint));
        Holder { client, lease, leases, notes, habit, random: Random(seed) }
    }

    /// Holds leases until it is dropped or something is wrong.
    pub async fn run(mut self) -> String {
        loop {
            let life = match self.habit {
                Habit::Keeps => self.keep().await,
                Habit::LetsLapse => self.lapse().await,
            };
            if let Err(wrong) = life {
                return format!("{:?}: {wrong}", self.habit);
            }
        }
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, Leases> {
        self.leases.lock().expect("nobody panics with it")
    }

    /// A lease that must be there until it is revoked.
    async fn keep(&mut self) -> Result<(), String> {
        let Some(id) = self.grant(LONG_TTL).await? else { return Ok(()) };
        self.attach(id, 1).await?;
        for _ in 0..RENEWALS {
            tokio::time::sleep(RENEW_INTERVAL).await;
            if !self.renew(id).await? {
                return Ok(());
            }
        }
        self.revoke(id).await
    }

    /// A lease that is left alone after a while, or revoked.
    async fn lapse(&mut self) -> Result<(), String> {
        let ttl = SHORT_TTLS[usize::try_from(self.random.below(3)).expect("a place")];
        let Some(id) = self.grant(ttl).await? else { return Ok(()) };
        let keys = 1 + self.random.below(3);
        self.attach(id, keys).await?;
        for _ in 0..self.random.below(4) {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if !self.renew(id).await? {
                return Ok(());
            }
        }
        if self.random.below(4) == 0 {
            return self.revoke(id).await;
        }
        tokio::time::sleep(Duration::from_millis(self.random.below(3000))).await;
        Ok(())
    }

    /// None when nobody knows whether it was granted: it has no keys and lapses unseen.
    async fn grant(&mut self, ttl: i64) -> Result<Option<i64>, String> {
        let id = i64::try_from(self.random.below(1 << 62)).expect("62 bits") + 1;
        let start = self.notes.clock.now();
        let request = LeaseGrantRequest { ttl, id };
        let answer = answered(self.lease.lease_grant(request)).await?;
        match answer {
            Answer::Known(response) => {
                let response = response.into_inner();
                if (response.id, response.ttl) != (id, ttl) {
                    return Err(format!("asked for lease {id} of {ttl} s, got {response:?}"));
                }
                let ttl = Duration::from_secs(u64::try_from(ttl).expect("a positive time"));
                let end = self.notes.clock.now();
                self.leases().granted(id, ttl, start, end);
                Ok(Some(id))
            }
            Answer::Unknown => self.client.wait_for_server().await.map(|()| None),
            Answer::Gone => Err(format!("the grant of lease {id} was answered with not found")),
        }
    }

    async fn attach(&mut self, id: i64, keys: u64) -> Result<(), String> {
        for number in 0..keys {
            let key = format!("{PREFIX}{id:x}/{number}");
            let value = self.client.fresh_value();
            let put = Operation::plain(Action::Put { key, value, lease: id });
            let notes = self.notes.clone();
            let _open = notes.gate.read().await;
            match self.client.perform(put).await? {
                Done::Answered(_) => self.leases().attached(id),
                Done::Unknown => {}
                Done::NoLease => return self.gone(id),
            }
        }
        Ok(())
    }

    fn gone(&mut self, id: i64) -> Result<(), String> {
        let now = self.notes.clock.now();
        self.leases().told_gone(id, now).map_err(|broken| broken.to_string())
    }

    /// False when the lease is there no more.
    async fn renew(&mut self, id: i64) -> Result<bool, String> {
        let start = self.notes.clock.now();
        let one = futures::stream::once(async move { LeaseKeepAliveRequest { id } });
        let ask = async {
            let mut stream = self.lease.lease_keep_alive(one).await?.into_inner();
            stream.message().await?.ok_or_else(|| Status::unavailable("the stream ended"))
        };
        let answer = answered(ask).await?;
        let now = self.notes.clock.now();
        match answer {
            Answer::Known(response) if response.ttl > 0 => {
                self.leases().renewed(id, start, Some(now), now);
                Ok(true)
            }
            Answer::Known(_) | Answer::Gone => {
                self.gone(id)?;
                Ok(false)
            }
            Answer::Unknown => {
                self.leases().renewed(id, start, None, now);
                self.client.wait_for_server().await?;
                Ok(true)
            }
        }
    }

    async fn revoke(&mut self, id: i64) -> Result<(), String> {
        let start = self.notes.clock.now();
        self.leases().revoking(id, start);
        match answered(self.lease.lease_revoke(LeaseRevokeRequest { id })).await? {
            Answer::Known(_) => {
                let now = self.notes.clock.now();
                self.leases().revoked(id, now);
                Ok(())
            }
            Answer::Unknown => self.client.wait_for_server().await,
            Answer::Gone => Ok(()),
        }
    }
}

async fn answered<T>(ask: impl Future<Output = Result<T, Status>>) -> Result<Answer<T>, String> {
    let answer = tokio::time::timeout(PATIENCE, ask).await;
    match answer.map_err(|_| "a lease request has no answer and no error".to_owned())? {
        Ok(answer) => Ok(Answer::Known(answer)),
        Err(status) if wire::is_unknown(&status) => Ok(Answer::Unknown),
        Err(status) if is_no_lease(&status) => Ok(Answer::Gone),
        Err(status) => Err(format!("a lease request: {status:?}")),
    }
}
