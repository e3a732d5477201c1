//! Keeps the APIServices in step with what is there: those of this server's own groups exist, and
//! all of them say whether they are available.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use http::Method;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::availability::{self, Finding};
use super::{api_services, registration};
use crate::bootstrap::{BootstrapError, ask};
use crate::object::meta;
use crate::server::Shared;
use crate::verbs::now;

/// Those that are there are asked again after this, as upstream.
const AGAIN: Duration = Duration::from_secs(30);
/// Those that are not, and what failed, sooner.
const SOON: Duration = Duration::from_secs(2);
/// Changes that come together are looked at together.
const PAUSE: Duration = Duration::from_millis(50);
/// So many are asked at once.
const AT_ONCE: usize = 16;

/// Runs until the server closes or is dropped.
pub(crate) async fn run(shared: Weak<Shared>, closing: CancellationToken, changed: Arc<Notify>) {
    loop {
        let Some(server) = shared.upgrade() else { return };
        let again = match AssertUnwindSafe(pass(&server)).catch_unwind().await {
            Ok(again) => again,
            Err(_) => {
                tracing::error!("looking after APIServices panicked; it goes on");
                Some(SOON)
            }
        };
        drop(server);
        let later = async {
            match again {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = closing.cancelled() => return,
            () = changed.notified() => tokio::time::sleep(PAUSE).await,
            () = later => {}
        }
    }
}

/// When to look again, if nothing changes.
async fn pass(shared: &Arc<Shared>) -> Option<Duration> {
    let mut again = None;
    if let Err(error) = registration::reconcile(shared).await {
        tracing::warn!(%error, "the APIServices of this server are not yet as they must be");
        again = Some(SOON);
    }
    let objects = api_services(&shared.registry);
    let looking = objects.into_iter().map(|object| look(shared, object));
    let found: Vec<_> = futures::stream::iter(looking).buffer_unordered(AT_ONCE).collect().await;
    let next = found.into_iter().flatten().min();
    again.into_iter().chain(next).min()
}

/// Looks at one and says what was found; when to look again.
async fn look(shared: &Arc<Shared>, object: Value) -> Option<Duration> {
    let extensions = shared.registry.extensions();
    let extension = extensions.all().find(|extension| extension.name == meta(&object, "name"));
    let finding = match extension {
        Some(extension) => availability::check(shared, extension).await,
        None => Finding::local(),
    };
    let said = match availability::conditions(&object, &finding, &now()) {
        Some(conditions) => say(shared, object, conditions).await,
        None => Ok(()),
    };
    if let Err(error) = &said {
        tracing::warn!(%error, "whether an APIService is available could not be written");
    }
    match (extension, &said) {
        (_, Err(_)) => Some(SOON),
        (None, Ok(())) => None,
        (Some(_), Ok(())) if finding.available => Some(AGAIN),
        (Some(_), Ok(())) => Some(SOON),
    }
}

async fn say(
    shared: &Arc<Shared>,
    mut object: Value,
    conditions: Value,
) -> Result<(), BootstrapError> {
    object["status"]["conditions"] = conditions;
    let name = meta(&object, "name");
    let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}/status");
    match ask(shared, Method::PUT, &path, Some(&object)).await? {
        // Overtaken: the other write makes this run again.
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => {
            let message = answer["message"].as_str().unwrap_or_default().to_owned();
            Err(BootstrapError { path, message })
        }
    }
}
