//! POST to a collection.

use api::patch::apply::Write;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{ATTEMPTS_MAX, Made, admission, now};
use crate::error::{ApiError, ApiResult};
use crate::kinds::notes;
use crate::object::{meta, metadata_mut, set_resource_version};
use crate::registry::Written;
use crate::request::Call;
use crate::{body, custom, respond, strategy, webhooks};

/// A generated name is tried again so often when it is taken, as upstream.
const NAMES_MAX: usize = 8;
/// The random letters that generateName gets.
const SUFFIX_LEN: usize = 5;
/// No vowels and nothing that looks like another: upstream's alphabet.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The longest prefix that leaves room for the suffix in a DNS label.
const PREFIX_MAX: usize = 63 - SUFFIX_LEN;

pub(crate) async fn answer(call: &Call<'_>, request: Request<Body>) -> ApiResult<Response> {
    call.format()?;
    if call.kind.namespaced && call.namespace.is_none() {
        return Err(ApiError::method_not_allowed());
    }
    let dry_run = call.query.dry_run()?;
    let raw = body::read(request).await?;
    let mut object = body::object(call, &raw, &call.kind.gvk())?;
    call.kind.to_stored(&mut object);
    let made = insert(call, object, dry_run, Managed::Update).await?;
    respond::made(call, StatusCode::CREATED, made)
}

/// Who writes the managed fields?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Managed {
    /// They follow from what the write changed.
    Update,
    /// Server-side apply has written them.
    Applied,
}

/// Makes an object, in stored form.
pub(crate) async fn insert(
    call: &Call<'_>,
    mut object: Value,
    dry_run: bool,
    managed: Managed,
) -> ApiResult<Made> {
    custom::may_create(call, &object)?;
    prepare(call, &mut object)?;
    // Before the cluster adds its own: nobody owns that.
    if managed == Managed::Update {
        set_managers(call, None, &mut object)?;
    }
    admission::complete(call, &mut object).await?;
    webhooks::mutate_create(call, &mut object, dry_run).await?;
    admission::may_grant(call, None, &object)?;
    let prefix = meta(&object, "generateName").to_owned();
    let generate = meta(&object, "name").is_empty() && !prefix.is_empty();
    for _ in 0..NAMES_MAX {
        if generate {
            let name = generated_name(&prefix);
            metadata_mut(&mut object).insert("name".to_owned(), name.into());
        }
        if call.kind.storage == "namespaces" {
            strategy::namespace::label(&mut object);
        }
        if let Some(made) = insert_named(call, &object, dry_run).await? {
            warn(call, &object);
            return Ok(made);
        }
        if !generate {
            return Err(ApiError::already_exists(call.kind, meta(&object, "name")));
        }
    }
    Err(ApiError::generated_names_taken(call.kind, meta(&object, "name")))
}

/// What is likely not meant, of an object that is otherwise good.
fn warn(call: &Call<'_>, object: &Value) {
    notes::warn(call, None, object);
    custom::warn(call, None, object);
    let told = api::warnings::create(&call.kind.stored_gvk(), object);
    told.into_iter().for_each(|text| call.warn(text));
}

/// What only the server sets, and where the object is to be.
fn prepare(call: &Call<'_>, object: &mut Value) -> ApiResult<()> {
    match (meta(object, "namespace"), call.namespace()) {
        ("", _) => {}
        (given, place) if given == place => {}
        // Of what is in no namespace it says nothing.
        (_, "") => {
            metadata_mut(object).remove("namespace");
        }
        _ => {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    }
    // As upstream, where what is no version is none, and this an error of no class that clients know.
    if meta(object, "resourceVersion").parse::<u64>().is_ok_and(|version| version != 0) {
        return Err(ApiError::unknown(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let metadata = metadata_mut(object);
    for field in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        metadata.remove(field);
    }
    if !call.namespace().is_empty() {
        metadata.insert("namespace".to_owned(), call.namespace().into());
    }
    metadata.insert("uid".to_owned(), new_uid().into());
    metadata.insert("creationTimestamp".to_owned(), now().into());
    strategy::prepare_create(call.kind, &call.user, object);
    call.kind.fill(object);
    strategy::finish_create(call.kind, object);
    Ok(())
}

/// From the thread's generator, which the system seeds: asking the system each time is a call for
/// every object.
fn new_uid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// `None`: the name is taken.
async fn insert_named(call: &Call<'_>, object: &Value, dry_run: bool) -> ApiResult<Option<Made>> {
    let (kind, registry) = (call.kind, call.registry());
    ask_webhooks(call, object, dry_run).await?;
    let _turn = admission::quota::turn(call).await;
    for _ in 0..ATTEMPTS_MAX {
        let namespace = admission::namespace_of(registry, kind, object)?;
        if registry.get(kind, meta(object, "namespace"), meta(object, "name")).is_some() {
            return Ok(None);
        }
        let mut object = object.clone();
        strategy::settle(kind, &mut object);
        // Before allocation: what is not valid takes no address.
        validate(call, &object)?;
        admission::judge(call, None, &object)?;
        strategy::allocate(registry, kind, None, &mut object)?;
        webhooks::note_types(registry, kind, &mut object);
        let along = admission::quota::charge(call, &object)?;
        if dry_run {
            return Ok(Some(Made { object, stored: None }));
        }
        let written = registry.insert(kind, &object, namespace.as_ref(), &along).await?;
        if let Written::At(revision, bytes) = written {
            set_resource_version(&mut object, revision);
            return Ok(Some(Made { object, stored: Some((bytes, revision)) }));
        }
    }
    Err(ApiError::contention(kind, "create"))
}

/// Others judge only what is valid, and before anybody waits for a turn.
async fn ask_webhooks(call: &Call<'_>, object: &Value, dry_run: bool) -> ApiResult<()> {
    if !webhooks::judge(call) {
        return Ok(());
    }
    let mut settled = object.clone();
    strategy::settle(call.kind, &mut settled);
    validate(call, &settled)?;
    admission::judge(call, None, &settled)?;
    webhooks::validate_create(call, &settled, dry_run).await
}

fn validate(call: &Call<'_>, object: &Value) -> ApiResult<()> {
    let mut errors = call.kind.problems(object, None, &mut |text| call.warn(text));
    errors.extend(admission::devices::create(call, object));
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(call.kind, meta(object, "name"), errors))
}

/// The managed fields that a write of this request leaves behind.
pub(crate) fn set_managers(
    call: &Call<'_>,
    live: Option<&Value>,
    new: &mut Value,
) -> ApiResult<()> {
    let schema = call.kind.schema().ok_or_else(ApiError::no_such_path)?;
    let write = Write {
        schema: &schema,
        gvk: &call.kind.stored_gvk(),
        manager: &call.manager()?,
        subresource: call.subresource.map_or("", |subresource| subresource.name()),
        now: &now(),
    };
    api::patch::apply::update(&write, live, new);
    if new["metadata"]["managedFields"] == json!([]) {
        metadata_mut(new).remove("managedFields");
    }
    Ok(())
}

/// A name that begins so and is nobody's yet, as far as luck goes.
pub(super) fn generated_name(prefix: &str) -> String {
    let mut end = prefix.len().min(PREFIX_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = prefix[..end].to_owned();
    for _ in 0..SUFFIX_LEN {
        name.push(ALPHABET[usize::from(rand::random::<u8>()) % ALPHABET.len()].into());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit_a_label_and_differ() {
        let long = "x".repeat(80);
        assert_eq!(generated_name(&long).len(), 63);
        assert!(generated_name("web-").starts_with("web-"));
        assert_ne!(generated_name("web-"), generated_name("web-"));
        assert!(generated_name(&"é".repeat(40)).len() <= 63);
    }
}
