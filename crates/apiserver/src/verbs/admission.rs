//! What must hold beside the object itself before it is written.

mod claim_size;
mod default_class;
pub(crate) mod devices;
mod in_use;
mod limits;
pub(crate) mod node_restriction;
mod pod_security;
mod priority;
pub(crate) mod quota;
mod roles;
mod runtime_class;
mod service_account;
mod signers;
mod tolerations;
pub(crate) mod topology;

use serde_json::Value;
use store::KeyValue;

use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind, Subresource};
use crate::object::{self, meta};
use crate::registry::Registry;
use crate::request::Call;
use crate::respond;
use crate::strategy::Grace;

/// Namespaces that every cluster has and nobody deletes.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The Namespace that a new object is made in; it must be there and not be ending.
pub(crate) fn namespace_of(
    registry: &Registry,
    kind: &Kind,
    object: &Value,
) -> ApiResult<Option<KeyValue>> {
    if !kind.namespaced {
        return Ok(None);
    }
    let name = meta(object, "namespace");
    let namespaces = kinds::find("", "v1", "namespaces").expect("namespaces are in the table");
    let kv = registry.namespace(name).ok_or_else(|| ApiError::not_found(namespaces, name))?;
    if object::is_ending(&kv.value).map_err(|error| respond::corrupt(&error))? {
        return Err(ApiError::namespace_terminating(kind, meta(object, "name"), name));
    }
    Ok(Some(kv))
}

/// What the cluster adds to a new object, after its defaults.
pub(crate) async fn complete(call: &Call<'_>, object: &mut Value) -> ApiResult<()> {
    node_restriction::create(call, object)?;
    if call.kind.strategy.grace == Grace::Pod {
        service_account::admit(call, object).await?;
        limits::fill_in(call, object)?;
        priority::admit(call, object)?;
        tolerations::admit(object);
        runtime_class::admit(call, object)?;
        let node = object["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        if !node.is_empty() {
            topology::label(call.registry(), &node, object)?;
        }
    }
    match &*call.kind.storage {
        "persistentvolumeclaims" => default_class::of_claim(call, object)?,
        "ingresses.networking.k8s.io" => default_class::of_ingress(call, object)?,
        _ => {}
    }
    in_use::protect(&call.kind.storage, object);
    one_default(call, object)
}

/// Judges an object that is valid in itself; `old` is what it replaces.
pub(crate) fn judge(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    let claim = call.kind.storage == "persistentvolumeclaims" && call.subresource.is_none();
    let resized = call.subresource == Some(Subresource::Resize);
    if old.is_none() || claim || resized {
        limits::check(call, new)?;
    }
    if let Some(old) = old {
        node_restriction::update(call, old, new)?;
    }
    pod_security::check(call, old, new)?;
    signers::check(call, old, new)?;
    match old {
        Some(old) if claim => claim_size::check(call, old, new),
        _ => Ok(()),
    }
}

pub(crate) use self::roles::may_grant;

/// Of the PriorityClasses only one is everybody's.
pub(crate) fn one_default(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    if call.kind.storage == priority::STORAGE {
        return priority::one_default(call, object);
    }
    Ok(())
}

/// What a new object is called in a refusal: it may not have its name yet.
fn shown_name(object: &Value) -> &str {
    let names = [meta(object, "name"), meta(object, "generateName")];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown")
}

/// May this be deleted at all?
pub(crate) fn may_delete(kind: &Kind, name: &str) -> ApiResult<()> {
    if kind.storage == "namespaces" && IMMORTAL.contains(&name) {
        return Err(ApiError::forbidden(kind, name, "this namespace may not be deleted"));
    }
    Ok(())
}
