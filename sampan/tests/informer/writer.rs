//! One who writes objects that nobody else writes, and knows what became of each write.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Voyage;
use crate::cluster::{Cluster, OBJECTS};
use crate::history::{History, State};

/// Objects of each writer.
const KEYS: u64 = 6;
/// The last object of all; both kinds of informers see it.
pub const FENCE: &str = "k-fence";
/// How long a server that does not answer is left alone.
const BREATH: Duration = Duration::from_millis(20);

/// Small numbers that a seed repeats.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

pub struct Writer {
    cluster: Cluster,
    index: u64,
    dice: Dice,
    /// Every write has its own number, also one that did not happen.
    number: u64,
}

fn object(name: &str, number: u64) -> Value {
    let parity = if number.is_multiple_of(2) { "even" } else { "odd" };
    json!({
        "metadata": {
            "name": name,
            "labels": {"parity": parity},
            "annotations": {"number": number.to_string()},
        },
        "data": {"text": "x".repeat(200)},
    })
}

/// The number and the revision of an object.
fn about(object: &Value) -> (u64, u64) {
    let metadata = &object["metadata"];
    let number = |text: &Value| text.as_str().and_then(|text| text.parse().ok());
    let both = (number(&metadata["annotations"]["number"]), number(&metadata["resourceVersion"]));
    match both {
        (Some(number), Some(revision)) => (number, revision),
        _ => panic!("not one of ours: {object}"),
    }
}

impl Writer {
    pub fn new(cluster: Cluster, index: u64, dice: Dice) -> Self {
        Self { cluster, index, dice, number: 0 }
    }

    pub async fn run(mut self, voyage: Arc<Voyage>) {
        while !voyage.over.load(Relaxed) {
            self.write(&voyage.history).await;
            voyage.writes.fetch_add(1, Relaxed);
            if !*voyage.storm.borrow() {
                tokio::time::sleep(voyage.pause).await;
            }
        }
    }

    async fn write(&mut self, history: &History) {
        let key = format!("k-{}-{}", self.index, self.dice.roll(KEYS));
        let before = history.last(&key);
        self.number += 1;
        let number = self.number;
        let path = format!("{OBJECTS}/{key}");
        let body = object(&key, number);
        let deletes = before.there && self.dice.roll(5) == 0;
        let answered = match (before.there, deletes) {
            (false, _) => self.cluster.ask::<Value>("POST", OBJECTS, Some(&body)).await,
            (true, false) => self.cluster.ask("PATCH", &path, Some(&body)).await,
            (true, true) => self.cluster.ask("DELETE", &path, None).await,
        };
        let gone = State { number: before.number, there: false, revision: None };
        let written = match answered {
            Ok((200, _)) if deletes => Some(gone),
            Ok((200 | 201, object)) => {
                let (number, revision) = about(&object);
                Some(State { number, there: true, revision: Some(revision) })
            }
            // The server was killed, or says that it is not there yet or busy: did it happen?
            Ok((429 | 500.., _)) | Err(_) => self.look(&key, before, (number, deletes)).await,
            Ok((code, reply)) => panic!("{key}: {code}: {reply}"),
        };
        written.into_iter().for_each(|state| history.add(&key, state));
    }

    /// What became of a write that was not answered; `None` when it did not happen.
    async fn look(
        &self,
        key: &str,
        before: State,
        (number, deletes): (u64, bool),
    ) -> Option<State> {
        let now = look(&self.cluster, key).await;
        let was = before.there.then_some((before.number, before.revision));
        match now {
            None if deletes => Some(State { there: false, revision: None, ..before }),
            Some((found, revision)) if found == number && !deletes => {
                Some(State { number, there: true, revision: Some(revision) })
            }
            now => {
                let now = now.map(|(number, revision)| (number, Some(revision)));
                assert_eq!(now, was, "{key} is neither as it was nor as it was to be");
                None
            }
        }
    }
}

/// The number and the revision of an object that may be there, from a server that may not.
async fn look(cluster: &Cluster, key: &str) -> Option<(u64, u64)> {
    loop {
        match cluster.ask::<Value>("GET", &format!("{OBJECTS}/{key}"), None).await {
            Ok((200, object)) => return Some(about(&object)),
            Ok((404, _)) => return None,
            Ok((429 | 500.., _)) | Err(_) => tokio::time::sleep(BREATH).await,
            Ok((code, reply)) => panic!("{key}: {code}: {reply}"),
        }
    }
}

/// Makes the object after which nothing happens any more.
pub async fn make_fence(cluster: &Cluster, history: &History) {
    let body = object(FENCE, 0);
    let (code, made) = cluster.ask::<Value>("POST", OBJECTS, Some(&body)).await.expect("a reply");
    assert_eq!(code, 201, "{made}");
    let (number, revision) = about(&made);
    history.add(FENCE, State { number, there: true, revision: Some(revision) });
}
