//! Server-side apply, and the managed fields that every write leaves behind, as
//! structured-merge-diff and apimachinery's `managedfields` have them.
//!
//! Every field of an object may have owners, kept in `metadata.managedFields`. An apply states
//! the fields its manager wants; it may not change what others own (unless forced), and what
//! it stops to state goes away if nobody else owns it. Any other write takes over the fields it
//! changes. All versions of a kind are taken to have the same fields.

mod atomic;
mod collect;
mod compare;
mod conflict;
mod last_applied;
mod managed;
mod merge;
mod ownership;
mod path;
mod prune;
mod remove;
mod set;
mod shape;
#[cfg(test)]
mod tests;
mod validate;

use serde_json::{Value, json};

use crate::gvk::Gvk;
use crate::schema::TypeSchema;
use collect::fields_of;
use compare::Comparison;
pub use conflict::{ConflictCause, Conflicts};
use managed::{Entry, Managed, Operation};
use ownership::{
    attach, detach, identity, ignored, of_object, record_update, stamp, strip, take_over,
    without_managed_fields,
};
pub use path::{PathElement, PathElementError, Scalar};
pub use set::{FieldSet, FieldsError, Path};

/// Who owns what was there before the first apply, where nobody was remembered.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// One write, as managed fields see it.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The type of the object.
    pub schema: &'a TypeSchema,
    /// Its group, version and kind: those of the request's path.
    pub gvk: &'a Gvk,
    /// The field manager's name.
    pub manager: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write: RFC 3339, whole seconds, UTC.
    pub now: &'a str,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// 400 Bad Request.
    #[error("{0}")]
    BadRequest(String),
    /// The configuration does not fit the type: 500 without a reason, as upstream.
    #[error("failed to create typed patch object ({object}): {errors}")]
    Typed {
        /// `namespace/name; apps/v1, Kind=Deployment`
        object: String,
        /// What does not fit, where.
        errors: String,
    },
    /// Others own fields that this would change: 409 Conflict, with [`Conflicts::causes`].
    #[error("{0}")]
    Conflicts(Conflicts),
}

impl ApplyError {
    /// The HTTP status.
    pub fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Typed { .. } => 500,
            Self::Conflicts(_) => 409,
        }
    }
}

/// Server-side apply of `config` over `live` (`None`: it does not exist yet). Gives the object
/// to store, managedFields included; it equals `live` where nothing changed. Defaulting,
/// validation and all that a create or update does besides are the caller's.
pub fn apply(
    write: &Write<'_>,
    live: Option<&Value>,
    config: &Value,
    force: bool,
) -> Result<Value, ApplyError> {
    check_config(write, config)?;
    let config = &without_null_identity(config);
    let object = live.map_or_else(|| json!({}), without_managed_fields);
    let value = live.and_then(of_object);
    let stored = managed::decode(value)
        .map_err(|why| ApplyError::BadRequest(format!("failed to decode managed fields: {why}")))?;
    let mut managed = stored.clone();
    if managed.is_empty() && live.is_some() {
        let first = Write { manager: BEFORE_FIRST_APPLY, ..*write };
        record_update(&first, &json!({}), &object, &mut managed);
    }
    let (mut applied, mut now_managed) = apply_as_kubectl(write, &object, config, &managed, force)?;
    if write.manager == last_applied::MANAGER {
        last_applied::sync(&mut applied, config);
    }
    stamp(write, &mut now_managed, &managed, applied != object);
    attach(&mut applied, &now_managed, (value, Some(&stored)));
    Ok(applied)
}

/// `live` with all that `config` says, as an apply merges them, but nobody owns what: a mutation
/// of an admission policy. What is replaced as a whole cannot be told from what is left out, so it
/// may not be named at all.
pub fn merge(schema: &TypeSchema, live: &Value, config: &Value) -> Result<Value, String> {
    if let Some(errors) = validate::errors(schema, config) {
        return Err(format!("failed to convert patch object to typed object: {errors}"));
    }
    let atomic = atomic::paths(schema, config);
    if !atomic.is_empty() {
        let list = atomic.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {list}"
        ));
    }
    let mut merged = merge::merge(Some(schema), live, config);
    merge::drop_nulls(Some(schema), &mut merged, Some(live));
    Ok(merged)
}

/// Managed fields after any other write: `new` is the object about to be stored in place of
/// `live` (`None`: a create); its managedFields are set. Call it after defaulting and mutation.
///
/// Entries in `new` count if they can be read, so that users can edit them; an empty list, or
/// one empty entry, makes everybody forgotten. A subresource cannot set them.
pub fn update(write: &Write<'_>, live: Option<&Value>, new: &mut Value) {
    let wanted = detach(new);
    let value = live.and_then(of_object);
    let stored = managed::decode(value).ok();
    let mut managed = if write.subresource.is_empty() {
        edited(wanted.as_ref(), value, stored.as_ref())
    } else {
        stored.clone().unwrap_or_default()
    };
    // Whoever reset them does not want them back before the next apply.
    if live.is_none() || !managed.is_empty() {
        let nothing = json!({});
        record_update(write, live.unwrap_or(&nothing), new, &mut managed);
    }
    attach(new, &managed, (value, stored.as_ref()));
}

/// Does a configuration fit the type that it is of, as it was sent?
pub fn check(schema: &TypeSchema, gvk: &Gvk, config: &Value) -> Result<(), ApplyError> {
    check_config(&Write { schema, gvk, manager: "", subresource: "", now: "" }, config)
}

/// Can these `metadata.managedFields` be read? The error is for a `metadata.managedFields:
/// Invalid value` of a request that sets them.
pub fn check_managed_fields(managed_fields: &Value) -> Result<(), String> {
    managed::decode(Some(managed_fields)).map(drop)
}

/// The entries that a request wants, or those of the object where it wants none that can be read.
fn edited(wanted: Option<&Value>, before: Option<&Value>, stored: Option<&Managed>) -> Managed {
    let reset = match wanted.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => shape::is_void(Some(only)),
        _ => false,
    };
    if reset {
        return Managed::new();
    }
    let own = if wanted == before { None } else { managed::decode(wanted).ok() };
    own.filter(|own| !own.is_empty()).or_else(|| stored.cloned()).unwrap_or_default()
}

fn check_config(write: &Write<'_>, config: &Value) -> Result<(), ApplyError> {
    let bad = |why: String| Err(ApplyError::BadRequest(why));
    match Gvk::of(config) {
        Some(gvk) if gvk == *write.gvk => {}
        Some(gvk) => return bad(format!("invalid object type: {gvk}")),
        None => return bad("invalid object type: /, Kind=".to_owned()),
    }
    let metadata = |name: &str| config.get("metadata").and_then(|metadata| metadata.get(name));
    if metadata("managedFields").is_some_and(|managed| !managed.is_null()) {
        return bad("metadata.managedFields must be nil".to_owned());
    }
    let Some(errors) = validate::errors(write.schema, config) else { return Ok(()) };
    let text = |name: &str| metadata(name).and_then(Value::as_str).unwrap_or_default();
    let object = format!("{}/{}; {}", text("namespace"), text("name"), write.gvk);
    Err(ApplyError::Typed { object, errors })
}

/// The configuration without the nulls that Go programs print for what the server sets
/// (`creationTimestamp: null`): they do not mean to unset it.
fn without_null_identity(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        let of_server = |name: &str| ownership::UNOWNED_METADATA.contains(&name);
        metadata.retain(|name, value| !(value.is_null() && of_server(name)));
    }
    config
}

/// Applies; where kubectl meets conflicts that its own client-side apply made, it takes over.
fn apply_as_kubectl(
    write: &Write<'_>,
    live: &Value,
    config: &Value,
    managed: &Managed,
    force: bool,
) -> Result<(Value, Managed), ApplyError> {
    let conflicts = match merge_and_own(write, live, config, managed, force) {
        Ok(done) => return Ok(done),
        Err(conflicts) => conflicts,
    };
    if write.manager != last_applied::MANAGER {
        return Err(ApplyError::Conflicts(conflicts));
    }
    let api_version = write.gvk.api_version();
    let left = match last_applied::allowed_conflicts(write.schema, live, &api_version) {
        Some(allowed) => conflicts.outside(&allowed),
        None => Some(conflicts),
    };
    match left {
        Some(conflicts) => Err(ApplyError::Conflicts(conflicts)),
        None => merge_and_own(write, live, config, managed, true).map_err(ApplyError::Conflicts),
    }
}

fn drop_metadata_nulls(schema: &TypeSchema, object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata") {
        merge::drop_nulls(schema.field("metadata").map(|schema| &**schema), metadata, None);
    }
}

/// The merged object and who owns what of it.
fn merge_and_own(
    write: &Write<'_>,
    live: &Value,
    config: &Value,
    managed: &Managed,
    force: bool,
) -> Result<(Value, Managed), Conflicts> {
    let mut managed = managed.clone();
    let me = identity(write, Operation::Apply);
    let last = managed.remove(&me);
    let ignored = ignored(write);
    let set = fields_of(Some(write.schema), config).recursive_difference(&ignored);
    let time = last.as_ref().and_then(|last| last.time.clone());
    let entry = Entry { set, api_version: write.gvk.api_version(), time };
    managed.insert(me.clone(), entry);

    let merged = merge::merge(Some(write.schema), live, config);
    let mut object = match &last {
        Some(last) => prune::prune(write.schema, merged, &last.set, &managed),
        None => merged,
    };
    let comparison = Comparison::of(write.schema, live, &object).without(&ignored);
    take_over(&mut managed, &me, &comparison, force)?;
    match compare::is_builtin(write.schema) {
        true => merge::drop_nulls(Some(write.schema), &mut object, Some(live)),
        // A custom object has no Go type to lose them in: its schema judges them. Its metadata has.
        false => drop_metadata_nulls(write.schema, &mut object),
    }
    strip(&mut managed, &me);
    Ok((object, managed))
}
