//! The objects that a policy takes its parameters from.

use std::sync::Arc;

use api::selector::LabelSelector;
use serde_json::Value;

use super::super::asked::Asked;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Kind;
use crate::object::{meta, text};
use crate::registry::Registry;

/// The kind of a policy's parameters; `None` where it has none.
pub(super) fn kind(asked: &Asked<'_>, spec: &Value) -> Result<Option<Arc<Kind>>, String> {
    let wanted = &spec["paramKind"];
    if wanted.is_null() {
        return Ok(None);
    }
    let (version, name) = (text(wanted, "/apiVersion"), text(wanted, "/kind"));
    let served = asked.call.registry().kinds();
    let found = served.all().find(|kind| *kind.kind == *name && kind.api_version() == version);
    found.cloned().map(Some).ok_or_else(|| {
        format!("failed to find resource referenced by paramKind: '{version}, Kind={name}'")
    })
}

/// The parameters that a binding names: the policy is evaluated for each, `None` being one too.
/// The inner error is a fault of the binding.
pub(super) async fn collect(
    asked: &Asked<'_>,
    kind: Option<&Kind>,
    reference: &Value,
) -> ApiResult<Result<Vec<Option<Value>>, String>> {
    let Some(kind) = kind.filter(|_| !reference.is_null()) else { return Ok(Ok(vec![None])) };
    let namespace = match place(asked, kind, text(reference, "/namespace")) {
        Ok(namespace) => namespace,
        Err(why) => return Ok(Err(why.to_owned())),
    };
    let found = match text(reference, "/name") {
        "" => selected(asked.call.registry(), kind, namespace, &reference["selector"]).await?,
        name => named(asked.call.registry(), kind, namespace, name).await?,
    };
    if found.is_empty() && reference["parameterNotFoundAction"] == "Deny" {
        let why = "no params found for policy binding with `Deny` parameterNotFoundAction";
        return Ok(Err(why.to_owned()));
    }
    Ok(Ok(found.into_iter().map(Some).collect()))
}

fn place<'a>(asked: &'a Asked<'_>, kind: &Kind, given: &'a str) -> Result<&'a str, &'static str> {
    match (kind.namespaced, given) {
        (false, "") => Ok(""),
        (false, _) => {
            Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        }
        (true, "") if asked.namespace.is_empty() => Err(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
        ),
        (true, "") => Ok(&asked.namespace),
        (true, given) => Ok(given),
    }
}

async fn named(
    registry: &Registry,
    kind: &Kind,
    namespace: &str,
    name: &str,
) -> ApiResult<Vec<Value>> {
    let Some(kv) = registry.read(kind, namespace, name).await? else { return Ok(Vec::new()) };
    let mut object = registry.decode(&kv)?;
    kind.to_served(&mut object);
    Ok(vec![object])
}

async fn selected(
    registry: &Registry,
    kind: &Kind,
    namespace: &str,
    selector: &Value,
) -> ApiResult<Vec<Value>> {
    // What is no selector was refused before it was stored.
    let selector = LabelSelector::from_object(selector);
    let selector = selector.unwrap_or_else(|_| LabelSelector::everything());
    let all = registry.store.range(&Registry::range(kind, Some(namespace)), None, 0);
    let all = all.map_err(|error| ApiError::internal("read the parameters of a policy", &error))?;
    let mut found = Vec::new();
    for kv in &*all.entries {
        // No conversion between versions changes a label or a name.
        let object = registry.decode(kv)?;
        if selector.matches_object(&object) {
            found.extend(named(registry, kind, namespace, meta(&object, "name")).await?);
        }
    }
    Ok(found)
}
