//! Servers behind this one: an APIService says which Service answers for a group's version, and
//! requests to that are handed on, with the user's name, once the user is known and allowed.
//!
//! Source: Kubernetes, "Kubernetes API Aggregation Layer",
//! <https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/>.

mod access;
mod availability;
mod extension;
mod keep;
mod learned;
mod priority;
mod proxy;
mod registration;

use std::sync::Arc;

use store::Range;

pub(crate) use self::access::{Asked, check, refusal};
pub(crate) use self::extension::Extension;
pub(crate) use self::keep::run as keep;
pub(crate) use self::priority::Priority;
pub(crate) use self::proxy::{answer, document};
use crate::object;
use crate::registry::{PREFIX, Registry};

/// The key prefix of APIServices.
pub(crate) const STORAGE: &str = "apiservices.apiregistration.k8s.io";
/// The group of APIServices themselves; nobody else may answer for it.
const OWN_GROUP: &str = "apiregistration.k8s.io";

/// May a write to such objects change who is there to answer?
pub(crate) fn concerns(storage: &str) -> bool {
    matches!(storage, STORAGE | "services" | "endpointslices.discovery.k8s.io")
}

/// The servers behind this one, at one moment.
#[derive(Default)]
pub(crate) struct Extensions(Vec<Arc<Extension>>);

impl Extensions {
    /// What the APIServices in the store say; `before` keeps what was learned of each.
    pub(crate) fn read(registry: &Registry, before: &Self) -> Self {
        let all = api_services(registry);
        Self(
            all.iter().filter_map(|object| Extension::read(object, before)).map(Arc::new).collect(),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Extension>> {
        self.0.iter()
    }

    /// Who answers for a group's version.
    pub(crate) fn find(&self, group: &str, version: &str) -> Option<&Arc<Extension>> {
        self.all().find(|extension| extension.group == group && extension.version == version)
    }

    /// Who answers at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Arc<Extension>> {
        let mut parts = path.strip_prefix("/apis/")?.split('/');
        self.find(parts.next()?, parts.next()?)
    }

    /// Whose OpenAPI document is at a path.
    pub(crate) fn documented_at(&self, path: &str) -> Option<&Arc<Extension>> {
        self.at(path.strip_prefix("/openapi/v3")?)
    }
}

/// Every APIService, in the order of their names.
fn api_services(registry: &Registry) -> Vec<serde_json::Value> {
    let range = Range::prefix(format!("{PREFIX}{STORAGE}/"));
    let Ok(found) = registry.store.range(&range, None, 0) else { return Vec::new() };
    // What cannot be read is reported when it is asked for.
    found.entries.iter().filter_map(|kv| object::decode(kv).ok()).collect()
}
