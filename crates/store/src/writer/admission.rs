//! Which transactions are let in when there is little room.

use crate::space::Space;
use crate::stage::Stage;
use crate::{Options, Txn, WriteError};

/// What one group may still take.
pub(super) struct Admission {
    disk_full: bool,
    /// By how many bytes keys and values may grow; `None` without a quota. What the group deletes
    /// counts from the next one on.
    left: Option<u64>,
    /// The least growth that was refused for the quota.
    refused: Option<u64>,
}

impl Admission {
    pub fn new(space: &Space, options: &Options, disk_full: bool) -> Admission {
        let left = options.live_bytes_max().map(|max| max.saturating_sub(space.live_bytes()));
        Admission { disk_full, left, refused: None }
    }

    /// Refuses what there is no room for: puts on a full disk, growth beyond the quota. As in etcd
    /// both branches count, whichever is taken.
    pub fn check(&mut self, txn: &Txn, stage: &Stage<'_>) -> Result<(), WriteError> {
        if self.disk_full && txn.puts() {
            return Err(WriteError::Full);
        }
        let Some(left) = self.left else { return Ok(()) };
        let growth = stage.growth(txn);
        self.left = left.checked_sub(growth).or(self.left);
        if growth > left {
            self.refused = Some(self.refused.map_or(growth, |least| least.min(growth)));
            return Err(WriteError::Quota);
        }
        Ok(())
    }

    /// What is no transaction and takes room too.
    pub fn check_other(&self) -> Result<(), WriteError> {
        if self.disk_full { Err(WriteError::Full) } else { Ok(()) }
    }

    /// The least growth that was refused for the quota, if any was.
    pub fn refused_for_quota(&self) -> Option<u64> {
        self.refused
    }
}
