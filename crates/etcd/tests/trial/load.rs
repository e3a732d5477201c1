//! The clients of the trial: what they ask, and how they note it down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd::pb::etcdserverpb::RangeRequest;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use tokio::sync::RwLock;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::history::{Call, Clock, Moment, Outcome};
use super::model::{Action, Answer, Entry, Expect, Keys, Operation, Reply, Value};
use super::wire;

/// How long a client waits before it looks again whether the server is back.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the server may be away, or an answer take, before the trial is over.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Keys in use: few, so that clients meet.
const KEYS: u64 = 40;
/// Groups of keys that are read and deleted as one.
const GROUPS: u64 = 5;

/// What all clients share.
pub struct Notes {
    pub clock: Clock,
    calls: Mutex<Vec<Call>>,
    /// Held to read during an operation, and to write while a window is closed.
    pub gate: RwLock<()>,
}

impl Notes {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Notes { clock, calls: Mutex::default(), gate: RwLock::new(()) })
    }

    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().expect("nobody panics with it"))
    }

    fn note(&self, call: Call) {
        self.calls.lock().expect("nobody panics with it").push(call);
    }
}

/// How an operation ended for its client.
pub enum Done {
    Answered(Reply),
    /// The connection broke; the server is back by now.
    Unknown,
    /// The lease it named is not there, and so nothing was done.
    NoLease,
}

/// One client: asks, waits for the answer, notes both.
pub struct Client {
    pub number: usize,
    kv: KvClient<Channel>,
    notes: Arc<Notes>,
    next_value: Value,
}

impl Client {
    pub fn new(number: usize, endpoint: &str, notes: Arc<Notes>) -> Self {
        let kv = KvClient::new(wire::channel(endpoint)).max_decoding_message_size(64 << 20);
        // Values tell who wrote them, and when by their own counting.
        let next_value = (u64::try_from(number).expect("a small number") + 1) << 40;
        Client { number, kv, notes, next_value }
    }

    pub fn fresh_value(&mut self) -> Value {
        self.next_value += 1;
        self.next_value
    }

    /// Carries out an operation. An error is a definite one that should not be.
    pub async fn perform(&mut self, operation: Operation) -> Result<Done, String> {
        let start = self.notes.clock.now();
        let answer = wire::carry_out(&mut self.kv, &operation);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.map_err(|_| format!("no answer, and no error: {operation:?}"))?;
        match answer {
            Ok(reply) => {
                let end = self.notes.clock.now();
                let outcome = Outcome::Known { reply: reply.clone(), end };
                self.note(operation, start, outcome);
                Ok(Done::Answered(reply))
            }
            Err(status) if wire::is_unknown(&status) => {
                self.note(operation, start, Outcome::Unknown);
                self.wait_for_server().await?;
                Ok(Done::Unknown)
            }
            Err(status) if is_no_lease(&status) => Ok(Done::NoLease),
            Err(status) => Err(format!("client {}: {operation:?}: {status:?}", self.number)),
        }
    }

    fn note(&self, operation: Operation, start: Moment, outcome: Outcome) {
        self.notes.note(Call { client: self.number, operation, start, outcome });
    }

    /// Asks until the server answers. What was asked before is settled then.
    pub async fn wait_for_server(&mut self) -> Result<(), String> {
        let ask = async {
            loop {
                let one = RangeRequest { key: "k".into(), ..RangeRequest::default() };
                match self.kv.range(one).await {
                    Ok(_) => return Ok(()),
                    Err(status) if wire::is_unknown(&status) => tokio::time::sleep(PAUSE).await,
                    Err(status) => return Err(format!("while it starts: {status:?}")),
                }
            }
        };
        let back = tokio::time::timeout(PATIENCE, ask).await;
        back.map_err(|_| "the server does not come back".to_owned())?
    }

    /// Asks at random until it is dropped or something is wrong.
    pub async fn run(mut self, seed: u64) -> String {
        let mut chooser = Chooser::new(seed);
        let notes = self.notes.clone();
        loop {
            let _open = notes.gate.read().await;
            let operation = chooser.operation(&mut self);
            match self.perform(operation).await {
                Ok(Done::Answered(reply)) => chooser.learn(&reply),
                Ok(Done::Unknown | Done::NoLease) => {}
                Err(wrong) => return wrong,
            }
        }
    }
}

pub fn is_no_lease(status: &Status) -> bool {
    status.code() == Code::NotFound && status.message().contains("requested lease not found")
}

/// A small generator (splitmix64): a seed asks the same again.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Chooses operations, so that compares hold often but not always.
struct Chooser {
    random: Random,
    /// What was last seen of keys.
    seen: BTreeMap<String, Option<Entry>>,
}

impl Chooser {
    fn new(seed: u64) -> Self {
        Chooser { random: Random(seed), seen: BTreeMap::new() }
    }

    fn learn(&mut self, reply: &Reply) {
        for answer in &reply.answers {
            if let Answer::Got(found) = answer {
                self.seen.extend(found.iter().map(|(key, entry)| (key.clone(), Some(*entry))));
            }
        }
    }

    fn key(&mut self) -> String {
        let number = self.random.below(KEYS);
        format!("k{}/{number:02}", number % GROUPS)
    }

    fn group(&mut self) -> Keys {
        Keys::Prefix(format!("k{}/", self.random.below(GROUPS)))
    }

    fn put(&mut self, client: &mut Client, key: String) -> Action {
        Action::Put { key, value: client.fresh_value(), lease: 0 }
    }

    fn operation(&mut self, client: &mut Client) -> Operation {
        let key = self.key();
        match self.random.below(100) {
            0..30 => Operation::plain(Action::Get(Keys::One(key))),
            30..55 => Operation::plain(self.put(client, key)),
            55..62 => Operation::plain(Action::Delete(Keys::One(key))),
            62..67 => Operation::plain(Action::Get(self.group())),
            67..68 => Operation::plain(Action::Delete(self.group())),
            68..85 => self.swap(client, key),
            _ => self.several(client, key),
        }
    }

    /// Compare and set.
    fn swap(&mut self, client: &mut Client, key: String) -> Operation {
        let compares = vec![(key.clone(), self.expect(&key))];
        let then = vec![match self.random.below(4) {
            0 => Action::Delete(Keys::One(key.clone())),
            _ => self.put(client, key.clone()),
        }];
        Operation { compares, then, otherwise: vec![Action::Get(Keys::One(key))] }
    }

    fn expect(&mut self, key: &str) -> Expect {
        match self.seen.get(key).copied().flatten() {
            Some(entry) if self.random.below(2) == 0 => Expect::Value(entry.value),
            Some(entry) => Expect::Modified(entry.modified),
            None => Expect::Absent,
        }
    }

    /// Several keys at once: all or none.
    fn several(&mut self, client: &mut Client, key: String) -> Operation {
        let mut keys = vec![key];
        for _ in 0..1 + self.random.below(3) {
            let key = self.key();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let compares = match self.random.below(3) {
            0 => Vec::new(),
            _ => vec![(keys[0].clone(), self.expect(&keys[0]))],
        };
        let then = keys.iter().map(|key| match self.random.below(5) {
            0 => Action::Get(Keys::One(key.clone())),
            1 => Action::Delete(Keys::One(key.clone())),
            _ => self.put(client, key.clone()),
        });
        let then = then.collect();
        let otherwise = keys.iter().map(|key| Action::Get(Keys::One(key.clone()))).collect();
        Operation { compares, then, otherwise }
    }
}
