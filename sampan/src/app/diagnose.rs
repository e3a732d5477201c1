//! Why a workload does not become ready, in words: the step, the reason, the last log lines
//! and what to try.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, LogParams};
use kube::core::Selector;
use kube::{Api, Client};

use super::workload::{Workload, WorkloadKind, is_ready};
use crate::client::api_message;

/// How many log lines a failure shows.
const LOG_LINES: i64 = 15;
/// For how long a pod may find no place before that is a failure: others may be leaving.
const UNSCHEDULABLE_SECONDS: i64 = 10;

/// What went wrong with one workload.
#[derive(Debug)]
pub struct Failure {
    workload: String,
    step: &'static str,
    reason: String,
    log: Vec<String>,
    advice: String,
}

impl Failure {
    /// One line.
    pub fn summary(&self) -> String {
        format!("{} failed: {}", self.step, self.reason.lines().next().unwrap_or_default())
    }

    /// The whole story.
    pub fn story(&self) -> String {
        let mut story = format!("{}: {} failed: {}", self.workload, self.step, self.reason);
        if !self.log.is_empty() {
            story += "\n  its last log lines:";
            for line in &self.log {
                story += &format!("\n    | {line}");
            }
        }
        story + "\n  try: " + &self.advice
    }

    /// The API itself failed.
    pub fn api(workload: &Workload, error: &anyhow::Error) -> Self {
        Self {
            workload: workload.name.clone(),
            step: "start",
            reason: error.downcast_ref().map_or_else(|| error.to_string(), api_message),
            log: Vec::new(),
            advice: "'sampan status', to see whether the server runs".into(),
        }
    }

    /// It is not ready in time, and nothing else explains it.
    pub async fn timeout(client: &Client, workload: &Workload) -> Self {
        let pods = pods_of(client, workload).await.unwrap_or_default();
        let waiting = pods.iter().find(|pod| !is_ready(pod));
        let log = match waiting {
            Some(pod) => last_log(client, pod, None, false).await,
            None => Vec::new(),
        };
        Self {
            workload: workload.name.clone(),
            step: "start",
            reason: waiting.map_or("not ready in time".into(), not_ready_reason),
            log,
            advice: format!("{}, or a longer --timeout", describe(workload, waiting)),
        }
    }
}

/// The reason why the workload cannot become ready as it is, if there is one.
pub async fn diagnose(client: &Client, workload: &Workload) -> Option<Failure> {
    let pods = pods_of(client, workload).await.ok()?;
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        if let Some(why) = unschedulable(pod) {
            return Some(Failure {
                workload: workload.name.clone(),
                step: "schedule",
                reason: why,
                log: Vec::new(),
                advice: "smaller resources.requests, or 'sampan down' of another app".into(),
            });
        }
        let statuses = pod.status.iter().flat_map(|status| {
            let init = status.init_container_statuses.iter().flatten();
            init.chain(status.container_statuses.iter().flatten())
        });
        for status in statuses {
            if let Some(failure) = container_failure(client, workload, pod, status).await {
                return Some(failure);
            }
        }
    }
    None
}

async fn container_failure(
    client: &Client,
    workload: &Workload,
    pod: &Pod,
    status: &ContainerStatus,
) -> Option<Failure> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.clone().unwrap_or_default();
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let (step, reason, advice) = match reason {
        "CrashLoopBackOff" => ("start", how_it_ended(status), describe(workload, Some(pod))),
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            ("image", message, "'sampan images' to see which images are there".into())
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            ("start", message, describe(workload, Some(pod)))
        }
        _ => return None,
    };
    let log = match step {
        "start" => last_log(client, pod, Some(&status.name), status.restart_count > 0).await,
        _ => Vec::new(),
    };
    Some(Failure { workload: workload.name.clone(), step, reason, log, advice })
}

/// `it exited with code 1` and the like, from the container's last life.
fn how_it_ended(status: &ContainerStatus) -> String {
    let last = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let Some(end) = last else { return format!("container {} keeps crashing", status.name) };
    let how = match (end.reason.as_deref(), end.exit_code) {
        (Some("OOMKilled"), _) => "was killed because it used more memory than its limit".into(),
        (_, 137) => "was killed (exit code 137); its liveness probe may have failed".into(),
        (_, code) => format!("exited with code {code}"),
    };
    let said = end.message.as_deref().map(|m| format!(": {}", m.trim())).unwrap_or_default();
    format!("container {} {how}{said} (restarted {} times)", status.name, status.restart_count)
}

fn describe(workload: &Workload, pod: Option<&Pod>) -> String {
    let ns = &workload.namespace;
    match pod.and_then(|pod| pod.metadata.name.as_ref()) {
        Some(pod) => format!("'kubectl describe pod {pod} -n {ns}'"),
        None => format!("'kubectl describe deployment {} -n {ns}'", workload.name),
    }
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let refused = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    let since = refused.last_transition_time.as_ref()?.0;
    let waited = Timestamp::now().as_second() - since.as_second();
    (waited >= UNSCHEDULABLE_SECONDS).then(|| refused.message.clone().unwrap_or_default())
}

fn not_ready_reason(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref();
    let running = status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten();
    let unready = running.filter(|c| !c.ready).map(|c| c.name.as_str()).collect::<Vec<_>>();
    match status.and_then(|status| status.phase.as_deref()) {
        Some("Running") => format!(
            "pod {name} runs but is not ready in time; is the readiness probe of {} right?",
            unready.join(", ")
        ),
        phase => format!("pod {name} is still {}", phase.unwrap_or("Pending")),
    }
}

/// The pods of the newest template: those of the newest ReplicaSet for a Deployment.
async fn pods_of(client: &Client, workload: &Workload) -> anyhow::Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &workload.namespace);
    match workload.kind {
        WorkloadKind::Pod => Ok(pods.get_opt(&workload.name).await?.into_iter().collect()),
        WorkloadKind::Deployment => {
            let api: Api<Deployment> = Api::namespaced(client.clone(), &workload.namespace);
            let spec = api.get(&workload.name).await?.spec.unwrap_or_default();
            let selector: Selector = spec.selector.try_into()?;
            let mut found = pods.list(&ListParams::default().labels_from(&selector)).await?.items;
            let newest = found
                .iter()
                .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
            let hash = newest.and_then(template_hash);
            found.retain(|pod| template_hash(pod) == hash);
            Ok(found)
        }
    }
}

fn template_hash(pod: &Pod) -> Option<String> {
    pod.metadata.labels.as_ref()?.get("pod-template-hash").cloned()
}

async fn last_log(
    client: &Client,
    pod: &Pod,
    container: Option<&str>,
    previous: bool,
) -> Vec<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = LogParams {
        container: container.map(str::to_owned),
        previous,
        tail_lines: Some(LOG_LINES),
        ..Default::default()
    };
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    match pods.logs(name, &params).await {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        // The failure is told all the same; its log may not exist.
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(end: Value, expected: &str) {
        let status = json!({"name": "app", "image": "", "imageID": "", "ready": false,
            "restartCount": 2, "lastState": {"terminated": end}});
        assert_eq!(how_it_ended(&serde_json::from_value(status).unwrap()), expected);
    }

    #[test]
    fn the_way_a_container_ended_is_told_in_words() {
        check(json!({"exitCode": 1}), "container app exited with code 1 (restarted 2 times)");
        check(
            json!({"exitCode": 137, "reason": "OOMKilled"}),
            "container app was killed because it used more memory than its limit (restarted 2 times)",
        );
    }

    #[test]
    fn a_story_has_the_log_and_advice() {
        let failure = Failure {
            workload: "orders".into(),
            step: "start",
            reason: "container app exited with code 1".into(),
            log: vec!["no database".into()],
            advice: "'kubectl describe pod orders-x -n default'".into(),
        };
        let expected = "orders: start failed: container app exited with code 1\n  \
            its last log lines:\n    | no database\n  try: 'kubectl describe pod orders-x -n default'";
        assert_eq!(failure.story(), expected);
    }
}
