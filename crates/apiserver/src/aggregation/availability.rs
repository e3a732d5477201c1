//! Is a server behind this one there? Looked at from its Service to its own answer, with upstream's
//! reasons.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::Extension;
use super::learned::Learned;
use super::proxy::{aggregator, name_user};
use crate::callout::service;
use crate::kinds;
use crate::object::{self, text};
use crate::server::Shared;
use crate::table::list;

/// The answer comes soon or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No list of resources, nor index of documents, is larger.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What was found: a reason and a message.
#[derive(Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) available: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Finding {
    fn no(reason: &'static str, message: String) -> Self {
        Self { available: false, reason, message }
    }

    /// Of an APIService of this server's own.
    pub(super) fn local() -> Self {
        let message = "Local APIServices are always available".to_owned();
        Self { available: true, reason: "Local", message }
    }

    fn passed() -> Self {
        Self { available: true, reason: "Passed", message: "all checks passed".to_owned() }
    }
}

/// Looks, and learns what it serves.
pub(super) async fn check(shared: &Shared, extension: &Extension) -> Finding {
    if let Some(missing) = service_of(shared, extension) {
        return missing;
    }
    let root = extension.root();
    let resources = match get(shared, extension, &root).await {
        Ok(resources) => resources,
        Err(why) => {
            let place = format!("https://{}:{}{root}", host(extension), extension.service.port);
            let message = format!("failing or missing response from {place}: {why}");
            return Finding::no("FailedDiscoveryCheck", message.replace(BAD_STATUS_FROM, &place));
        }
    };
    // A server without documents is available all the same.
    let index = get(shared, extension, "/openapi/v3").await.unwrap_or_default();
    let learned = Learned::read(&resources, &index, &extension.group, &extension.version);
    extension.learn(Some(learned));
    Finding::passed()
}

fn host(extension: &Extension) -> String {
    format!("{}.{}.svc", extension.service.name, extension.service.namespace)
}

/// What is wrong with the Service, if anything.
fn service_of(shared: &Shared, extension: &Extension) -> Option<Finding> {
    let (name, namespace) = (&extension.service.name, &extension.service.namespace);
    let port = extension.service.port;
    let services = kinds::find("", "v1", "services").expect("services are in the table");
    let found = shared.registry.get(services, namespace, name);
    let Some(found) = found.and_then(|kv| object::decode(&kv).ok()) else {
        let message = format!("service/{name} in {namespace:?} is not present");
        return Some(Finding::no("ServiceNotFound", message));
    };
    if text(&found, "/spec/type") != "ClusterIP" {
        return None;
    }
    let Some(entry) = list(&found, "/spec/ports").iter().find(|entry| entry["port"] == port) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {port}");
        return Some(Finding::no("ServicePortError", message));
    };
    if !service::has_slices(&shared.registry, namespace, name) {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(Finding::no("EndpointsNotFound", message));
    }
    if service::address(&shared.registry, namespace, name, port).is_err() {
        let port = text(entry, "/name");
        let message = format!(
            "endpointslices for service/{name} in {namespace:?} have no addresses with port name {port:?}"
        );
        return Some(Finding::no("MissingEndpoints", message));
    }
    None
}

/// Stands for the address in a message until that is known.
const BAD_STATUS_FROM: &str = "<address>";

async fn get(shared: &Shared, extension: &Extension, path: &str) -> Result<Value, String> {
    let mut request = Request::builder().uri(path).header("accept", "application/json");
    if let Some(headers) = request.headers_mut() {
        name_user(headers, &aggregator());
    }
    let request = request.body(Body::empty()).map_err(|error| error.to_string())?;
    let asking = async {
        // Whoever it is: nothing is told that others may not know.
        let response = extension.send(shared, request, false).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    let answered = tokio::time::timeout(TIMEOUT, asking).await;
    let (status, body): (StatusCode, _) = answered.unwrap_or_else(|_| {
        Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned())
    })?;
    match status.is_success() {
        // What is no list of resources lists none.
        true => Ok(serde_json::from_slice(&body).unwrap_or_default()),
        false => Err(format!("bad status from {BAD_STATUS_FROM}: {}", status.as_u16())),
    }
}

/// The conditions with this one set; `None`: nothing has changed.
pub(super) fn conditions(object: &Value, finding: &Finding, now: &str) -> Option<Value> {
    let mut conditions = list(object, "/status/conditions").to_vec();
    let status = if finding.available { "True" } else { "False" };
    let mut condition = json!({"type": "Available", "status": status, "reason": finding.reason,
        "message": finding.message, "lastTransitionTime": now});
    match conditions.iter_mut().find(|condition| condition["type"] == "Available") {
        Some(old) => {
            if old["status"] == status {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            if *old == condition {
                return None;
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
    Some(conditions.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_others_stay_and_times_are_of_transitions() {
        let other = json!({"type": "Other", "status": "True"});
        let object = json!({"status": {"conditions": [other]}});
        let set = conditions(&object, &Finding::passed(), "t1").unwrap();
        assert_eq!((&set[0], &set[1]["lastTransitionTime"]), (&other, &json!("t1")));
        let object = json!({"status": {"conditions": set}});
        assert_eq!(conditions(&object, &Finding::passed(), "t2"), None);
        let lost = Finding::no("ServiceNotFound", "gone".to_owned());
        let set = conditions(&object, &lost, "t2").unwrap();
        assert_eq!(
            (&set[1]["status"], &set[1]["lastTransitionTime"]),
            (&json!("False"), &json!("t2"))
        );
        let object = json!({"status": {"conditions": set}});
        let other_reason = Finding::no("MissingEndpoints", "none".to_owned());
        let set = conditions(&object, &other_reason, "t3").unwrap();
        assert_eq!(set[1]["lastTransitionTime"], "t2");
    }
}
