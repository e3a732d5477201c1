//! The key space and its past.

use super::*;
use crate::stage::Stage;
use crate::{Op, Txn};

fn write(space: &mut Space, ops: Vec<Op>) {
    let txn = Txn { success: ops, ..Txn::new() };
    let mut stage = Stage::new(space);
    stage.run(&txn).unwrap();
    for batch in stage.finish().batches {
        space.apply(batch);
    }
}

/// Revisions 2 to 6: a=1 b=1 | a=2 | delete b | b=2 | c=1
fn space() -> Space {
    let mut space = Space::new();
    write(&mut space, vec![Op::put("a", "1"), Op::put("b", "1")]);
    write(&mut space, vec![Op::put("a", "2")]);
    write(&mut space, vec![Op::delete("b")]);
    write(&mut space, vec![Op::put("b", "2")]);
    write(&mut space, vec![Op::put("c", "1")]);
    space
}

fn check(space: &Space, at: u64, expected: &str) {
    let found = match space.range(&Range::all(), Some(Revision(at)), 0) {
        Ok(reply) => {
            let texts = reply.entries.iter().map(|kv| {
                let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
                format!("{}={}", text(&kv.key), text(&kv.value))
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(found, expected, "at {at}");
}

#[test]
fn every_kept_revision_reads_as_it_was() {
    let space = space();
    check(&space, 1, "");
    check(&space, 2, "a=1 b=1");
    check(&space, 3, "a=2 b=1");
    check(&space, 4, "a=2");
    check(&space, 5, "a=2 b=2");
    check(&space, 6, "a=2 b=2 c=1");
    check(&space, 7, "Future { head: Revision(6) }");
}

#[test]
fn compaction_refuses_what_is_older_and_keeps_the_rest() {
    let mut space = space();
    space.compact(Revision(4));
    check(&space, 3, "Compacted { compacted: Revision(4) }");
    check(&space, 4, "a=2");
    check(&space, 5, "a=2 b=2");
    assert_eq!(space.past.len(), 0, "b at 5 superseded nothing that is still readable");
    assert_eq!(space.batches_from(Revision(5)).count(), 2);
}

#[test]
fn the_changes_of_the_compacted_revision_itself_are_kept() {
    let mut space = space();
    space.compact(Revision(4));
    assert_eq!(space.watchable(), Revision(4));
    assert_eq!(space.batches_from(Revision(0)).count(), 3);
    let restored = Space::restored(BTreeMap::new(), Revision(4));
    assert_eq!(restored.watchable(), Revision(5), "a snapshot does not have them");
}

#[test]
fn a_pinned_revision_survives_compaction() {
    let mut space = space();
    space.compact(Revision(2));
    let pin = space.pin();
    space.compact(Revision(6));
    let page = space.page_at_pin(&Range::all(), pin.revision(), 10);
    assert_eq!(page.len(), 2);
    assert_eq!(page[0].value, "1");
    check(&space, 5, "Compacted { compacted: Revision(6) }");
    space.unpin(pin);
    assert!(space.past.is_empty());
    assert_eq!(space.batches_from(Revision(0)).count(), 1);
}

#[test]
fn history_stays_within_its_bounds() {
    let options = Options { history_revisions_max: 2, ..Options::default() };
    let mut space = space();
    space.trim(&options);
    check(&space, 3, "Compacted { compacted: Revision(4) }");
    let options = Options { history_bytes_max: 0, ..Options::default() };
    space.trim(&options);
    check(&space, 5, "Compacted { compacted: Revision(6) }");
    check(&space, 6, "a=2 b=2 c=1");
}

#[test]
fn a_limit_says_whether_there_is_more() {
    let space = space();
    let reply = space.range(&Range::all(), None, 2).expect("the head is readable");
    assert_eq!((reply.entries.len(), reply.more, reply.count), (2, true, 3));
    let reply = space.range(&Range::all(), None, 3).expect("the head is readable");
    assert_eq!((reply.entries.len(), reply.more, reply.count), (3, false, 3));
}
