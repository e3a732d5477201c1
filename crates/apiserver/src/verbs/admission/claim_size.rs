//! A claim may grow once it is bound, and where its class lets it.

use api::quota::ResourceList;
use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::kinds;
use crate::request::Call;

/// Judges a change of a claim.
pub(super) fn check(call: &Call<'_>, old: &Value, new: &Value) -> ApiResult<()> {
    let size =
        |claim: &Value| ResourceList::read(&claim["spec"]["resources"]["requests"]).get("storage");
    if size(new) <= size(old) {
        return Ok(());
    }
    let refuse = |why| Err(ApiError::forbidden(call.kind, super::shown_name(new), why));
    if old["status"]["phase"] != "Bound" {
        return refuse("Only bound persistent volume claims can be expanded");
    }
    if may_grow(call, old, new)? {
        return Ok(());
    }
    refuse(
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    )
}

fn may_grow(call: &Call<'_>, old: &Value, new: &Value) -> ApiResult<bool> {
    let class = |claim: &Value| claim["spec"]["storageClassName"].as_str().map(str::to_owned);
    let Some(name) =
        class(new).filter(|name| !name.is_empty() && class(old).as_ref() == Some(name))
    else {
        return Ok(false);
    };
    let kind = kinds::find("storage.k8s.io", "v1", "storageclasses");
    let kind = kind.expect("storage classes are in the table");
    match call.registry().get(kind, "", &name) {
        Some(kv) => Ok(call.registry().decode(&kv)?["allowVolumeExpansion"] == true),
        None => Ok(false),
    }
}
