//! What there is beside the keys: leases and records.

use std::time::Duration;

use bytes::Bytes;

use super::{Records, Space};
use crate::LeaseId;
use crate::lease::table::{Leases, LoggedLease};

/// A change beside the keys: it has no revision, and nobody can watch it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    /// A lease is granted for this long.
    Lease(LeaseId, Duration),
    /// A lease is there no more.
    LeaseEnded(LeaseId),
    /// A record has this content, or none any more.
    Record(String, Option<Bytes>),
}

impl Setting {
    /// The lease that it grants.
    pub fn granted(&self) -> Option<LeaseId> {
        match self {
            Setting::Lease(id, _) => Some(*id),
            Setting::LeaseEnded(_) | Setting::Record(..) => None,
        }
    }

    /// The bytes of the record that it sets.
    pub fn record_bytes(&self) -> usize {
        match self {
            Setting::Record(name, Some(content)) => name.len() + content.len(),
            Setting::Record(_, None) | Setting::Lease(..) | Setting::LeaseEnded(_) => 0,
        }
    }
}

/// All that there is beside the keys, as the log and snapshots hold it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub leases: Vec<LoggedLease>,
    pub records: Vec<(String, Bytes)>,
}

impl Space {
    /// Takes in a change beside the keys, which is durable.
    pub fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Lease(id, ttl) => self.leases.grant(id, ttl),
            Setting::LeaseEnded(id) => self.leases.remove(id),
            Setting::Record(name, content) => self.records.set(name, content),
        }
    }

    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The keys that are attached to a lease, in order.
    pub fn keys_of(&self, lease: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.leased.keys(lease)
    }

    pub fn records(&self) -> &Records {
        &self.records
    }

    pub fn settings(&self) -> Settings {
        let records = self.records.with_prefix("");
        let records = records.map(|(name, content)| (name.clone(), content.clone())).collect();
        Settings { leases: self.leases.all_logged(), records }
    }

    /// Takes in what a snapshot holds beside the keys.
    pub fn restore_settings(&mut self, settings: Settings) {
        settings.leases.into_iter().for_each(|lease| self.restore_lease(lease));
        for (name, content) in settings.records {
            self.records.set(name, Some(content));
        }
    }

    /// Takes in a lease as the log or a snapshot has it.
    pub fn restore_lease(&mut self, lease: LoggedLease) {
        self.leases.restore(lease);
    }

    /// Forgets all leases and records: the log says them anew.
    pub fn clear_settings(&mut self) {
        self.leases.clear();
        self.records = Records::default();
    }
}
