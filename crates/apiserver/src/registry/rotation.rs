//! Which keys the values at rest are sealed with, and how a key is replaced.
//!
//! Rotation: a new key goes to the disk and seals from then on; every other value is written anew
//! under it; history from before is given up; then, when no value needs them, the old keys leave
//! the file. A crash in between leaves all keys that are needed, and the next start goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::{CompactError, Compare, KeyValue, Op, Range, Revision, Txn};

use super::vault::{SEALED, Unwritten, Vault};
use crate::pki::keyring::{Keyring, SealError};

/// Values looked at under one lock of the store.
const PAGE: usize = 200;
/// How often a value that others write meanwhile is tried, and how often all are looked through.
const ROUNDS_MAX: usize = 100;

/// Why the keys are not right, or could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// What is stored cannot be opened.
    #[error(
        "{count} Secrets in the store, {example} among them, are sealed with the key {key}, which is not in {path}\n\
         put back the file that has it: it is in every backup, and in the data directory of the server that wrote them"
    )]
    MissingKey {
        /// Which key.
        key: String,
        /// How many are sealed with it.
        count: usize,
        /// The key of one of them.
        example: String,
        /// Where the key should be.
        path: String,
    },
    /// A value could not be opened or sealed, or a key not kept.
    #[error("change the encryption key")]
    Key(#[from] SealError),
    /// Something could not be written.
    #[error(
        "write a Secret under the new key: {0}; what is done is done, and the next start goes on"
    )]
    Write(String),
    /// The old keys are still needed for what is held of the past.
    #[error(
        "give up the history that is sealed with the old key; the old key is kept, and the next start tries again"
    )]
    Compact(#[from] CompactError),
    /// Others write faster than we.
    #[error(
        "Secrets change too fast to be written under the new key; the old key is kept, and the next start tries again"
    )]
    Busy,
}

impl From<Unwritten> for SecretsError {
    fn from(error: Unwritten) -> Self {
        match error {
            Unwritten::Sealed(error) => error.into(),
            Unwritten::Store(error) => Self::Write(error.to_string()),
        }
    }
}

/// How the Secrets at rest are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretsReport {
    /// The keys in the file; the first seals.
    pub keys: Vec<String>,
    /// How many Secrets are sealed with each key.
    pub sealed: BTreeMap<String, usize>,
    /// How many are from before there was encryption.
    pub plain: usize,
}

/// What a rotation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotated {
    /// The key that seals now.
    pub key: String,
    /// How many Secrets were written anew.
    pub rewritten: usize,
    /// The keys that are no more.
    pub dropped: Vec<String>,
}

impl Vault {
    /// Counts what is sealed with which key.
    pub(crate) fn report(&self) -> SecretsReport {
        let mut report = SecretsReport { keys: self.keys().ids(), ..SecretsReport::default() };
        self.each(|kv| match Keyring::key_of(&kv.value) {
            Some(key) => *report.sealed.entry(key.to_owned()).or_default() += 1,
            None => report.plain += 1,
        });
        report
    }

    /// Is there a key for every sealed value?
    pub(crate) fn check_keys(&self) -> Result<(), SecretsError> {
        let keys = self.keys().ids();
        // The key of this moment, not yet on disk, can have sealed nothing.
        let keys = if self.keys().is_on_disk() { keys } else { Vec::new() };
        let mut missing: Option<(String, usize, String)> = None;
        self.each(|kv| {
            let Some(key) = Keyring::key_of(&kv.value) else { return };
            if !keys.iter().any(|known| known == key) {
                let example = || String::from_utf8_lossy(&kv.key).into_owned();
                missing.get_or_insert_with(|| (key.to_owned(), 0, example())).1 += 1;
            }
        });
        match missing {
            None => Ok(()),
            Some((key, count, example)) => {
                let example = SEALED.iter().find_map(|prefix| example.strip_prefix(prefix));
                let example = example.unwrap_or_default().to_owned();
                let path = self.keys().path().display().to_string();
                Err(SecretsError::MissingKey { key, count, example, path })
            }
        }
    }

    /// Seals with a new key from now on, everything.
    pub(crate) async fn rotate(&self) -> Result<Rotated, SecretsError> {
        let _one_at_a_time = self.rotating.lock().await;
        {
            // Nothing is on its way under the old key.
            let _nobody_seals = self.sealing.write().await;
            self.keys().add()?;
        }
        self.finish().await
    }

    /// Goes on with a rotation that was interrupted; `None` when there was none.
    pub(crate) async fn resume(&self) -> Result<Option<Rotated>, SecretsError> {
        let _one_at_a_time = self.rotating.lock().await;
        if self.keys().ids().len() < 2 { Ok(None) } else { self.finish().await.map(Some) }
    }

    async fn finish(&self) -> Result<Rotated, SecretsError> {
        let key = self.keys().ids().swap_remove(0);
        let mut rewritten = 0;
        let mut rounds = 0;
        loop {
            let stale = self.stale(&key);
            if stale.is_empty() {
                // At this revision, later than what was looked at, no value needs another key.
                self.forget_before(self.revision()).await?;
                break;
            }
            rounds += 1;
            if rounds > ROUNDS_MAX {
                return Err(SecretsError::Busy);
            }
            for kv in stale {
                rewritten += usize::from(self.rewrite(&kv).await?);
            }
        }
        let dropped = self.keys().drop_old()?;
        tracing::info!(key, rewritten, dropped = dropped.join(","), "Secrets have a new key");
        Ok(Rotated { key, rewritten, dropped })
    }

    /// What is not sealed with this key.
    fn stale(&self, key: &str) -> Vec<KeyValue> {
        let mut stale = Vec::new();
        self.each(|kv| {
            if Keyring::key_of(&kv.value) != Some(key) {
                stale.push(kv.clone());
            }
        });
        stale
    }

    /// Writes a value as it is, under the new key; unless somebody else does.
    async fn rewrite(&self, kv: &KeyValue) -> Result<bool, SecretsError> {
        let plain = self.keys().unseal(&kv.key, &kv.value)?;
        let plain = plain.unwrap_or_else(|| kv.value.clone());
        let txn = Txn::new()
            .when(Compare::mod_revision(kv.key.clone(), kv.mod_revision))
            .then(Op::put(kv.key.clone(), plain));
        Ok(self.commit(txn).await?.succeeded)
    }

    /// Old versions are sealed with old keys, or not at all.
    async fn forget_before(&self, revision: Revision) -> Result<(), SecretsError> {
        match self.store().compact(revision).await {
            Ok(()) | Err(CompactError::Compacted { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every value that is or should be sealed, as the store has it.
    fn each(&self, mut look: impl FnMut(&KeyValue)) {
        for prefix in SEALED {
            let mut rest = Range::prefix(prefix);
            loop {
                let page = self.store().range(&rest, None, PAGE);
                let page = page.expect("what is there now can always be read");
                page.entries.iter().for_each(&mut look);
                match page.entries.last() {
                    Some(last) if page.more => rest = rest.after(&last.key),
                    _ => break,
                }
            }
        }
    }
}
