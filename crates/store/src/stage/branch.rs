//! Which branches a transaction takes: decided before any of it is applied.

use crate::{Compare, Op, Txn, WriteError};

/// The branch that a transaction takes, with those that the transactions in it take.
pub(super) struct Branch<'t> {
    pub succeeded: bool,
    pub ops: &'t [Op],
    /// One for each transaction in `ops`, in their order.
    pub nested: Vec<Branch<'t>>,
}

impl<'t> Branch<'t> {
    /// Operations without transactions in them.
    pub fn of(ops: &'t [Op]) -> Branch<'t> {
        Branch { succeeded: true, ops, nested: Vec::new() }
    }

    pub fn choose(txn: &'t Txn, holds: &mut impl FnMut(&Compare) -> bool) -> Branch<'t> {
        let succeeded = txn.compares.iter().all(&mut *holds);
        let ops = if succeeded { &txn.success } else { &txn.failure };
        let mut nested = Vec::new();
        for op in ops {
            if let Op::Txn(txn) = op {
                nested.push(Branch::choose(txn, holds));
            }
        }
        Branch { succeeded, ops, nested }
    }

    /// Asks of every operation that will be applied, in their order, whether it can be.
    pub fn check(
        &self,
        check: &mut impl FnMut(&Op) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let mut nested = self.nested.iter();
        for op in self.ops {
            match op {
                Op::Txn(_) => {
                    let branch = nested.next().expect("one for each transaction");
                    branch.check(check)?;
                }
                _ => check(op)?,
            }
        }
        Ok(())
    }
}
