//! The three writes: insert, replace, remove. Each is one transaction that holds only if
//! nothing it was decided upon has changed.

use bytes::Bytes;
use serde_json::Value;
use store::{Compare, KeyValue, Op, Revision, Txn};

use super::{Registry, addresses};
use crate::aggregation;
use crate::custom;
use crate::error::ApiResult;
use crate::kinds::{self, Kind};
use crate::{object, webhooks};

/// Did the write happen?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// At this revision, as these bytes; a removal has none.
    At(Revision, Bytes),
    /// Something it was decided upon has changed: decide again.
    Raced,
}

/// Other objects that change together with a write or not at all: each as it was read, and as
/// it is to be.
pub(crate) type Along = Vec<(KeyValue, Value)>;

impl Registry {
    /// Writes a new object. `namespace` is the Namespace it was decided upon: a creation
    /// and the end of its namespace cannot cross.
    pub(crate) async fn insert(
        &self,
        kind: &Kind,
        value: &Value,
        namespace: Option<&KeyValue>,
        along: &Along,
    ) -> ApiResult<Written> {
        let (key, bytes) = (key_of(kind, value), self.stored(kind, value).await?);
        let put = Op::put(key.clone(), bytes.clone());
        let mut txn = Txn::new().when(Compare::absent(key)).then(put);
        if let Some(namespace) = namespace {
            txn = txn.when(Compare::mod_revision(namespace.key.clone(), namespace.mod_revision));
        }
        let txn = addresses::claim(with(txn, along), kind, None, Some(value));
        self.commit(kind, txn, bytes).await
    }

    /// Writes an object over the version it was decided upon.
    pub(crate) async fn replace(
        &self,
        kind: &Kind,
        old: (&KeyValue, &Value),
        value: &Value,
        along: &Along,
    ) -> ApiResult<Written> {
        let (kv, before) = old;
        let bytes = self.stored(kind, value).await?;
        let txn = Txn::new()
            .when(Compare::mod_revision(kv.key.clone(), kv.mod_revision))
            .then(Op::put(kv.key.clone(), bytes.clone()));
        let txn = addresses::claim(with(txn, along), kind, Some(before), Some(value));
        self.commit(kind, txn, bytes).await
    }

    /// Takes away the version that was decided upon, and the addresses it held.
    pub(crate) async fn remove(
        &self,
        kind: &Kind,
        kv: &KeyValue,
        value: &Value,
    ) -> ApiResult<Written> {
        let txn = Txn::new()
            .when(Compare::mod_revision(kv.key.clone(), kv.mod_revision))
            .then(Op::delete(kv.key.clone()));
        let txn = addresses::claim(txn, kind, Some(value), None);
        self.commit(kind, txn, Bytes::new()).await
    }

    async fn commit(&self, kind: &Kind, txn: Txn, bytes: Bytes) -> ApiResult<Written> {
        let reply = self.store.commit(txn).await?;
        if reply.succeeded && kind.storage == custom::STORAGE {
            self.follow_definitions();
        }
        if reply.succeeded && webhooks::is_configuration(&kind.storage) {
            self.follow_webhooks();
        }
        if reply.succeeded && kind.storage == aggregation::STORAGE {
            self.follow_extensions();
        }
        let watched = kind.storage == aggregation::STORAGE || !self.extensions().is_empty();
        if reply.succeeded && watched && aggregation::concerns(&kind.storage) {
            self.extensions_changed.notify_one();
        }
        Ok(if reply.succeeded { Written::At(reply.revision, bytes) } else { Written::Raced })
    }

    /// The Namespace object, if there.
    pub(crate) fn namespace(&self, name: &str) -> Option<KeyValue> {
        let kind = kinds::find("", "v1", "namespaces")?;
        self.get(kind, "", name)
    }
}

fn with(mut txn: Txn, along: &Along) -> Txn {
    for (kv, value) in along {
        txn = txn
            .when(Compare::mod_revision(kv.key.clone(), kv.mod_revision))
            .then(Op::put(kv.key.clone(), object::encode(value)));
    }
    txn
}

fn key_of(kind: &Kind, value: &Value) -> Bytes {
    Registry::key(kind, object::meta(value, "namespace"), object::meta(value, "name"))
}
