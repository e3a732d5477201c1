//! PATCH: JSON patch, merge patch, strategic merge patch, server-side apply.

use api::fields::FieldValidation;
use api::patch;
use api::patch::apply::{ApplyError, Write};
use api::patch::json::JsonPatchError;
use api::status::{Cause, Status};
use api::validation::ErrorKind;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::Value;

use super::create::{self, Managed};
use super::mutate::{Part, mutate};
use super::now;
use crate::audit;
use crate::body::{Raw, Yaml};
use crate::error::{ApiError, ApiResult};
use crate::object::{meta, metadata_mut};
use crate::options::options_invalid;
use crate::request::Call;
use crate::{body, respond};

/// What a patch may be.
const ACCEPTED: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
/// Custom kinds have no merge keys: this one is not for them.
const STRATEGIC: usize = 2;

pub(crate) async fn answer(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    change(call, Part::Main, request).await
}

/// Patches a part of an object.
pub(crate) async fn change(
    call: &Call<'_>,
    part: Part,
    request: Request<Body>,
) -> ApiResult<Response> {
    call.format()?;
    let raw = body::read(request).await?;
    audit::patch(&raw.bytes);
    if raw.media == "application/apply-patch+yaml" {
        return apply(call, part, &raw).await;
    }
    refuse_force(call)?;
    if call.kind.custom.is_some() && raw.media == ACCEPTED[STRATEGIC] {
        let others = [ACCEPTED[0], ACCEPTED[1], ACCEPTED[3]];
        return Err(Status::unsupported_media_type(&others).into());
    }
    let patch = Patch::read(&raw)?;
    let written = mutate(call, part, Managed::Update, |old| patched(call, &patch, old)).await?;
    respond::made(call, StatusCode::OK, written)
}

/// `force` takes fields from other managers, which only apply knows.
pub(crate) fn refuse_force(call: &Call<'_>) -> ApiResult<()> {
    if call.query.optional_flag("force")?.is_none() {
        return Ok(());
    }
    let why = "may not be specified for non-apply patch";
    Err(options_invalid("PatchOptions", "force", ErrorKind::Forbidden, Value::Null, why))
}

/// A patch that is applied to what is there.
pub(crate) enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
}

impl Patch {
    pub(crate) fn read(raw: &Raw) -> ApiResult<Self> {
        let value = || -> ApiResult<Value> {
            serde_json::from_slice(&raw.bytes)
                .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))
        };
        let object = || match value()? {
            object @ Value::Object(_) => Ok(object),
            _ => Err(ApiError::bad_request("error decoding patch: it is not an object")),
        };
        match raw.media.as_str() {
            "application/json-patch+json" => Ok(Self::Json(value()?)),
            "application/merge-patch+json" => Ok(Self::Merge(object()?)),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic(object()?)),
            _ => Err(Status::unsupported_media_type(&ACCEPTED).into()),
        }
    }

    /// What an error says of a patch that makes no object of its kind: as upstream, the result, or
    /// in case of a strategic patch the patch.
    fn shown(&self, result: &Value) -> String {
        match self {
            Self::Json(_) | Self::Merge(_) => result.to_string(),
            Self::Strategic(patch) => go_value(patch),
        }
    }

    /// The patched document, which is of the type `gvk`.
    pub(crate) fn apply(&self, gvk: &api::Gvk, mut document: Value) -> ApiResult<Value> {
        match self {
            Self::Json(operations) => {
                patch::json::apply(&mut document, operations).map_err(|error| refused(&error))?;
            }
            Self::Merge(value) => patch::merge::apply(&mut document, value.clone()),
            Self::Strategic(value) => {
                let schema = api::schema::of(gvk).ok_or_else(ApiError::no_such_path)?;
                document = patch::strategic::apply(&schema, document, value.clone())
                    .map_err(|error| ApiError::bad_request(error.to_string()))?;
            }
        }
        Ok(document)
    }
}

fn refused(error: &JsonPatchError) -> ApiError {
    match error.code() {
        400 => ApiError::bad_request(error.to_string()),
        413 => Status::failure(413, "RequestEntityTooLarge", error.to_string()).into(),
        // Upstream does not say which; the log does.
        _ => {
            tracing::debug!(%error, "a JSON patch does not apply");
            ApiError::unprocessable(
                "the server rejected our request due to an error in our request",
            )
        }
    }
}

/// The stored form of an object after the patch, which speaks of the served form.
fn patched(call: &Call<'_>, patch: &Patch, old: &Value) -> ApiResult<Value> {
    let gvk = call.kind.gvk();
    let mut served = old.clone();
    call.kind.to_served(&mut served);
    let result = patch.apply(&gvk, served)?;
    let mut object = body::patched_value(call, &result, &gvk, || patch.shown(&result))?;
    call.kind.to_stored(&mut object);
    Ok(object)
}

/// A value as Go prints it, keys sorted: `map[spec:map[replicas:1]]`.
fn go_value(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(go_value).collect())),
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key}:{}", go_value(value))).collect();
            fields.sort_unstable();
            format!("map[{}]", joined(fields))
        }
        other => other.to_string(),
    }
}

/// Server-side apply: creates what is not there.
async fn apply(call: &Call<'_>, part: Part, raw: &Raw) -> ApiResult<Response> {
    let Some(manager) = call.query.field_manager()? else {
        let why = "is required for apply patch";
        let kind = ErrorKind::Required;
        return Err(options_invalid("PatchOptions", "fieldManager", kind, Value::Null, why));
    };
    let apply =
        Apply { call, manager, force: call.query.flag("force")?, config: config(call, raw)? };
    loop {
        match mutate(call, part, Managed::Applied, |old| apply.onto(Some(old))).await {
            Err(error) if error.code() == 404 && part == Part::Main => apply.may_create(error)?,
            other => return respond::made(call, StatusCode::OK, other?),
        }
        let object = apply.onto(None)?;
        let made = create::insert(call, object, call.query.dry_run()?, Managed::Applied).await;
        match made {
            // Somebody made it in between: apply to that.
            Err(error) if error.status().reason == "AlreadyExists" => {}
            other => return respond::made(call, StatusCode::CREATED, other?),
        }
    }
}

fn config(call: &Call<'_>, raw: &Raw) -> ApiResult<Value> {
    let Yaml { value, repeated } = body::yaml(&raw.bytes)?;
    if let Some(repeated) = repeated {
        let what = format!("error converting YAML to JSON: {repeated}");
        match call.query.field_validation()? {
            FieldValidation::Strict => {
                return Err(ApiError::bad_request(format!("error strict decoding YAML: {what}")));
            }
            FieldValidation::Warn => call.warn(what),
            FieldValidation::Ignore => {}
        }
    }
    if !value["kind"].is_string() || !value["apiVersion"].is_string() {
        return Err(ApiError::bad_request("apiVersion and kind must be set in an apply patch"));
    }
    let gvk = call.kind.gvk();
    if value["kind"] != *gvk.kind || value["apiVersion"] != *gvk.api_version() {
        return Err(ApiError::bad_request(format!(
            "the object to apply is a {} of {}, the request is for {gvk}",
            value["kind"], value["apiVersion"]
        )));
    }
    // What a custom kind's schema does not know is for apply itself to refuse.
    let mut config = match &call.kind.custom {
        Some(_) => value,
        None => body::checked_value(call, &value, &gvk)?,
    };
    call.kind.to_stored(&mut config);
    let metadata = metadata_mut(&mut config);
    if !metadata.contains_key("name") {
        metadata.insert("name".to_owned(), call.name().into());
    }
    if call.kind.namespaced && !metadata.contains_key("namespace") {
        metadata.insert("namespace".to_owned(), call.namespace().into());
    }
    Ok(config)
}

struct Apply<'a> {
    call: &'a Call<'a>,
    manager: &'a str,
    force: bool,
    config: Value,
}

impl Apply<'_> {
    /// A configuration that names a uid or a version means one that is there.
    fn may_create(&self, not_found: ApiError) -> ApiResult<()> {
        let uid = meta(&self.config, "uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(ApiError::conflict(self.call.kind, self.call.name(), &why));
        }
        let version = meta(&self.config, "resourceVersion");
        if version.is_empty() { Ok(()) } else { Err(not_found) }
    }

    fn onto(&self, live: Option<&Value>) -> ApiResult<Value> {
        let schema = self.call.kind.schema().ok_or_else(ApiError::no_such_path)?;
        let write = Write {
            schema: &schema,
            gvk: &self.call.kind.stored_gvk(),
            manager: self.manager,
            subresource: self.call.subresource.map_or("", |subresource| subresource.name()),
            now: &now(),
        };
        patch::apply::apply(&write, live, &self.config, self.force).map_err(not_applied)
    }
}

fn not_applied(error: ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts(conflicts) => {
            let message = conflicts.to_string();
            let causes = conflicts.causes().into_iter().map(|cause| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: cause.message,
                field: cause.field,
            });
            Status::apply_conflict(message, causes.collect()).into()
        }
        // As upstream, where this is an error of no class that clients know.
        typed @ ApplyError::Typed { .. } => Status::failure(500, "", typed.to_string()).into(),
        other @ ApplyError::BadRequest(_) => ApiError::bad_request(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_shown_as_go_prints_it() {
        let value = json!({"spec": {"b": [1, "x", null], "a": {"c": true}}, "kind": "A"});
        assert_eq!(go_value(&value), "map[kind:A spec:map[a:map[c:true] b:[1 x <nil>]]]");
    }
}
