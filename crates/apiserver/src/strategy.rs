//! What a kind does on its own at create and update, beyond schema, defaults and validation.

pub(crate) mod namespace;
mod pod;
mod service;

use serde_json::{Value, json};

use crate::error::ApiResult;
use crate::kinds::Kind;
use crate::object::metadata_mut;
use crate::registry::Registry;

/// What a kind does on its own.
#[derive(Clone, Copy)]
pub(crate) struct Strategy {
    /// Status is written through its subresource only.
    pub(crate) status: bool,
    /// What a new object's status is; `None` keeps what the client sent.
    initial_status: Option<fn(&Value) -> Value>,
    /// When `metadata.generation` counts up.
    pub(crate) generation: Generation,
    /// How a deletion goes.
    pub(crate) grace: Grace,
    /// Shared numbers that an object holds.
    pub(crate) allocation: Allocation,
    /// A status write may bring labels and annotations.
    pub(crate) status_metadata: bool,
    /// A deletion answers with the object rather than with a Status.
    pub(crate) returns_deleted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    None,
    /// With every change outside metadata and status.
    Content,
    /// With annotations too.
    ContentAndAnnotations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grace {
    /// Gone at once, unless finalizers hold it.
    None,
    /// The node agent ends the containers first.
    Pod,
    /// The namespace controller takes the content away first.
    Namespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    None,
    /// ClusterIPs and node ports.
    Service,
}

impl Strategy {
    pub(crate) const PLAIN: Self = Self {
        status: false,
        initial_status: None,
        generation: Generation::None,
        grace: Grace::None,
        allocation: Allocation::None,
        status_metadata: false,
        returns_deleted: false,
    };
}

pub(crate) const GENERATION: Strategy =
    Strategy { generation: Generation::Content, ..Strategy::PLAIN };
pub(crate) const SPEC_AND_STATUS: Strategy = Strategy {
    status: true,
    initial_status: Some(empty_status),
    generation: Generation::Content,
    ..Strategy::PLAIN
};
pub(crate) const DEPLOYMENT: Strategy =
    Strategy { generation: Generation::ContentAndAnnotations, ..SPEC_AND_STATUS };
/// A Node registers itself with its status.
pub(crate) const NODE: Strategy =
    Strategy { status: true, status_metadata: true, ..Strategy::PLAIN };
pub(crate) const NAMESPACE: Strategy = Strategy {
    status: true,
    initial_status: Some(namespace::initial_status),
    grace: Grace::Namespace,
    status_metadata: true,
    ..Strategy::PLAIN
};
pub(crate) const POD: Strategy = Strategy {
    status: true,
    initial_status: Some(pod::initial_status),
    generation: Generation::Content,
    grace: Grace::Pod,
    status_metadata: true,
    returns_deleted: true,
    ..Strategy::PLAIN
};
pub(crate) const SERVICE: Strategy = Strategy {
    status: true,
    initial_status: Some(service::initial_status),
    allocation: Allocation::Service,
    status_metadata: true,
    returns_deleted: true,
    ..Strategy::PLAIN
};

fn empty_status(object: &Value) -> Value {
    match object["kind"].as_str() {
        Some("ReplicaSet") => json!({"replicas": 0}),
        Some("Ingress") => json!({"loadBalancer": {}}),
        _ => json!({}),
    }
}

/// A new object, before defaults.
pub(crate) fn prepare_create(kind: &Kind, object: &mut Value) {
    match kind.strategy.grace {
        Grace::Namespace => namespace::prepare(object),
        Grace::Pod => pod::prepare(object),
        Grace::None => {}
    }
}

/// A new object, after defaults: its first status and generation.
pub(crate) fn finish_create(kind: &Kind, object: &mut Value) {
    if let Some(status) = kind.strategy.initial_status {
        object["status"] = status(object);
    }
    if kind.strategy.generation != Generation::None {
        metadata_mut(object).insert("generation".to_owned(), 1.into());
    }
}

/// Has anything changed that a controller must look at?
pub(crate) fn bumps_generation(kind: &Kind, old: &Value, new: &Value) -> bool {
    let content = || {
        let fields = |object: &Value| {
            let mut fields = object.as_object().cloned().unwrap_or_default();
            for other in ["apiVersion", "kind", "metadata", "status"] {
                fields.remove(other);
            }
            fields
        };
        fields(old) != fields(new)
    };
    let annotations = || old["metadata"]["annotations"] != new["metadata"]["annotations"];
    match kind.strategy.generation {
        Generation::None => false,
        Generation::Content => content(),
        Generation::ContentAndAnnotations => content() || annotations(),
    }
}

/// Gives the object the shared numbers it wants. `old` is what it replaces.
pub(crate) fn allocate(
    registry: &Registry,
    kind: &Kind,
    old: Option<&Value>,
    object: &mut Value,
) -> ApiResult<()> {
    match kind.strategy.allocation {
        Allocation::None => Ok(()),
        Allocation::Service => service::allocate(registry, kind, old, object),
    }
}
