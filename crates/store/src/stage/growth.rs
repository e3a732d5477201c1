//! What a transaction would add, before it is worked out.

use super::Stage;
use crate::{Op, Txn};

impl Stage<'_> {
    /// By how many bytes keys and values would grow at most, whichever branches are taken. What a
    /// transaction deletes itself is not counted against what it puts.
    pub fn growth(&self, txn: &Txn) -> u64 {
        self.growth_of(&txn.success).max(self.growth_of(&txn.failure))
    }

    fn growth_of(&self, ops: &[Op]) -> u64 {
        let growth = ops.iter().map(|op| match op {
            Op::Put { key, value: Some(value), .. } => {
                let new = (key.len() + value.len()) as u64;
                new.saturating_sub(self.get(key).map_or(0, |stored| stored.bytes()))
            }
            Op::Txn(txn) => self.growth(txn),
            Op::Put { value: None, .. } | Op::Delete { .. } | Op::Range { .. } => 0,
        });
        growth.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;

    fn check(txn: Txn, expected: u64) {
        let mut space = Space::new();
        let mut stage = Stage::new(&space);
        stage.run(&Txn::new().then(Op::put("key", "0123456789"))).expect("nothing refuses it");
        stage.finish().batches.into_iter().for_each(|batch| space.apply(batch));
        assert_eq!(Stage::new(&space).growth(&txn), expected, "{txn:?}");
    }

    #[test]
    fn growth_is_what_is_put_less_what_it_replaces() {
        let put = |key: &'static str, value: &'static str| Txn::new().then(Op::put(key, value));
        check(Txn::new().then(Op::delete("key")), 0);
        check(put("new", "12345"), 8);
        check(put("key", "0123456789"), 0);
        check(put("key", "1"), 0);
        check(put("key", "0123456789ab"), 2);
        check(put("new", "12345").otherwise(Op::put("other", "1234567")), 12);
        check(Txn::new().then(Op::Txn(Box::new(put("new", "12345")))), 8);
    }
}
