//! Custom kinds: CustomResourceDefinitions are stored like any object, and what they define is
//! served like any kind. The registry keeps the snapshot of kinds in step with them: a write to
//! a definition is answered when the kinds are as it says.

mod cells;
mod cleanup;
mod conversion;
mod deletion;
mod kind;
pub(crate) mod names;
mod scale;
mod serve;
mod settled;
mod warnings;

pub(crate) use self::cleanup::run as clean_up;
pub(crate) use self::deletion::begin as begin_deletion;
pub(crate) use self::kind::Custom;
pub(crate) use self::scale::ScalePaths;
pub(crate) use self::serve::Definitions;
pub(crate) use self::warnings::warn;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::{ApiError, ApiResult};
use crate::object::meta;
use crate::request::Call;

/// The key prefix of the definitions themselves.
pub(crate) const STORAGE: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// New objects of a kind that is being deleted would hold it for ever.
pub(crate) fn may_create(call: &Call<'_>, object: &serde_json::Value) -> ApiResult<()> {
    if call.kind.custom.as_ref().is_some_and(|c| c.terminating.load(Relaxed)) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(ApiError::forbidden(call.kind, meta(object, "name"), why));
    }
    Ok(())
}

/// Is it on its way out?
fn is_deleting(definition: &serde_json::Value) -> bool {
    api::meta::is_deleting(definition)
}

/// Is a condition of a definition true?
fn is_true(definition: &serde_json::Value, kind: &str) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}
