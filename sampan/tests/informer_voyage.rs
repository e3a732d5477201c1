//! Informers of the real binary, which is killed again and again under writes while its history is
//! compacted: none of them misses an event or sees one twice.
//!
//! What happened is known from its writers, each of whom alone writes its objects. Every informer notes
//! what it sees, and at the end its notes are held against that history, event by event.
//!
//! `SAMPAN_INFORMERS` is how many there are (by hand 1000), `SAMPAN_INFORMER_KILLS` how often the server
//! is killed (by hand 100), `SAMPAN_INFORMER_SEED` repeats the choices of one voyage, and `SAMPAN_BIN` is
//! the binary if not this build's.

#[path = "support/boat.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod boat;
#[path = "informer/check.rs"]
mod check;
#[path = "informer/cluster.rs"]
mod cluster;
#[path = "informer/history.rs"]
mod history;
#[path = "../../crates/etcd/tests/support/port.rs"]
mod port;
#[path = "informer/reflector.rs"]
mod reflector;
#[path = "informer/writer.rs"]
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use boat::{Boat, is_root, skip};
use check::Check;
use cluster::Cluster;
use history::History;
use reflector::{Habits, Notes, Reflector};
use tokio::sync::watch;
use tokio::task::JoinSet;
use writer::{Dice, Writer};

/// So few revisions are kept that who sleeps through a storm must list again.
const REVISIONS_KEPT: u64 = 150;
/// Writers, each with some objects of its own.
const WRITERS: u64 = 6;
/// Events that all informers together shall get per second, roughly, while there is no storm.
const EVENTS_PER_SECOND: u64 = 4_000;
/// How long a storm may take: a thousand informers in a debug build get all of its events.
const STORM_MAX: Duration = Duration::from_secs(600);
/// Informers that share a client.
const INFORMERS_PER_CLIENT: u64 = 100;

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// What all who take part share.
pub struct Voyage {
    /// What happened.
    pub history: History,
    /// Writers write until then.
    pub over: AtomicBool,
    /// Writes that were answered.
    pub writes: AtomicU64,
    /// While this is so, writers do not pause, and some informers sleep.
    pub storm: watch::Sender<bool>,
    /// Between the writes of one writer.
    pub pause: Duration,
}

#[test]
fn informers_miss_nothing_through_kills_and_compaction() {
    if !is_root() {
        return skip("informer voyage", "it needs root");
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut boat = Boat::new("informers");
    boat.with_flag(format!("--store-history-revisions={REVISIONS_KEPT}"));
    boat.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let informers = number("SAMPAN_INFORMERS", 48);
    let notes = runtime.expect("a runtime").block_on(sail(&mut boat, informers));
    assert_eq!(notes.len() as u64, informers);
    let sum = |count: fn(&Notes) -> u64| notes.iter().map(count).sum::<u64>();
    let (events, resumed, expired) = (sum(|n| n.events), sum(|n| n.resumed), sum(|n| n.expired));
    eprintln!("{events} events, {resumed} watches taken up again, {expired} that had expired");
    assert!(events > 0 && resumed >= informers && expired > 0, "the voyage was too calm");
}

async fn sail(boat: &mut Boat, informers: u64) -> Vec<Notes> {
    let seed = number("SAMPAN_INFORMER_SEED", 1);
    let pause = Duration::from_millis((informers * WRITERS * 1000 / EVENTS_PER_SECOND).max(5));
    let voyage = Arc::new(Voyage {
        history: History::default(),
        over: AtomicBool::new(false),
        writes: AtomicU64::new(0),
        storm: watch::Sender::new(false),
        pause,
    });
    let cluster = Cluster::of(boat.data_dir()).await;
    cluster.make_namespace().await;
    let mut writers = JoinSet::new();
    for index in 0..WRITERS {
        let writer = Writer::new(cluster.clone(), index, Dice(seed * 1000 + index + 1));
        writers.spawn(writer.run(voyage.clone()));
    }
    let mut crews = JoinSet::new();
    let mut client = cluster.clone();
    for index in 0..informers {
        if index % INFORMERS_PER_CLIENT == 0 {
            client = Cluster::of(boat.data_dir()).await;
        }
        let reflector = Reflector::new(client.clone(), Habits::of(index));
        crews.spawn(reflector.run(voyage.clone()));
    }
    let mut dice = Dice(seed);
    for kill in 0..number("SAMPAN_INFORMER_KILLS", 4) {
        tokio::time::sleep(Duration::from_millis(200 + dice.roll(800))).await;
        if kill % 3 == 1 {
            storm(&voyage).await;
        }
        // Blocks this thread; all others go on.
        tokio::task::block_in_place(|| {
            boat.kill_server();
            boat.start();
        });
    }
    storm(&voyage).await;
    voyage.over.store(true, Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer");
    }
    writer::make_fence(&cluster, &voyage.history).await;
    let all = async {
        let mut notes = Vec::new();
        while let Some(ended) = crews.join_next().await {
            let one = ended.expect("an informer");
            Check::of(&voyage.history, &one)
                .unwrap_or_else(|why| panic!("{:?}: {why}", one.habits));
            notes.push(one);
        }
        notes
    };
    tokio::time::timeout(STORM_MAX, all).await.expect("every informer sees the last object")
}

/// More is written than is kept, while some sleep.
async fn storm(voyage: &Voyage) {
    let before = voyage.writes.load(Relaxed);
    voyage.storm.send_replace(true);
    let written = async {
        while voyage.writes.load(Relaxed) < before + REVISIONS_KEPT + 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(STORM_MAX, written).await.expect("the storm passes");
    voyage.storm.send_replace(false);
}
