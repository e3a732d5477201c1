//! The places in a write where webhooks are asked. Objects come in stored form and go back so.

use api::Gvk;
use serde_json::{Value, json};

use super::asked::{Asked, Operation, delete_options};
use super::of;
use crate::error::ApiResult;
use crate::kinds::Subresource;
use crate::object::{meta, metadata_mut};
use crate::request::Call;
use crate::verbs::admission;
use crate::verbs::delete_options::DeleteOptions;

/// What a new object has from the server, and hooks do not see yet.
const IDENTITY: [&str; 2] = ["uid", "creationTimestamp"];

fn served(call: &Call<'_>, object: &Value) -> Value {
    let mut served = object.clone();
    call.kind.to_served(&mut served);
    served
}

fn stored(call: &Call<'_>, asked: &Asked<'_>) -> Value {
    let mut object = asked.object.clone().unwrap_or_default();
    call.kind.to_stored(&mut object);
    object
}

/// Lets hooks change a new object.
pub(crate) async fn mutate_create(
    call: &Call<'_>,
    object: &mut Value,
    dry_run: bool,
) -> ApiResult<()> {
    let Some(hooks) = of(call) else { return Ok(()) };
    // What cannot be made anyway is no hook's matter.
    admission::namespace_of(call.registry(), call.kind, object)?;
    let mut asked = Asked::new(call, Operation::Create, dry_run)?;
    asked.named(call.namespace(), meta(object, "name"));
    let identity = IDENTITY.map(|field| (field, object["metadata"][field].clone()));
    let show = |object: &Value| {
        let mut shown = served(call, object);
        IDENTITY.iter().for_each(|field| drop(metadata_mut(&mut shown).remove(*field)));
        shown
    };
    asked.object = Some(show(object));
    let mut round = hooks.mutate(&mut asked).await?;
    if !round.changed {
        return Ok(());
    }
    take_over(call, &asked, &identity, object);
    admission::complete(call, object).await?;
    let completed = show(object);
    if asked.object.as_ref() != Some(&completed) {
        round.has_changed();
        asked.object = Some(completed);
    }
    hooks.again(&mut asked, &mut round).await?;
    take_over(call, &asked, &identity, object);
    Ok(())
}

fn take_over(call: &Call<'_>, asked: &Asked<'_>, identity: &[(&str, Value)], object: &mut Value) {
    *object = stored(call, asked);
    for (field, value) in identity {
        metadata_mut(object).insert((*field).to_owned(), value.clone());
    }
    call.kind.fill(object);
}

/// Asks hooks about a new object as it is to be stored.
pub(crate) async fn validate_create(
    call: &Call<'_>,
    object: &Value,
    dry_run: bool,
) -> ApiResult<()> {
    let Some(hooks) = of(call) else { return Ok(()) };
    let mut asked = Asked::new(call, Operation::Create, dry_run)?;
    asked.named(call.namespace(), meta(object, "name"));
    asked.object = Some(served(call, object));
    hooks.validate(&asked).await
}

/// Have webhooks a say in this write of the object itself, or of a subresource?
pub(crate) fn judge(call: &Call<'_>) -> bool {
    of(call).is_some()
}

/// Does the write of such a subresource show its own body to hooks, rather than the object?
fn has_own_body(call: &Call<'_>) -> bool {
    call.subresource.is_some_and(|subresource| subresource.own_kind().is_some())
}

/// Lets hooks change a changed object; has one?
pub(crate) async fn mutate_update(
    call: &Call<'_>,
    old: &Value,
    new: &mut Value,
    dry_run: bool,
) -> ApiResult<()> {
    let Some(hooks) = of(call).filter(|_| !has_own_body(call)) else { return Ok(()) };
    let mut asked = Asked::new(call, Operation::Update, dry_run)?;
    (asked.object, asked.old) = (Some(served(call, new)), Some(served(call, old)));
    let mut round = hooks.mutate(&mut asked).await?;
    if round.changed {
        hooks.again(&mut asked, &mut round).await?;
        *new = stored(call, &asked);
    }
    Ok(())
}

/// Asks hooks about a change as it is to be stored.
pub(crate) async fn validate_update(
    call: &Call<'_>,
    old: &Value,
    new: &Value,
    dry_run: bool,
) -> ApiResult<()> {
    let Some(hooks) = of(call).filter(|_| !has_own_body(call)) else { return Ok(()) };
    let mut asked = Asked::new(call, Operation::Update, dry_run)?;
    (asked.object, asked.old) = (Some(served(call, new)), Some(served(call, old)));
    hooks.validate(&asked).await
}

/// Asks hooks about a deletion. An eviction was asked about as such.
pub(crate) async fn delete(call: &Call<'_>, old: &Value, options: &DeleteOptions) -> ApiResult<()> {
    let Some(hooks) = of(call).filter(|_| !has_own_body(call)) else { return Ok(()) };
    let mut asked = Asked::new(call, Operation::Delete, options.dry_run)?;
    asked.named(meta(old, "namespace"), meta(old, "name"));
    asked.options = delete_options(options);
    asked.old = Some(served(call, old));
    hooks.mutate(&mut asked).await?;
    hooks.validate(&asked).await
}

/// Asks hooks about the body of a subresource that has a kind of its own.
pub(crate) async fn admit(
    call: &Call<'_>,
    operation: Operation,
    gvk: Gvk,
    object: Value,
    old: Option<Value>,
) -> ApiResult<Value> {
    let Some(hooks) = of(call) else { return Ok(object) };
    let dry_run = call.query.dry_run()?;
    let mut asked = Asked::new(call, operation, dry_run)?;
    asked.gvk = gvk;
    (asked.object, asked.old) = (Some(object), old);
    let mut round = hooks.mutate(&mut asked).await?;
    if round.changed {
        hooks.again(&mut asked, &mut round).await?;
    }
    hooks.validate(&asked).await?;
    Ok(asked.object.unwrap_or_default())
}

/// Asks hooks about a connection to a container, a port or a proxy.
pub(crate) async fn connect(call: &Call<'_>, subresource: Subresource) -> ApiResult<()> {
    let Some((group, version, kind)) = subresource.own_kind() else { return Ok(()) };
    if of(call).is_none() || !kind.ends_with("Options") {
        return Ok(());
    }
    let gvk = Gvk::new(group, version, kind);
    let mut options = json!({"kind": kind, "apiVersion": gvk.api_version()});
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if call.query.flag(flag)? {
            options[flag] = true.into();
        }
    }
    for field in ["container", "path"] {
        if let Some(text) = call.query.get(field) {
            options[field] = text.into();
        }
    }
    let all = call.query.all("command");
    if !all.is_empty() {
        options["command"] = json!(all);
    }
    admit(call, Operation::Connect, gvk, options, None).await.map(drop)
}
