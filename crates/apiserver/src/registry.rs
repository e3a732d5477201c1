//! Objects in the store: their keys, and what may be written together.

mod addresses;
mod rotation;
mod turns;
mod vault;
mod write;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::Value;
use store::{KeyValue, Range, Store};
use tokio::sync::Notify;

use crate::aggregation::Extensions;
use crate::config::ServiceRange;
use crate::custom::Definitions;
use crate::error::ApiResult;
use crate::kinds::{self, Kind, Served};
use crate::pki::keyring::Keyring;
use crate::webhooks::Webhooks;
use crate::{object, respond};

pub(crate) use self::addresses::NODE_PORT_RANGE;
pub use self::rotation::{Rotated, SecretsError, SecretsReport};
pub(crate) use self::turns::Turns;
pub(crate) use self::vault::{Opener, Unreadable, Vault};
pub(crate) use self::write::{Along, Written};

/// Where every object's key begins.
pub(crate) const PREFIX: &str = "/registry/";

/// Objects in the store.
pub(crate) struct Registry {
    pub(crate) store: Vault,
    service_range: ServiceRange,
    kinds: ArcSwap<Served>,
    /// Who else has a say in a write.
    pub(crate) webhooks: ArcSwap<Webhooks>,
    pub(crate) definitions: Definitions,
    extensions: ArcSwap<Extensions>,
    /// Told when it should be looked at who answers for which group.
    pub(crate) extensions_changed: Arc<Notify>,
    /// Whose turn it is to be charged to a namespace's quotas.
    pub(crate) turns: Turns,
}

impl Registry {
    pub(crate) fn new(store: Store, keys: Arc<Keyring>, service_range: ServiceRange) -> Self {
        let registry = Self {
            store: Vault::new(store, keys),
            service_range,
            kinds: ArcSwap::from_pointee(Served::with([])),
            webhooks: ArcSwap::default(),
            definitions: Definitions::default(),
            extensions: ArcSwap::default(),
            extensions_changed: Arc::default(),
            turns: Turns::default(),
        };
        // What was defined before is served from the first request on.
        registry.follow_definitions();
        registry.follow_webhooks();
        registry.follow_extensions();
        registry
    }

    /// From now on these kinds are served.
    pub(crate) fn serve(&self, kinds: Served) {
        self.kinds.store(Arc::new(kinds));
    }

    /// From now on the hooks in the store are asked.
    pub(crate) fn follow_webhooks(&self) {
        self.webhooks.rcu(|before| Arc::new(Webhooks::read(&self.store, before)));
    }

    /// From now on requests go to the servers that the APIServices in the store name.
    pub(crate) fn follow_extensions(&self) {
        self.extensions.rcu(|before| Arc::new(Extensions::read(self, before)));
    }

    /// The servers behind this one.
    pub(crate) fn extensions(&self) -> Arc<Extensions> {
        self.extensions.load_full()
    }

    /// The kinds that are served now.
    pub(crate) fn kinds(&self) -> Arc<Served> {
        self.kinds.load_full()
    }

    /// The key of an object.
    pub(crate) fn key(kind: &Kind, namespace: &str, name: &str) -> Bytes {
        let place = if kind.namespaced { format!("{namespace}/") } else { String::new() };
        format!("{PREFIX}{}/{place}{name}", kind.storage).into()
    }

    /// The keys of a kind's objects, in one namespace or in all.
    pub(crate) fn range(kind: &Kind, namespace: Option<&str>) -> Range {
        Range::prefix(Self::prefix(kind, namespace))
    }

    pub(crate) fn prefix(kind: &Kind, namespace: Option<&str>) -> String {
        match namespace.filter(|_| kind.namespaced) {
            Some(namespace) => format!("{PREFIX}{}/{namespace}/", kind.storage),
            None => format!("{PREFIX}{}/", kind.storage),
        }
    }

    pub(crate) fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<KeyValue> {
        self.store.get(&Self::key(kind, namespace, name))
    }

    /// An object's value, in stored form, with its resourceVersion.
    pub(crate) fn decode(&self, kv: &KeyValue) -> ApiResult<Value> {
        object::decode(kv).map_err(|error| respond::corrupt(&error))
    }

    /// The uid of a core object, where there is one of that name.
    pub(crate) fn uid_of(&self, plural: &str, namespace: &str, name: &str) -> Option<String> {
        let kind = kinds::find("", "v1", plural)?;
        object::uid(&self.get(kind, namespace, name)?.value)
    }
}
