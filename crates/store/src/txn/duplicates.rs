//! Whether a transaction writes a key twice.
//!
//! The rules are etcd's, as clients rely on them: a put meets no other put of its key and no
//! delete over it, except across the two branches of one nested transaction, which exclude each
//! other. A nested transaction is checked against the deletes of those before it and not of
//! those after it: there a key is put and then deleted, in the order in which it says so. Nor are
//! deletes without an end looked at: etcd takes those, and does one thing after the other.

use std::collections::BTreeSet;

use crate::{Op, Range};

/// What a list of operations may write, whichever branches it takes.
#[derive(Default)]
struct Writes<'t> {
    puts: BTreeSet<&'t [u8]>,
    deletes: Vec<&'t Range>,
}

/// A key is written twice.
struct Duplicate;

pub(super) fn writes_a_key_twice(ops: &[Op]) -> bool {
    match ops {
        [] | [Op::Put { .. } | Op::Delete { .. } | Op::Range { .. }] => false,
        ops => writes(ops).is_err(),
    }
}

fn writes(ops: &[Op]) -> Result<Writes<'_>, Duplicate> {
    let deletes = ops.iter().filter_map(|op| match op {
        Op::Delete { range } => range.end().is_some().then_some(range),
        Op::Put { .. } | Op::Range { .. } | Op::Txn(_) => None,
    });
    let mut all = Writes { deletes: deletes.collect(), ..Writes::default() };
    for op in ops {
        if let Op::Txn(nested) = op {
            all.add_either(writes(&nested.success)?, writes(&nested.failure)?)?;
        }
    }
    let mut own = Writes::default();
    for op in ops {
        if let Op::Put { key, .. } = op
            && !own.puts.insert(key.as_ref())
        {
            return Err(Duplicate);
        }
    }
    all.add_either(own, Writes::default())?;
    Ok(all)
}

impl<'t> Writes<'t> {
    /// Adds what one of two branches writes.
    fn add_either(&mut self, then: Writes<'t>, otherwise: Writes<'t>) -> Result<(), Duplicate> {
        if self.meets(&then.puts) || self.meets(&otherwise.puts) {
            return Err(Duplicate);
        }
        for branch in [then, otherwise] {
            self.puts.extend(branch.puts);
            self.deletes.extend(branch.deletes);
        }
        Ok(())
    }

    fn meets(&self, puts: &BTreeSet<&[u8]>) -> bool {
        let deleted = |range: &Range| {
            let bounds = range.bounds();
            bounds.is_some_and(|bounds| puts.range::<[u8], _>(bounds).next().is_some())
        };
        puts.iter().any(|key| self.puts.contains(*key))
            || self.deletes.iter().any(|range| deleted(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Txn;

    #[track_caller]
    fn check(ops: Vec<Op>, expected: bool) {
        assert_eq!(writes_a_key_twice(&ops), expected, "{ops:?}");
    }

    fn put(key: &'static str) -> Op {
        Op::put(key, "1")
    }

    fn nested(success: Vec<Op>, failure: Vec<Op>) -> Op {
        Op::txn(Txn { success, failure, ..Txn::new() })
    }

    #[test]
    fn a_branch_that_writes_a_key_twice_is_found() {
        check(vec![put("a"), put("a")], true);
        check(vec![put("a"), Op::delete("a")], true);
        check(vec![Op::delete_range(Range::prefix("a")), put("ab")], true);
        check(vec![put("ab"), Op::delete_range(Range::starting_at("a"))], false);
        check(vec![put("a"), put("b"), Op::delete("c")], false);
        check(vec![put("a"), Op::range(Range::key("a"), 0)], false);
        check(vec![Op::delete("a"), Op::delete_range(Range::all())], false);
        check(vec![put("b"), Op::delete_range(Range::new("c", "a"))], false);
    }

    #[test]
    fn nested_transactions_are_looked_into() {
        check(vec![nested(vec![put("a"), put("a")], vec![])], true);
        check(vec![nested(vec![], vec![put("a"), Op::delete("a")])], true);
        check(vec![put("a"), nested(vec![put("a")], vec![])], true);
        check(vec![put("a"), nested(vec![], vec![put("a")])], true);
        check(vec![nested(vec![put("a")], vec![]), nested(vec![put("a")], vec![])], true);
        check(vec![put("a"), nested(vec![nested(vec![put("a")], vec![])], vec![])], true);
        check(vec![put("a"), nested(vec![put("b")], vec![put("c")])], false);
    }

    #[test]
    fn both_branches_of_one_transaction_may_put_a_key() {
        check(vec![nested(vec![put("a")], vec![put("a")])], false);
        check(vec![nested(vec![put("a")], vec![put("a")]), put("a")], true);
    }

    #[test]
    fn deletes_meet_the_puts_of_later_transactions_and_of_the_levels_above() {
        check(vec![Op::delete("a"), nested(vec![put("a")], vec![])], true);
        check(vec![nested(vec![put("a")], vec![]), Op::delete("a")], true);
        check(vec![nested(vec![Op::delete("a")], vec![]), nested(vec![put("a")], vec![])], true);
        check(vec![nested(vec![Op::delete("a")], vec![]), put("a")], true);
        check(vec![nested(vec![put("a")], vec![]), nested(vec![Op::delete("a")], vec![])], false);
    }
}
