//! Keeps what holds in step with what is stored: reads FlowSchemas and PriorityLevelConfigurations
//! whenever one changes, says of each schema whether its level is there, and makes anew what every
//! cluster has.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use store::WatchError;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{self, BootstrapError, ask};
use crate::kinds::{self, Kind};
use crate::object::{meta, text};
use crate::registry::{Opener, Registry};
use crate::server::Shared;
use crate::table::list;
use crate::verbs::now;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// The condition that says that a schema's level is not there.
const DANGLING: &str = "Dangling";
/// After a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// So many conditions are written at once.
const AT_ONCE: usize = 16;
/// Who writes the condition, as upstream.
const MANAGER: &str = "api-priority-and-fairness-config-consumer-v1";

/// Runs until the server closes or is dropped.
pub(crate) async fn follow(shared: Weak<Shared>, closing: CancellationToken) {
    loop {
        let Some(server) = shared.upgrade() else { return };
        let watchers = watchers(&server.registry);
        let passed = AssertUnwindSafe(pass(&server)).catch_unwind().await;
        let failed = match passed {
            Ok(Ok(())) => false,
            Ok(Err(error)) => {
                tracing::warn!(%error, "flow schemas are not yet as they should be");
                true
            }
            Err(_) => {
                tracing::error!("following flow schemas panicked; it goes on");
                true
            }
        };
        drop(server);
        let again = async {
            match failed {
                true => tokio::time::sleep(AGAIN).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = closing.cancelled() => return,
            open = changed(watchers) => if !open { return },
            () = again => {}
        }
    }
}

fn kind(plural: &str) -> &'static Arc<Kind> {
    kinds::find(GROUP, "v1", plural).expect("flow control is in the table")
}

fn watchers(registry: &Registry) -> Result<[Opener; 2], WatchError> {
    let from = registry.store.revision().next();
    let watch = |plural| registry.store.watch(Registry::range(kind(plural), None), from);
    Ok([watch("flowschemas")?, watch("prioritylevelconfigurations")?])
}

/// Waits for a change; `false`: there will be none.
async fn changed(watchers: Result<[Opener; 2], WatchError>) -> bool {
    let Ok([mut schemas, mut levels]) = watchers else { return false };
    let next = tokio::select! {
        next = schemas.next() => next,
        next = levels.next() => next,
    };
    // Whoever fell behind reads everything anew anyhow.
    !matches!(next, Err(WatchError::Closed))
}

/// Brings what holds, and what is said of it, in step once.
pub(crate) async fn pass(shared: &Arc<Shared>) -> Result<(), BootstrapError> {
    let (schemas, levels) = load(shared);
    let told: Vec<Value> = schemas.iter().filter_map(|schema| told(schema, &levels)).collect();
    let tellings = told.into_iter().map(|told| tell(shared.clone(), told));
    // They become durable together.
    let told: Vec<_> = futures::stream::iter(tellings).buffer_unordered(AT_ONCE).collect().await;
    told.into_iter().collect::<Result<(), _>>()?;
    if bootstrap::lacks_flow_control(&schemas, &levels) {
        bootstrap::seed_flow_control(shared).await?;
    }
    Ok(())
}

/// From now on what is stored holds.
fn load(shared: &Shared) -> (Vec<Value>, Vec<Value>) {
    let schemas = all(&shared.registry, "flowschemas");
    let levels = all(&shared.registry, "prioritylevelconfigurations");
    shared.flow_control.configure(&schemas, &levels);
    (schemas, levels)
}

fn all(registry: &Registry, plural: &str) -> Vec<Value> {
    let found = registry.store.range(&Registry::range(kind(plural), None), None, 0);
    // The head can always be read.
    let entries = found.map(|found| found.entries).unwrap_or_default();
    entries.iter().filter_map(|kv| registry.decode(kv).ok()).collect()
}

/// Writes whether a schema's level is there.
async fn tell(shared: Arc<Shared>, told: Value) -> Result<(), BootstrapError> {
    let name = meta(&told, "name");
    let path = format!("/apis/{GROUP}/v1/flowschemas/{name}/status?fieldManager={MANAGER}");
    match ask(&shared, Method::PUT, &path, Some(&told)).await? {
        // Somebody was faster: that is a change, after which this is looked at again.
        (200 | 404 | 409, _) => Ok(()),
        (_, answer) => {
            let message = text(&answer, "/message").to_owned();
            Err(BootstrapError { path, message })
        }
    }
}

/// The schema with its condition; `None` where it has it.
fn told(schema: &Value, levels: &[Value]) -> Option<Value> {
    let level = text(schema, "/spec/priorityLevelConfiguration/name");
    let there = levels.iter().any(|found| meta(found, "name") == level);
    let about = format!(
        "This FlowSchema references the PriorityLevelConfiguration object named {level:?} {}",
        if there { "and it exists" } else { "but there is no such object" }
    );
    let (status, reason) = if there { ("False", "Found") } else { ("True", "NotFound") };
    let conditions = list(schema, "/status/conditions");
    let same = |condition: &Value| {
        condition["type"] == DANGLING
            && condition["status"] == status
            && condition["reason"] == reason
            && condition["message"] == about.as_str()
    };
    if conditions.iter().any(same) {
        return None;
    }
    let others = conditions.iter().filter(|condition| condition["type"] != DANGLING);
    let condition = json!({"type": DANGLING, "status": status, "reason": reason,
        "message": about, "lastTransitionTime": now()});
    let mut told = schema.clone();
    told["status"]["conditions"] = others.cloned().chain([condition]).collect();
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_told_once_whether_its_level_is_there() {
        let schema = json!({"metadata": {"name": "s"},
            "spec": {"priorityLevelConfiguration": {"name": "l"}}});
        let level = json!({"metadata": {"name": "l"}});
        let missing = told(&schema, &[]).unwrap();
        assert_eq!(missing["status"]["conditions"][0]["status"], "True");
        assert_eq!(told(&missing, &[]), None);
        let found = told(&missing, std::slice::from_ref(&level)).unwrap();
        let conditions = found["status"]["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 1);
        assert_eq!(
            conditions[0]["message"],
            "This FlowSchema references the PriorityLevelConfiguration object named \"l\" and it exists"
        );
        assert_eq!(told(&found, &[level]), None);
    }
}
