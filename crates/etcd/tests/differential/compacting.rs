//! Compaction, and what is seen of the past after it.

use etcd::pb::etcdserverpb::{CompactionRequest, RangeRequest};

use crate::say::{compact, delete, everything, get, put, txn};
use crate::talk::Step;
use crate::{parts, talk};

fn some_history() -> Vec<Step> {
    talk![put("a", "1"), put("b", "1"), put("a", "2"), delete("b"), put("c", "1"), put("a", "3")]
}

pub fn compactions() -> Vec<Step> {
    let mut steps = some_history();
    steps.extend(talk![
        compact(0),
        compact(-1),
        compact(1),
        compact(3),
        compact(3),
        compact(2),
        compact(8),
        compact(i64::MAX),
        CompactionRequest { revision: 4, physical: false },
        CompactionRequest { revision: 7, physical: false },
        compact(7),
        put("a", "4"),
        compact(8),
        everything(),
    ]);
    steps
}

pub fn reads_of_what_was_compacted() -> Vec<Step> {
    let at = |revision, key| RangeRequest { revision, ..get(key) };
    let mut steps = some_history();
    steps.push(Step::from(compact(4)));
    for revision in 1..9 {
        steps.push(Step::from(at(revision, "a")));
        steps.push(Step::from(at(revision, "b")));
        steps.push(Step::from(RangeRequest { revision, ..everything() }));
    }
    steps.extend(talk![
        txn(vec![], parts![at(3, "a")], parts![]),
        txn(vec![], parts![put("x", "1"), at(3, "a")], parts![]),
        txn(vec![], parts![put("x", "1"), at(4, "a")], parts![]),
        at(3, ""),
        get("a"),
        everything(),
    ]);
    steps
}
