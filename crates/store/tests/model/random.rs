//! What the steps are made of.

use bytes::Bytes;
use sampan_store::{Compare, LeaseId, Op, Options, Range, Relation, Revision, Target, Txn};

/// Leases that may be there at a time, with the names 1 and up.
pub const LEASES: u64 = 4;

/// A small generator (splitmix64): a failing seed fails again.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn key(&mut self) -> Bytes {
        format!("{}/{}", ["a", "b", "ab"][self.below(3) as usize], self.below(6)).into()
    }

    pub fn range(&mut self) -> Range {
        match self.below(5) {
            0 => Range::all(),
            1 => Range::key(self.key()),
            2 => Range::prefix(["a", "b/", "ab"][self.below(3) as usize]),
            3 => Range::starting_at(self.key()),
            _ => Range::new(self.key(), self.key()),
        }
    }

    fn value(&mut self) -> Bytes {
        vec![b'u' + self.below(3) as u8; self.below(60) as usize].into()
    }

    pub fn lease(&mut self) -> LeaseId {
        LeaseId(1 + self.below(LEASES) as i64)
    }

    fn put(&mut self) -> Op {
        let value = if self.one_in(6) { None } else { Some(self.value()) };
        let lease = match self.below(8) {
            0 => None,
            1..=2 => Some(self.lease()),
            _ => Some(LeaseId::NONE),
        };
        Op::Put { key: self.key(), value, lease }
    }

    /// A revision around those there are.
    pub fn revision(&mut self, head: Revision) -> Revision {
        Revision(1 + self.below(head.0 + 1))
    }

    fn compare(&mut self, head: Revision) -> Compare {
        let range = if self.one_in(3) { self.range() } else { Range::key(self.key()) };
        let target = match self.below(5) {
            0 => Target::Version(self.below(3)),
            1 => Target::CreateRevision(Revision(self.below(head.0 + 1))),
            2 => Target::ModRevision(Revision(self.below(head.0 + 1))),
            3 => Target::Value(self.value()),
            _ => Target::Lease(LeaseId(self.below(LEASES) as i64)),
        };
        let relations = [Relation::Equal, Relation::NotEqual, Relation::Greater, Relation::Less];
        Compare::over(range, target, relations[self.below(4) as usize])
    }

    fn op(&mut self, depth: u64, head: Revision) -> Op {
        match self.below(12) {
            0..=1 => Op::delete(self.key()),
            2 => Op::delete_range(self.range()),
            3 => Op::range(self.range(), self.below(4) as usize),
            4 => {
                let at = Some(self.revision(head));
                Op::Range { range: self.range(), limit: self.below(4) as usize, at }
            }
            5..=7 if depth > 0 => Op::txn(self.txn(depth - 1, head)),
            _ => self.put(),
        }
    }

    pub fn txn(&mut self, depth: u64, head: Revision) -> Txn {
        let mut txn = Txn::new();
        for _ in 0..self.below(3) {
            txn = txn.when(self.compare(head));
        }
        for _ in 0..self.below(3) {
            txn = txn.then(self.op(depth, head));
        }
        for _ in 0..self.below(3) {
            txn = txn.otherwise(self.op(depth, head));
        }
        if self.one_in(2) { txn.then(self.put()) } else { txn }
    }

    pub fn options(&mut self) -> Options {
        Options {
            history_revisions_max: 20 + self.below(200) as usize,
            history_bytes_max: 1 << (8 + self.below(8)),
            segment_bytes: 256 << self.below(5),
            snapshot_after_bytes: 1 << (9 + self.below(5)),
            ..Options::default()
        }
    }
}
