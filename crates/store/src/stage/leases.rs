//! Granting and ending leases on a stage.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::Stage;
use crate::lease::LEASES_MAX;
use crate::space::Setting;
use crate::{KeyValue, LeaseId, WriteError};

impl Stage<'_> {
    pub(super) fn is_granted(&self, id: LeaseId) -> bool {
        let staged = self.leases.get(&id).copied();
        staged.unwrap_or_else(|| self.space.leases().contains(id))
    }

    /// Grants a lease; one without a name gets one.
    pub fn grant(&mut self, id: LeaseId, ttl: Duration) -> Result<LeaseId, WriteError> {
        let granted = self.leases.values().filter(|granted| **granted).count();
        if self.space.leases().len() + granted >= LEASES_MAX {
            return Err(WriteError::TooManyLeases);
        }
        let id = if id == LeaseId::NONE { self.unused_id() } else { id };
        if self.is_granted(id) {
            return Err(WriteError::LeaseExists);
        }
        self.leases.insert(id, true);
        self.settings.push(Setting::Lease(id, ttl));
        Ok(id)
    }

    fn unused_id(&self) -> LeaseId {
        let ids = std::iter::repeat_with(LeaseId::random);
        ids.into_iter()
            .find(|id| !self.is_granted(*id))
            .expect("there are far more ids than leases")
    }

    /// Ends a lease and deletes what is attached to it, in key order, at one revision.
    pub fn revoke(&mut self, id: LeaseId) -> Result<(), WriteError> {
        if !self.is_granted(id) {
            return Err(WriteError::LeaseNotFound);
        }
        self.end_lease(id);
        Ok(())
    }

    /// [`Stage::revoke`] of a lease that was there when this was logged.
    pub fn end_lease(&mut self, id: LeaseId) {
        let revision = self.head.next();
        let keys = self.leased_keys(id);
        let events = keys.iter().map(|kv| self.delete(kv, revision)).collect();
        self.push(events);
        self.leases.insert(id, false);
        self.settings.push(Setting::LeaseEnded(id));
    }

    fn leased_keys(&self, id: LeaseId) -> Vec<KeyValue> {
        let here = self.leased.get(&id).into_iter().flatten();
        let keys: BTreeSet<&Bytes> = self.space.keys_of(id).chain(here).collect();
        let now = keys.into_iter().filter_map(|key| self.get(key));
        now.filter(|kv| kv.lease == id).cloned().collect()
    }
}
