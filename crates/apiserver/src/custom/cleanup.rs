//! Deletes the objects of definitions that are being deleted, and then lets those go. Everything
//! goes through the API's own request path.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use http::Method;
use serde_json::Value;
use store::Range;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::deletion::FINALIZER;
use super::{is_deleting, is_true};
use crate::bootstrap::{BootstrapError, ask};
use crate::kinds::Kind;
use crate::object::{self, meta, text};
use crate::registry::Registry;
use crate::server::Shared;

/// Objects whose own finalizers hold them are looked at again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs until the server closes or is dropped.
pub(crate) async fn run(shared: Weak<Shared>, closing: CancellationToken, changed: Arc<Notify>) {
    loop {
        let Some(server) = shared.upgrade() else { return };
        let left = match AssertUnwindSafe(pass(&server)).catch_unwind().await {
            Ok(left) => left,
            Err(_) => {
                tracing::error!("cleaning up after definitions panicked; it goes on");
                true
            }
        };
        drop(server);
        let again = async {
            match left {
                true => tokio::time::sleep(AGAIN).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = changed.notified() => {}
            () = again => {}
        }
    }
}

/// `true`: there is more to do, but not now.
async fn pass(shared: &Arc<Shared>) -> bool {
    let mut left = false;
    for definition in shared.registry.all_definitions() {
        let held = api::meta::finalizers(&definition).any(|finalizer| finalizer == FINALIZER);
        let done = match is_deleting(&definition) {
            true if held => clean(shared, definition).await,
            // A name may have become free.
            false if !is_true(&definition, "NamesAccepted") => renew(shared, &definition).await,
            _ => continue,
        };
        match done {
            Ok(done) => left |= !done,
            Err(error) => {
                tracing::warn!(%error, "a definition is not yet cleaned up");
                left = true;
            }
        }
    }
    left
}

/// `false`: some of its objects are still there.
async fn clean(shared: &Arc<Shared>, definition: Value) -> Result<bool, BootstrapError> {
    let kinds = shared.registry.kinds();
    let group = text(&definition, "/spec/group");
    let plural = text(&definition, "/spec/names/plural");
    let mut of_definition = kinds.all().filter(|kind| {
        let stored = kind.custom.as_ref().is_some_and(|custom| custom.is_stored_version());
        stored && kind.group == group && kind.plural == plural
    });
    if let Some(kind) = of_definition.next()
        && !delete_all(shared, kind).await?
    {
        return Ok(false);
    }
    release(shared, definition).await
}

async fn delete_all(shared: &Arc<Shared>, kind: &Kind) -> Result<bool, BootstrapError> {
    for object in objects(&shared.registry, kind) {
        if is_deleting(&object) {
            continue;
        }
        let path = path(kind, meta(&object, "namespace"), meta(&object, "name"));
        match ask(shared, Method::DELETE, &path, None).await? {
            (200 | 202 | 404, _) => {}
            (_, answer) => {
                let message = text(&answer, "/message").to_owned();
                return Err(BootstrapError { path, message });
            }
        }
    }
    Ok(objects(&shared.registry, kind).is_empty())
}

fn objects(registry: &Registry, kind: &Kind) -> Vec<Value> {
    let range: Range = Registry::range(kind, None);
    match registry.store.range(&range, None, 0) {
        Ok(reply) => reply.entries.iter().filter_map(|kv| object::decode(kv).ok()).collect(),
        Err(_) => Vec::new(),
    }
}

fn path(kind: &Kind, namespace: &str, name: &str) -> String {
    let place = match kind.namespaced {
        true => format!("namespaces/{namespace}/"),
        false => String::new(),
    };
    format!("/apis/{}/{}/{place}{}/{name}", kind.group, kind.version, kind.plural)
}

/// Writes a definition as it is, so that its names are looked at again.
async fn renew(shared: &Arc<Shared>, definition: &Value) -> Result<bool, BootstrapError> {
    put(shared, definition).await.map(|_| true)
}

/// Nothing holds the definition any more. An update that is overtaken is tried again.
async fn release(shared: &Arc<Shared>, mut definition: Value) -> Result<bool, BootstrapError> {
    if let Some(finalizers) = definition["metadata"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    put(shared, &definition).await
}

/// `false`: overtaken.
async fn put(shared: &Arc<Shared>, definition: &Value) -> Result<bool, BootstrapError> {
    let name = meta(definition, "name");
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    match ask(shared, Method::PUT, &path, Some(definition)).await? {
        (200 | 404, _) => Ok(true),
        (409, _) => Ok(false),
        (_, answer) => {
            let message = text(&answer, "/message").to_owned();
            Err(BootstrapError { path, message })
        }
    }
}
