//! A change to an object that is there: read, change, check, write; again when overtaken.

use serde_json::{Map, Value};
use store::KeyValue;

use super::create::{Managed, set_managers};
use super::{ATTEMPTS_MAX, Made, admission};
use crate::error::{ApiError, ApiResult};
use crate::kinds::{Kind, notes};
use crate::object::{meta, metadata_mut, set_resource_version};
use crate::registry::{Along, Written};
use crate::request::Call;
use crate::strategy::{self, Grace};
use crate::{custom, webhooks};

/// Which part of an object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where the kind has that apart.
    Main,
    /// The status.
    Status,
    /// A Namespace's finalizers.
    Finalize,
    /// Whether a certificate may be signed.
    Approval,
    /// The size, by the scale subresource.
    Scale,
    /// The node of a pod, which nothing else may set.
    Binding,
    /// The ephemeral containers of a pod.
    Debuggers,
    /// What the containers of a pod ask for.
    Resources,
}

/// Changes an object, in stored form. `change` is called with each version read.
pub(crate) async fn mutate(
    call: &Call<'_>,
    part: Part,
    managed: Managed,
    change: impl Fn(&Value) -> ApiResult<Value>,
) -> ApiResult<Made> {
    let dry_run = call.query.dry_run()?;
    let (kind, registry) = (call.kind, call.registry());
    for _ in 0..ATTEMPTS_MAX {
        let kv = registry
            .read(kind, call.namespace(), call.name())
            .await?
            .ok_or_else(|| ApiError::not_found(kind, call.name()))?;
        let mut old = registry.decode(&kv)?;
        kind.freshen(&mut old);
        let mut new = change(&old)?;
        check_preconditions(kind, part, &old, &new)?;
        let managed = ask_webhooks(call, part, managed, (&old, &mut new), dry_run).await?;
        finish(call, part, managed, &old, &mut new)?;
        admission::judge(call, Some(&old), &new)?;
        webhooks::validate_update(call, &old, &new, dry_run).await?;
        if unchanged(&old, &new) {
            return Ok(Made { object: old, stored: Some((kv.value, kv.mod_revision)) });
        }
        let along = admission::quota::change(call, part, &old, &new)?;
        if dry_run {
            return Ok(Made { object: new, stored: None });
        }
        let gone = is_over(kind, &old, &new);
        match store(call, gone, (&kv, &old), &new, &along).await? {
            Written::At(revision, bytes) => {
                set_resource_version(&mut new, revision);
                let stored = (!gone).then_some((bytes, revision));
                return Ok(Made { object: new, stored });
            }
            Written::Raced => {}
        }
    }
    Err(ApiError::contention(kind, "update"))
}

/// Lets webhooks change what is to be written. The writer owns what it wrote, not what they did.
async fn ask_webhooks(
    call: &Call<'_>,
    part: Part,
    managed: Managed,
    (old, new): (&Value, &mut Value),
    dry_run: bool,
) -> ApiResult<Managed> {
    let own = matches!(part, Part::Scale | Part::Binding);
    if own || !webhooks::judge(call) {
        return Ok(managed);
    }
    keep_other_parts(call.kind, part, old, new);
    keep_metadata(old, new);
    call.kind.fill(new);
    if managed == Managed::Update {
        set_managers(call, Some(old), new)?;
    }
    webhooks::mutate_update(call, old, new, dry_run).await?;
    Ok(Managed::Applied)
}

async fn store(
    call: &Call<'_>,
    gone: bool,
    old: (&KeyValue, &Value),
    new: &Value,
    along: &Along,
) -> ApiResult<Written> {
    match gone {
        true => call.registry().remove(call.kind, old.0, old.1).await,
        false => call.registry().replace(call.kind, old, new, along).await,
    }
}

/// May an update leave out which version it changes?
fn may_be_unconditional(kind: &Kind) -> bool {
    kind.custom.is_none() && kind.storage != custom::STORAGE
}

/// Does an object have the name of its path?
pub(crate) fn check_name(given: &str, name: &str) -> ApiResult<()> {
    let why = match given {
        "" => format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ),
        given if given == name => return Ok(()),
        given => {
            format!("the name of the object ({given}) does not match the name on the URL ({name})")
        }
    };
    Err(ApiError::bad_request(why))
}

/// The version and the identity that the writer meant.
fn check_preconditions(kind: &Kind, part: Part, old: &Value, new: &Value) -> ApiResult<()> {
    let name = meta(old, "name");
    let given = meta(new, "name");
    check_name(given, name)?;
    let named = kind.namespaced && !meta(new, "namespace").is_empty();
    if named && meta(new, "namespace") != meta(old, "namespace") {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let deletion = &new["metadata"]["deletionTimestamp"];
    if !deletion.is_null() && !api::meta::is_deleting(old) {
        return Err(ApiError::immutable(kind, name, "metadata.deletionTimestamp", deletion));
    }
    let (uid, wanted_uid) = (meta(old, "uid"), meta(new, "uid"));
    if !wanted_uid.is_empty() && wanted_uid != uid {
        let why = precondition_failed(kind, (meta(old, "namespace"), name), wanted_uid, uid);
        return Err(ApiError::conflict(kind, name, &why));
    }
    match meta(new, "resourceVersion") {
        "" | "0" if part != Part::Scale && !may_be_unconditional(kind) => {
            Err(ApiError::unconditional(kind, name))
        }
        "" | "0" => Ok(()),
        version if version == meta(old, "resourceVersion") => Ok(()),
        version if version.parse::<u64>().is_err() => Err(ApiError::bad_request(format!(
            "metadata.resourceVersion: Invalid value: {version:?}: must be a whole number"
        ))),
        _ => Err(ApiError::modified(kind, name)),
    }
}

/// Why another object than the one that is there was meant, as upstream's storage says it.
pub(super) fn precondition_failed(
    kind: &Kind,
    (namespace, name): (&str, &str),
    wanted_uid: &str,
    uid: &str,
) -> String {
    let place = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    let key = format!("/registry/{}/{place}", storage_prefix(kind));
    format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
         Precondition failed: UID in precondition: {wanted_uid}, UID in object meta: {uid}"
    )
}

/// Where upstream keeps a kind's objects.
fn storage_prefix(kind: &Kind) -> String {
    let (group, plural) = (&*kind.group, &*kind.plural);
    match (group, plural) {
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("", "nodes") => "minions".to_owned(),
        ("", "replicationcontrollers") => "controllers".to_owned(),
        ("", "services") => "services/specs".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        ("apiextensions.k8s.io" | "apiregistration.k8s.io", _) => format!("{group}/{plural}"),
        _ if kind.custom.is_some() => format!("{group}/{plural}"),
        _ => plural.to_owned(),
    }
}

/// Everything between what the writer wants and what is stored.
fn finish(
    call: &Call<'_>,
    part: Part,
    managed: Managed,
    old: &Value,
    new: &mut Value,
) -> ApiResult<()> {
    let kind = call.kind;
    keep_other_parts(kind, part, old, new);
    keep_metadata(old, new);
    kind.fill(new);
    strategy::finish_update(kind, old, new);
    if kind.storage == "namespaces" {
        strategy::namespace::label(new);
    }
    admission::one_default(call, new)?;
    admission::may_grant(call, Some(old), new)?;
    strategy::allocate(call.registry(), kind, Some(old), new)?;
    // As upstream, to be placed is no change of what is wanted, nor is what a status brings along.
    if !matches!(part, Part::Binding | Part::Status) && strategy::bumps_generation(kind, old, new) {
        let generation = api::meta::generation(old) + 1;
        metadata_mut(new).insert("generation".to_owned(), generation.into());
    }
    if part == Part::Main {
        webhooks::note_types(call.registry(), kind, new);
    }
    validate(call, part, old, new)?;
    warn(call, part, old, new);
    if managed == Managed::Update {
        set_managers(call, Some(old), new)?;
    }
    Ok(())
}

/// What is likely not meant, of a change that is otherwise good.
fn warn(call: &Call<'_>, part: Part, old: &Value, new: &Value) {
    if matches!(part, Part::Main | Part::Status) {
        custom::warn(call, Some(old), new);
    }
    if part == Part::Main {
        notes::warn(call, Some(old), new);
        let told = api::warnings::update(&call.kind.stored_gvk(), old, new);
        told.into_iter().for_each(|text| call.warn(text));
    }
}

/// What this part may not touch stays as it was.
fn keep_other_parts(kind: &Kind, part: Part, old: &Value, new: &mut Value) {
    match part {
        Part::Main if kind.strategy.status => {
            copy(old, new, "status");
            // Of these only metadata changes so: who asked stays who asked, and what holds a
            // Namespace has a subresource.
            if kind.strategy.signed_by_requester || kind.strategy.grace == Grace::Namespace {
                copy(old, new, "spec");
            }
        }
        Part::Main | Part::Scale | Part::Binding => {}
        Part::Status => {
            let mut kept = old.clone();
            copy(new, &mut kept, "status");
            copy_metadata(new, &mut kept, "managedFields");
            for field in kind.strategy.status_metadata {
                copy_metadata(new, &mut kept, field);
            }
            if kind.strategy.signed_by_requester {
                strategy::certificate::keep_decisions(old, &mut kept);
            }
            if kind.strategy.grace == Grace::Pod {
                strategy::pod::keep_facts(old, &mut kept);
            }
            *new = kept;
        }
        Part::Approval => {
            let mut kept = strategy::certificate::approve(old, new);
            copy_metadata(new, &mut kept, "managedFields");
            *new = kept;
        }
        Part::Finalize => {
            let mut kept = old.clone();
            copy(new, &mut kept, "spec");
            *new = kept;
        }
        Part::Debuggers | Part::Resources => {
            let mut kept = match part {
                Part::Debuggers => strategy::pod::with_debuggers(old, new),
                _ => strategy::pod::with_resources(old, new),
            };
            copy_metadata(new, &mut kept, "managedFields");
            *new = kept;
        }
    }
}

fn copy(from: &Value, to: &mut Value, field: &str) {
    let Some(fields) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

fn copy_metadata(from: &Value, to: &mut Value, field: &str) {
    let metadata = metadata_mut(to);
    match from["metadata"].get(field) {
        // Mostly it is what it was.
        Some(value) if metadata.get(field) == Some(value) => {}
        Some(value) => _ = metadata.insert(field.to_owned(), value.clone()),
        None => _ = metadata.remove(field),
    }
}

/// Set by the server once and for all.
fn keep_metadata(old: &Value, new: &mut Value) {
    metadata_mut(new).remove("selfLink");
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        copy_metadata(old, new, field);
    }
}

fn validate(call: &Call<'_>, part: Part, old: &Value, new: &Value) -> ApiResult<()> {
    let kind = call.kind;
    let errors = match part {
        // A custom object's status is as its schema says too.
        Part::Status if kind.custom.is_none() => {
            let mut errors = api::validation::update_status(&kind.stored_gvk(), new, old);
            errors.extend(admission::devices::update_status(call, old, new));
            errors
        }
        Part::Approval => api::validation::update_approval(new, old),
        Part::Binding if kind.custom.is_none() => return Ok(()),
        Part::Debuggers => api::validation::update_debuggers(new, old),
        Part::Resources => api::validation::update_resources(new, old),
        _ => kind.problems(new, Some(old), &mut |text| call.warn(text)),
    };
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(kind, meta(old, "name"), errors))
}

/// The same but for when whom wrote: no new version.
fn unchanged(old: &Value, new: &Value) -> bool {
    let (old_metadata, new_metadata) = (&old["metadata"], &new["metadata"]);
    same_but(old, new, "metadata")
        && same_but(old_metadata, new_metadata, "managedFields")
        && same_managers(&old_metadata["managedFields"], &new_metadata["managedFields"])
}

fn same_managers(old: &Value, new: &Value) -> bool {
    match (old.as_array(), new.as_array()) {
        (Some(old), Some(new)) => {
            old.len() == new.len()
                && old.iter().zip(new).all(|(old, new)| same_but(old, new, "time"))
        }
        _ => old == new,
    }
}

/// Are these the same but for one field?
fn same_but(old: &Value, new: &Value, field: &str) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return old == new };
    let count =
        |fields: &Map<String, Value>| fields.len() - usize::from(fields.contains_key(field));
    count(old) == count(new)
        && old.iter().all(|(name, value)| name == field || new.get(name) == Some(value))
}

/// Is this the write that takes the last finalizer off an object that is being deleted?
fn is_over(kind: &Kind, old: &Value, new: &Value) -> bool {
    if !api::meta::is_deleting(old) || api::meta::finalizers(new).next().is_some() {
        return false;
    }
    match kind.strategy.grace {
        Grace::Namespace => new["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty),
        Grace::Pod | Grace::None | Grace::Definition => {
            api::meta::deletion_grace_period_seconds(old).unwrap_or(0) == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_time_of_a_manager_is_no_change() {
        let with = |time: &str, data: &str| {
            json!({"metadata": {"name": "a", "managedFields": [{"manager": "m", "time": time}]},
                "data": {"k": data}})
        };
        assert!(unchanged(&with("1", "a"), &with("2", "a")));
        assert!(!unchanged(&with("1", "a"), &with("1", "b")));
        let mut other = with("1", "a");
        other["metadata"]["managedFields"][0]["manager"] = "n".into();
        assert!(!unchanged(&with("1", "a"), &other));
        other["metadata"]["managedFields"] = json!([]);
        assert!(!unchanged(&with("1", "a"), &other));
        other["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert!(!unchanged(&with("1", "a"), &other));
        let mut labelled = with("1", "a");
        labelled["metadata"]["labels"] = json!({});
        assert!(!unchanged(&with("1", "a"), &labelled));
        assert!(!unchanged(&labelled, &with("1", "a")));
    }
}
