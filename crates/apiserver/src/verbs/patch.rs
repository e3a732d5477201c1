//! PATCH: JSON patch, merge patch, strategic merge patch, server-side apply.

use api::fields::{FieldValidation, Problem};
use api::patch::apply::{ApplyError, Write};
use api::patch::json::JsonPatchError;
use api::status::{Cause, Status};
use api::validation::ErrorKind;
use api::{go, patch};
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::Value;

use super::create::{self, Managed};
use super::mutate::{Part, mutate};
use super::{ATTEMPTS_MAX, now};
use crate::audit;
use crate::body::{Raw, Yaml};
use crate::error::{ApiError, ApiResult};
use crate::object::{meta, metadata_mut};
use crate::options::options_invalid;
use crate::request::{self, Call};
use crate::{body, respond};

/// What a patch may be.
const ACCEPTED: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

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
    check_media(call, &raw)?;
    let patch = Patch::read(&raw)?;
    let problems = patch.problems(&raw);
    let change = |old: &Value| patched(call, &patch, &problems, old);
    let written = mutate(call, part, Managed::Update, change).await?;
    respond::made(call, StatusCode::OK, written)
}

/// Custom kinds have no merge keys: a strategic one is not for them.
pub(crate) fn check_media(call: &Call<'_>, raw: &Raw) -> ApiResult<()> {
    let others = [ACCEPTED[0], ACCEPTED[1], ACCEPTED[3]];
    if call.kind.custom.is_some() && !others.contains(&raw.media.as_str()) {
        return Err(Status::unsupported_media_type(&others).into());
    }
    Ok(())
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
        let bad = |why: String| ApiError::bad_request(format!("error decoding patch: {why}"));
        let value = || body::json(&raw.bytes).map_err(bad);
        let object = || match value()? {
            object @ Value::Object(_) => Ok(object),
            Value::Null => Err(ApiError::bad_request("Invalid JSON Patch")),
            other => Err(bad(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                go::type_name(&other)
            ))),
        };
        match raw.media.as_str() {
            "application/json-patch+json" => Ok(Self::Json(value()?)),
            "application/merge-patch+json" => Ok(Self::Merge(object()?)),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic(object()?)),
            _ => Err(Status::unsupported_media_type(&ACCEPTED).into()),
        }
    }

    /// What the patch itself says twice, of which the last counts, and what no operation has.
    pub(crate) fn problems(&self, raw: &Raw) -> Vec<Problem> {
        const KNOWN: [&str; 4] = ["op", "path", "from", "value"];
        let Self::Json(operations) = self else { return body::repeated(&raw.bytes) };
        let operations = operations.as_array().into_iter().flatten().enumerate();
        let fields = operations.flat_map(|(index, operation)| {
            let names = operation.as_object().into_iter().flatten().map(|(name, _)| name);
            names.filter(|name| !KNOWN.contains(&name.as_str())).map(move |name| (index, name))
        });
        let told = fields.map(|(index, name)| {
            format!("json patch unknown field {:?}", format!("[{index}].{name}"))
        });
        told.map(Problem::Repeated).collect()
    }

    /// What an error says of a patch that makes no object of its kind: as upstream, the result, or
    /// in case of a strategic patch the patch.
    pub(crate) fn shown(&self, result: &Value) -> String {
        match self {
            Self::Json(_) | Self::Merge(_) => result.to_string(),
            Self::Strategic(patch) => go::plain(patch),
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
                document =
                    patch::strategic::apply(&schema, document, value.clone()).map_err(|error| {
                        match error.code() {
                            400 => ApiError::bad_request(error.to_string()),
                            422 => ApiError::unprocessable(),
                            _ => ApiError::unknown(error.to_string()),
                        }
                    })?;
            }
        }
        Ok(document)
    }
}

fn refused(error: &JsonPatchError) -> ApiError {
    match error.code() {
        400 => ApiError::bad_request(error.to_string()),
        413 => {
            let message = format!("Request entity too large: {error}");
            Status::failure(413, "RequestEntityTooLarge", message).into()
        }
        // Upstream does not say which; the log does.
        _ => {
            tracing::debug!(%error, "a JSON patch does not apply");
            ApiError::unprocessable()
        }
    }
}

/// The stored form of an object after the patch, which speaks of the served form.
fn patched(call: &Call<'_>, patch: &Patch, problems: &[Problem], old: &Value) -> ApiResult<Value> {
    let gvk = call.kind.gvk();
    let mut served = old.clone();
    call.kind.to_served(&mut served);
    let result = patch.apply(&gvk, served)?;
    if call.kind.custom.is_some() {
        body::same_type(call, &result)?;
    }
    let shown = || patch.shown(&result);
    let mut object = body::patched_value(call, &result, &gvk, problems, shown)?;
    call.kind.to_stored(&mut object);
    keeps_uid(call, old, &object)?;
    Ok(object)
}

/// A patch cannot make another object of this one.
fn keeps_uid(call: &Call<'_>, old: &Value, new: &Value) -> ApiResult<()> {
    let uid = meta(new, "uid");
    if uid.is_empty() || uid == meta(old, "uid") {
        return Ok(());
    }
    Err(ApiError::immutable(call.kind, call.name(), "metadata.uid", &uid.into()))
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
    // A webhook may say so too: its word ends the request.
    let not_there = ApiError::not_found(call.kind, call.name());
    let there = ApiError::already_exists(call.kind, call.name());
    for _ in 0..ATTEMPTS_MAX {
        match mutate(call, part, Managed::Applied, |old| apply.over(old)).await {
            Err(error) if error == not_there && part == Part::Main => apply.may_create(error)?,
            other => return respond::made(call, StatusCode::OK, other?),
        }
        let mut object = apply.onto(None)?;
        let metadata = metadata_mut(&mut object);
        metadata.entry("name").or_insert_with(|| call.name().into());
        let made = create::insert(call, object, call.query.dry_run()?, Managed::Applied).await;
        match made {
            // Somebody made it in between: apply to that.
            Err(error) if error == there => {}
            other => return respond::made(call, StatusCode::CREATED, other?),
        }
    }
    Err(ApiError::contention(call.kind, "apply"))
}

fn config(call: &Call<'_>, raw: &Raw) -> ApiResult<Value> {
    let Yaml { value, repeated } = body::yaml(&raw.bytes)?;
    if !value.is_object() {
        return Err(ApiError::bad_request(format!(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot \
             unmarshal {} into Go value of type map[string]interface {{}}",
            go::type_name(&value)
        )));
    }
    let gvk = call.kind.gvk();
    if value["kind"] != *gvk.kind || value["apiVersion"] != *gvk.api_version() {
        return Err(ApiError::bad_request(format!("invalid object type: {}", go_gvk(&value))));
    }
    // What the type does not know is refused: apply must know which field is which.
    if let Some(schema) = api::schema::of(&gvk).filter(|_| call.kind.custom.is_none()) {
        patch::apply::check(&schema, &gvk, &value).map_err(not_applied)?;
    }
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
    // What a custom kind's schema does not know is for apply itself to refuse.
    let mut config = match &call.kind.custom {
        Some(_) => value,
        None => body::checked_value(call, &value, &gvk)?,
    };
    call.kind.to_stored(&mut config);
    // Where it has none, there is no place for who owns what.
    metadata_mut(&mut config);
    Ok(config)
}

/// The type that an object says it is, as Go prints it: `apps/v1, Kind=Deployment`.
fn go_gvk(object: &Value) -> String {
    let text = |name: &str| object[name].as_str().unwrap_or("");
    let (group, version) = match text("apiVersion").split_once('/') {
        Some(parts) => parts,
        None => ("", text("apiVersion")),
    };
    format!("{group}/{version}, Kind={}", text("kind"))
}

struct Apply<'a> {
    call: &'a Call<'a>,
    manager: &'a str,
    force: bool,
    config: Value,
}

impl Apply<'_> {
    /// Who may change objects may not make them by that. And a configuration that names a uid or a
    /// version means one that is there.
    fn may_create(&self, not_found: ApiError) -> ApiResult<()> {
        request::may_create(self.call)?;
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

    /// What there is after the apply.
    fn over(&self, live: &Value) -> ApiResult<Value> {
        let applied = self.onto(Some(live))?;
        keeps_uid(self.call, live, &applied)?;
        Ok(applied)
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
        assert_eq!(go::plain(&value), "map[kind:A spec:map[a:map[c:true] b:[1 x <nil>]]]");
    }
}
