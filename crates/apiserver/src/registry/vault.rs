//! The store as the registry sees it: values of some kinds are sealed on the way in and opened on
//! the way out; all others pass untouched.
//!
//! What the store holds, in memory, on disk, in backups or in an external etcd, is sealed.

mod opened;

use std::sync::Arc;

use bytes::Bytes;
use store::{
    Batch, Event, KeyValue, Op, Range, RangeReply, ReadError, Revision, Store, Txn, TxnReply,
    WatchError, Watcher, WriteError,
};
use tokio::sync::{Mutex, RwLock};

use self::opened::Opened;
use crate::error::ApiError;
use crate::pki::keyring::{Keyring, SealError};

/// The keys whose values are sealed begin with one of these.
pub(crate) const SEALED: [&str; 1] = ["/registry/secrets/"];

/// Is this value to be sealed?
pub(crate) fn is_sealed_key(key: &[u8]) -> bool {
    SEALED.iter().any(|prefix| key.starts_with(prefix.as_bytes()))
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not at that revision.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// A sealed value cannot be opened.
    #[error("open a sealed value")]
    Sealed(#[source] SealError),
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] WriteError),
    /// It could not be sealed.
    #[error("seal a value")]
    Sealed(#[from] SealError),
}

impl From<Unwritten> for ApiError {
    fn from(error: Unwritten) -> Self {
        match error {
            Unwritten::Store(error) => error.into(),
            Unwritten::Sealed(_) => {
                Self::internal("the object could not be sealed, and was not written", &error)
            }
        }
    }
}

/// The store, and the keys to it.
pub(crate) struct Vault {
    store: Store,
    reader: Arc<Reader>,
    /// Held by every sealed write until its end, so that a rotation knows when no value is on its
    /// way under an old key.
    pub(super) sealing: Arc<RwLock<()>>,
    /// Held by the one rotation there may be.
    pub(super) rotating: Mutex<()>,
}

/// Opens what is read.
struct Reader {
    keys: Arc<Keyring>,
    opened: Opened,
}

impl Vault {
    pub(crate) fn new(store: Store, keys: Arc<Keyring>) -> Self {
        let reader = Arc::new(Reader { keys, opened: Opened::default() });
        Self { store, reader, sealing: Arc::default(), rotating: Mutex::default() }
    }

    pub(crate) fn keys(&self) -> &Keyring {
        &self.reader.keys
    }

    /// The store itself, whose values may be sealed.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The newest revision.
    pub(crate) fn revision(&self) -> Revision {
        self.store.revision()
    }

    /// A key as it is now. A value that cannot be opened is told to the log, and empty, which no
    /// object is.
    pub(crate) fn get(&self, key: &[u8]) -> Option<KeyValue> {
        let mut kv = self.store.get(key)?;
        if is_sealed_key(key) && self.reader.open_shared(&mut kv).is_err() {
            kv.value = Bytes::new();
        }
        Some(kv)
    }

    /// A range as it is now, or as it was `at` a revision.
    pub(crate) fn range(
        &self,
        range: &Range,
        at: Option<Revision>,
        limit: usize,
    ) -> Result<RangeReply, Unreadable> {
        let mut reply = self.store.range(range, at, limit)?;
        let sealed = reply.entries.iter_mut().filter(|kv| is_sealed_key(&kv.key));
        for kv in sealed {
            self.reader.open(kv).map_err(Unreadable::Sealed)?;
        }
        Ok(reply)
    }

    /// How many keys are in a range now.
    pub(crate) fn count(&self, range: &Range) -> usize {
        // The head can always be read.
        self.store.count(range, None).unwrap_or(0)
    }

    /// Watches a range from a revision on.
    pub(crate) fn watch(&self, range: Range, from: Revision) -> Result<Opener, WatchError> {
        let watcher = self.store.watch(range, from)?;
        Ok(Opener { watcher, reader: self.reader.clone() })
    }

    /// Applies a transaction.
    pub(crate) async fn commit(&self, txn: Txn) -> Result<TxnReply, Unwritten> {
        let seals = txn.success.iter().any(is_sealed_put);
        if !seals {
            return Ok(self.store.commit(txn).await?);
        }
        let guard = self.sealing.clone().read_owned().await;
        let txn = self.seal(txn)?;
        let store = self.store.clone();
        // Whoever asked may go; the write goes on, and holds the key it was sealed with.
        let written = tokio::spawn(async move {
            let _until_it_is_written = guard;
            store.commit(txn).await
        });
        Ok(written.await.unwrap_or(Err(WriteError::Closed))?)
    }

    fn seal(&self, mut txn: Txn) -> Result<Txn, SealError> {
        for op in txn.success.iter_mut().filter(|op| is_sealed_put(op)) {
            if let Op::Put { key, value: Some(value), .. } = op {
                *value = self.keys().seal(key, value)?;
            }
        }
        Ok(txn)
    }
}

/// Registry writes put in the first branch, and nest nothing.
fn is_sealed_put(op: &Op) -> bool {
    matches!(op, Op::Put { key, .. } if is_sealed_key(key))
}

impl Reader {
    /// Opens a value that nobody else is likely to ask for at this moment.
    fn open(&self, kv: &mut KeyValue) -> Result<(), SealError> {
        match self.keys.unseal(&kv.key, &kv.value) {
            Ok(Some(plain)) => kv.value = plain,
            // Written before there was sealing.
            Ok(None) => {}
            Err(error) => {
                let key = String::from_utf8_lossy(&kv.key);
                tracing::error!(%error, %key, "a sealed value cannot be opened");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Opens a version once for all who ask.
    fn open_shared(&self, kv: &mut KeyValue) -> Result<(), SealError> {
        if Keyring::key_of(&kv.value).is_none() {
            return self.open(kv);
        }
        if let Some(plain) = self.opened.find(kv) {
            kv.value = plain;
            return Ok(());
        }
        self.open(kv)?;
        self.opened.keep(kv);
        Ok(())
    }

    fn open_event(&self, event: &mut Event) -> Result<(), SealError> {
        if !is_sealed_key(&event.kv.key) {
            return Ok(());
        }
        if !event.kv.value.is_empty() {
            self.open_shared(&mut event.kv)?;
        }
        event.prev.as_mut().map_or(Ok(()), |prev| self.open_shared(prev))
    }
}

/// A watch whose values are opened.
pub(crate) struct Opener {
    watcher: Watcher,
    reader: Arc<Reader>,
}

impl Opener {
    /// The next changes. One that cannot be opened ends the watch as if it had been too slow: the
    /// list that follows says what is wrong.
    pub(crate) async fn next(&mut self) -> Result<Batch, WatchError> {
        let mut batch = self.watcher.next().await?;
        for event in &mut batch.events {
            self.reader.open_event(event).map_err(|_| WatchError::Lagged)?;
        }
        Ok(batch)
    }

    /// Every change up to here has been handed out.
    pub(crate) fn progress(&self) -> Revision {
        self.watcher.progress()
    }
}
