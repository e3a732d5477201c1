//! Conversations nobody thought of: a seed makes one, and asks the same again.

use etcd::pb::etcdserverpb::compare::CompareResult;
use etcd::pb::etcdserverpb::watch_create_request::FilterType;
use etcd::pb::etcdserverpb::*;

use crate::asks::Ask;
use crate::parts;
use crate::say::{
    ALL, compact, create, created, delete_range, everything, get, grant, lease, modified, over,
    put, revoke, time_to_live, txn, value, version, watch, when,
};
use crate::talk::{Side, Step, judge, with_both};

/// How many conversations there are, and how long each is.
const SEEDS: u64 = 250;
const STEPS: u64 = 40;
/// The key whose put ends a conversation.
const END: &str = "~end";

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn small(&mut self, end: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(end).expect("not negative"))).expect("small")
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("a place")]
    }
}

/// Makes up a conversation that begins at some revision.
struct Chatter {
    random: Random,
    /// The revision at the beginning.
    base: i64,
    /// Whether puts in transactions may keep a value or lease, or there are deletes in them: a
    /// transaction that deletes a key and then keeps something of it takes etcd 3.4 down.
    keeps: bool,
}

const KEYS: [&str; 8] = ["a", "b", "c", "ab", "a/1", "a/2", "b/1", "z"];
const ENDS: [&str; 8] = ["", "", "", "b", "c", "a0", "zz", ALL];
const VALUES: [&str; 5] = ["", "1", "2", "3", "a longer value"];
const LEASES: [i64; 4] = [0, 101, 102, 103];

impl Chatter {
    fn key(&mut self) -> &'static str {
        if self.random.one_in(60) { "" } else { self.random.of(&KEYS) }
    }

    /// A revision, mostly one there was since the beginning.
    fn revision(&mut self) -> i64 {
        match self.random.below(12) {
            0 => self.random.of(&[-1, 1, i64::MAX]),
            _ => self.base + self.random.small(STEPS.cast_signed()),
        }
    }

    fn maybe_revision(&mut self, one_in: u64) -> i64 {
        if self.random.one_in(one_in) { self.revision() } else { 0 }
    }

    fn range(&mut self) -> RangeRequest {
        let sorted = self.random.one_in(3);
        RangeRequest {
            range_end: self.random.of(&ENDS).into(),
            limit: if self.random.one_in(3) { self.random.small(5) } else { 0 },
            revision: self.maybe_revision(3),
            sort_order: if sorted { self.random.of(&[0, 1, 2]) } else { 0 },
            sort_target: if sorted { self.random.of(&[0, 1, 2, 3, 4]) } else { 0 },
            serializable: self.random.one_in(4),
            keys_only: self.random.one_in(6),
            count_only: self.random.one_in(8),
            min_mod_revision: self.maybe_revision(12),
            max_mod_revision: self.maybe_revision(12),
            min_create_revision: self.maybe_revision(12),
            max_create_revision: self.maybe_revision(12),
            ..get(self.key())
        }
    }

    /// A revision below zero is the newest in a plain range, and for us here as well; for etcd it
    /// is one that was compacted, if anything was. No client asks for it, and so we do not either.
    fn range_amid_writes(&mut self) -> RangeRequest {
        let range = self.range();
        RangeRequest { revision: range.revision.max(0), ..range }
    }

    fn put(&mut self) -> PutRequest {
        let (ignore_value, ignore_lease) = (self.random.one_in(12), self.random.one_in(12));
        let value =
            if ignore_value && !self.random.one_in(8) { "" } else { self.random.of(&VALUES) };
        let lease = if ignore_lease { 0 } else { self.random.of(&LEASES) };
        let prev_kv = self.random.one_in(2);
        PutRequest { lease, prev_kv, ignore_value, ignore_lease, ..put(self.key(), value) }
    }

    fn put_in_txn(&mut self) -> PutRequest {
        let put = self.put();
        if self.keeps {
            put
        } else {
            PutRequest { ignore_value: false, ignore_lease: false, ..put }
        }
    }

    fn delete(&mut self) -> DeleteRangeRequest {
        let end = if self.random.one_in(6) { self.random.of(&ENDS) } else { "" };
        let prev_kv = self.random.one_in(2);
        DeleteRangeRequest { prev_kv, ..delete_range(self.key(), end) }
    }

    fn compare(&mut self) -> Compare {
        use CompareResult::{Equal, Greater, Less, NotEqual};
        let target = match self.random.below(5) {
            0 => version(self.random.small(4)),
            1 => created(self.maybe_revision(2)),
            2 => modified(self.maybe_revision(2)),
            3 => value(self.random.of(&VALUES)),
            _ => lease(self.random.of(&LEASES)),
        };
        let result = self.random.of(&[Equal, NotEqual, Less, Greater]);
        let compare = when(self.key(), result, target);
        if self.random.one_in(5) { over(compare, self.random.of(&ENDS)) } else { compare }
    }

    fn parts(&mut self, depth: u64) -> Vec<RequestOp> {
        (0..self.random.below(4))
            .flat_map(|_| match self.random.below(if depth == 0 { 8 } else { 10 }) {
                0..3 => parts![self.range_amid_writes()],
                3..6 => parts![self.put_in_txn()],
                6..8 if self.keeps => parts![self.range_amid_writes()],
                6..8 => parts![self.delete()],
                _ => parts![self.txn(depth - 1)],
            })
            .collect()
    }

    fn txn(&mut self, depth: u64) -> TxnRequest {
        let compares = (0..self.random.below(3)).map(|_| self.compare()).collect();
        txn(compares, self.parts(depth), self.parts(depth))
    }

    fn ask(&mut self) -> Ask {
        match self.random.below(100) {
            0..25 => self.range().into(),
            25..50 => self.put().into(),
            50..60 => self.delete().into(),
            60..85 => self.txn(2).into(),
            85..90 => grant(self.random.of(&[101, 102, 103]), 600 + self.random.small(60)).into(),
            90..93 => revoke(self.random.of(&[101, 102, 103])).into(),
            93..97 => time_to_live(self.random.of(&[101, 102, 103]), true).into(),
            97..98 => LeaseLeasesRequest {}.into(),
            _ if self.random.one_in(3) => compact(self.revision().max(0)).into(),
            _ => everything().into(),
        }
    }

    fn watch(&mut self) -> WatchCreateRequest {
        let filters = match self.random.below(6) {
            0 => vec![FilterType::Noput.into()],
            1 => vec![FilterType::Nodelete.into()],
            _ => Vec::new(),
        };
        // The last put ends the conversation, and must be seen.
        let filters = if filters == [i32::from(FilterType::Noput)] { Vec::new() } else { filters };
        let prev_kv = self.random.one_in(2);
        WatchCreateRequest { filters, prev_kv, start_revision: self.base + 1, ..watch(ALL, ALL) }
    }

    fn conversation(mut self) -> Vec<Step> {
        let mut steps = vec![create(0, self.watch()), Step::Watched(0, 1)];
        steps.extend((0..STEPS).map(|_| Step::Ask(self.ask())));
        steps.extend([101, 102, 103].map(|id| Step::from(revoke(id))));
        steps.extend([Step::from(everything()), Step::from(put(END, ""))]);
        // A watch from the beginning on may have been compacted away under way.
        steps.push(Step::from(delete_range(ALL, ALL)));
        steps
    }
}

async fn head(side: &Side) -> i64 {
    let reply = side.peer.kv().range(get("a")).await.expect("a server that lives");
    reply.into_inner().header.expect("a header").revision
}

async fn converse(seed: u64, etcd: &mut Side, ours: &mut Side) {
    let base = head(etcd).await;
    let chatter = Chatter { random: Random(seed), base, keeps: seed.is_multiple_of(2) };
    for (place, step) in chatter.conversation().iter().enumerate() {
        let (theirs, our) = tokio::join!(etcd.take(step), ours.take(step));
        if let Some(wrong) = judge(step, &theirs, &our) {
            panic!("seed {seed}, step {place}, from revision {base}: {step:?}\n{wrong}");
        }
    }
    let told = Step::WatchedUntil(0, END);
    let (theirs, our) = tokio::join!(etcd.take(&told), ours.take(&told));
    if let Some(wrong) = judge(&told, &theirs, &our) {
        panic!("seed {seed}, what was watched from revision {base} on:\n{wrong}");
    }
    etcd.leave_off();
    ours.leave_off();
}

/// `SAMPAN_DIFFERENTIAL_SEEDS` asks for others, as in `144..145`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SAMPAN_DIFFERENTIAL_SEEDS") else { return 0..SEEDS };
    let seeds =
        text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    seeds.unwrap_or_else(|| panic!("SAMPAN_DIFFERENTIAL_SEEDS={text} is no range"))
}

#[test]
fn whatever_is_asked_is_answered_alike() {
    with_both(async |mut etcd, mut ours| {
        for seed in seeds() {
            converse(seed, &mut etcd, &mut ours).await;
        }
    });
}
