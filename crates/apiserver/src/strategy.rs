//! What a kind does on its own at create and update, beyond schema, defaults and validation.

pub(crate) mod certificate;
mod claim;
mod daemon_set;
mod initial;
mod job;
pub(crate) mod namespace;
pub(crate) mod pod;
mod service;

use serde_json::Value;

use crate::custom;
use crate::error::ApiResult;
use crate::kinds::Kind;
use crate::object::metadata_mut;
use crate::registry::Registry;
use crate::user::UserInfo;

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
    /// What of the metadata a status write may bring.
    pub(crate) status_metadata: &'static [&'static str],
    /// A deletion answers with the object rather than with a Status.
    pub(crate) returns_deleted: bool,
    /// A deletion that does not say what becomes of dependents leaves them to themselves.
    pub(crate) orphans: bool,
    /// A PUT makes what is not there.
    pub(crate) put_creates: bool,
    /// Its spec says who made it, whatever the client wrote there.
    pub(crate) signed_by_requester: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    None,
    /// With every change outside metadata and status.
    Content,
    /// With annotations too.
    ContentAndAnnotations,
    /// With labels too.
    ContentAndLabels,
    /// With every change outside metadata, but a new object has none yet.
    Changes,
    /// With every change outside metadata: there is no status apart.
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grace {
    /// Gone at once, unless finalizers hold it.
    None,
    /// The node agent ends the containers first.
    Pod,
    /// The namespace controller takes the content away first.
    Namespace,
    /// The server deletes what it defines first.
    Definition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    None,
    /// ClusterIPs and node ports.
    Service,
    /// The names of a custom kind.
    Names,
}

impl Strategy {
    pub(crate) const PLAIN: Self = Self {
        status: false,
        initial_status: None,
        generation: Generation::None,
        grace: Grace::None,
        allocation: Allocation::None,
        status_metadata: &[],
        returns_deleted: false,
        orphans: false,
        put_creates: false,
        signed_by_requester: false,
    };
}

const LABELS_AND_ANNOTATIONS: &[&str] = &["labels", "annotations"];

pub(crate) const GENERATION: Strategy =
    Strategy { generation: Generation::Content, ..Strategy::PLAIN };
pub(crate) const GENERATION_RETURNED: Strategy = Strategy { returns_deleted: true, ..GENERATION };
/// Plain, but for the answer to a deletion.
pub(crate) const RETURNED: Strategy = Strategy { returns_deleted: true, ..Strategy::PLAIN };
pub(crate) const PUT_CREATES: Strategy = Strategy { put_creates: true, ..Strategy::PLAIN };
pub(crate) const STATUS: Strategy = Strategy {
    status: true,
    initial_status: Some(initial::status),
    status_metadata: LABELS_AND_ANNOTATIONS,
    ..Strategy::PLAIN
};
pub(crate) const STATUS_RETURNED: Strategy = Strategy { returns_deleted: true, ..STATUS };
pub(crate) const CERTIFICATE_REQUEST: Strategy = Strategy { signed_by_requester: true, ..STATUS };
pub(crate) const SPEC_AND_STATUS: Strategy = Strategy { generation: Generation::Content, ..STATUS };
pub(crate) const DEPLOYMENT: Strategy = Strategy {
    generation: Generation::ContentAndAnnotations,
    status_metadata: &["annotations"],
    ..SPEC_AND_STATUS
};
/// Older than the garbage collector, and it has kept its ways.
pub(crate) const REPLICATION_CONTROLLER: Strategy = Strategy { orphans: true, ..SPEC_AND_STATUS };
/// As old: its pods stay unless their deletion is asked for, of which the asker is told.
pub(crate) const JOB: Strategy = Strategy { orphans: true, ..SPEC_AND_STATUS };
pub(crate) const ENDPOINT_SLICE: Strategy =
    Strategy { generation: Generation::ContentAndLabels, ..Strategy::PLAIN };
pub(crate) const DRIVER: Strategy = Strategy { generation: Generation::Changes, ..RETURNED };
pub(crate) const RESOURCE_QUOTA: Strategy = STATUS_RETURNED;
pub(crate) const DISRUPTION_BUDGET: Strategy = SPEC_AND_STATUS;
/// A Node registers itself with its status.
pub(crate) const NODE: Strategy =
    Strategy { status: true, status_metadata: LABELS_AND_ANNOTATIONS, ..Strategy::PLAIN };
pub(crate) const NAMESPACE: Strategy = Strategy {
    status: true,
    initial_status: Some(namespace::initial_status),
    grace: Grace::Namespace,
    status_metadata: LABELS_AND_ANNOTATIONS,
    ..Strategy::PLAIN
};
pub(crate) const POD: Strategy = Strategy {
    status: true,
    initial_status: Some(pod::initial_status),
    generation: Generation::Content,
    grace: Grace::Pod,
    status_metadata: LABELS_AND_ANNOTATIONS,
    returns_deleted: true,
    ..Strategy::PLAIN
};
pub(crate) const DEFINITION: Strategy = Strategy {
    initial_status: Some(no_status),
    grace: Grace::Definition,
    allocation: Allocation::Names,
    status_metadata: LABELS_AND_ANNOTATIONS,
    ..SPEC_AND_STATUS
};
pub(crate) const CUSTOM: Strategy =
    Strategy { generation: Generation::Everything, ..Strategy::PLAIN };
pub(crate) const CUSTOM_WITH_STATUS: Strategy =
    Strategy { status: true, generation: Generation::Content, ..Strategy::PLAIN };
pub(crate) const SERVICE: Strategy = Strategy {
    status: true,
    initial_status: Some(service::initial_status),
    allocation: Allocation::Service,
    status_metadata: LABELS_AND_ANNOTATIONS,
    returns_deleted: true,
    put_creates: true,
    ..Strategy::PLAIN
};

/// The status that the server fills in itself.
fn no_status(_: &Value) -> Value {
    Value::Object(serde_json::Map::new())
}

/// A new object, before defaults.
pub(crate) fn prepare_create(kind: &Kind, user: &UserInfo, object: &mut Value) {
    if kind.strategy.signed_by_requester {
        certificate::sign(user, object);
    }
    match kind.strategy.grace {
        Grace::Namespace => namespace::prepare(object),
        Grace::Pod => pod::prepare(object),
        Grace::None | Grace::Definition => {}
    }
}

/// A new object, after defaults: its first status and generation.
pub(crate) fn finish_create(kind: &Kind, object: &mut Value) {
    if kind.custom.is_some()
        && kind.strategy.status
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    if let Some(status) = kind.strategy.initial_status {
        object["status"] = status(object);
    }
    match &*kind.storage {
        "daemonsets.apps" => daemon_set::count(None, object),
        "persistentvolumeclaims" => claim::normalize(object),
        _ => {}
    }
    if !matches!(kind.strategy.generation, Generation::None | Generation::Changes) {
        metadata_mut(object).insert("generation".to_owned(), 1.into());
    }
}

/// A changed object: what its kind keeps account of.
pub(crate) fn finish_update(kind: &Kind, old: &Value, object: &mut Value) {
    if kind.storage == "daemonsets.apps" {
        daemon_set::count(Some(old), object);
    }
}

/// What follows from the rest of a new object, once admission has changed that.
pub(crate) fn settle(kind: &Kind, object: &mut Value) {
    if kind.strategy.grace == Grace::Pod {
        pod::qualify(object);
    }
    if kind.storage == "jobs.batch" {
        job::select_own_pods(object);
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
    let labels = || old["metadata"]["labels"] != new["metadata"]["labels"];
    match kind.strategy.generation {
        Generation::None => false,
        Generation::Content | Generation::Changes => content(),
        Generation::ContentAndLabels => content() || labels(),
        Generation::ContentAndAnnotations => content() || annotations(),
        Generation::Everything => content() || old["status"] != new["status"],
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
        Allocation::Names => {
            custom::names::settle(&registry.all_definitions(), object);
            Ok(())
        }
    }
}
