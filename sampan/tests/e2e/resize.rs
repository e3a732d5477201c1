//! Pods that get more or less while they run.

use serde_json::{Value, json};

use crate::boat::{Boat, eventually, texts};
use crate::toolbox::afloat;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: calm
    image: box:1
    resources: {requests: {cpu: 20m, memory: 35Mi}, limits: {cpu: 30m, memory: 45Mi}}
  - name: nervous
    image: box:1
    resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
    resources: {requests: {cpu: 20m, memory: 35Mi}, limits: {cpu: 30m, memory: 45Mi}}
";

const WHOLE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  resources: {limits: {cpu: 100m, memory: 32Mi}}
  containers: [{name: calm, image: 'box:1'}]
";

fn with_pod(name: &str) -> Option<Boat> {
    let boat = afloat(name)?;
    boat.apply(POD);
    boat.kubectl_ok(&["wait", "pod/web", "--for=condition=Ready", "--timeout=60s"]);
    Some(boat)
}

fn resize(boat: &Boat, container: &str, resources: &Value) {
    let patch = json!({"spec": {"containers": [{"name": container, "resources": resources}]}});
    boat.kubectl_ok(&["patch", "pod", "web", "--subresource=resize", "-p", &patch.to_string()]);
}

fn status<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = pod["status"]["containerStatuses"].as_array();
    all.into_iter().flatten().find(|status| status["name"] == name).unwrap_or(&Value::Null)
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    let all = pod["status"]["conditions"].as_array();
    all.into_iter().flatten().find(|own| own["type"] == kind).unwrap_or(&Value::Null)
}

/// Whether the container has these resources and nothing is under way.
fn has(pod: &Value, name: &str, resources: &Value) -> bool {
    status(pod, name)["resources"] == *resources
        && condition(pod, "PodResizePending").is_null()
        && condition(pod, "PodResizeInProgress").is_null()
        && condition(pod, "Ready")["status"] == "True"
}

/// The memory limit and the cpu quota, as the container sees them.
fn seen(boat: &Boat, container: &str) -> (String, String) {
    let script = "cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes; \
                  cut -d' ' -f1 cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us";
    let text = boat.kubectl_ok(&["exec", "web", "-c", container, "--", "sh", "-c", script]);
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

#[test]
fn a_container_grows_and_shrinks_without_a_restart() {
    let Some(mut boat) = with_pod("resize") else { return };
    let before = boat.pod("web");
    assert_eq!(
        status(&before, "calm")["allocatedResources"],
        json!({"cpu": "20m", "memory": "35Mi"})
    );
    for (cpu, quota, memory) in [("60m", "6000", 64 << 20), ("25m", "2500", 40 << 20)] {
        let limits = json!({"cpu": cpu, "memory": format!("{}Mi", memory >> 20)});
        let to = json!({"requests": {"cpu": "20m", "memory": "35Mi"}, "limits": limits});
        resize(&boat, "calm", &to);
        let pod = boat.pod_when("web", "resized", |pod| has(pod, "calm", &to));
        assert_eq!(status(&pod, "calm")["containerID"], status(&before, "calm")["containerID"]);
        assert_eq!(seen(&boat, "calm"), (memory.to_string(), quota.to_owned()));
    }
    boat.event("ResizeCompleted");
    // A server that is killed before it did all is followed by one that does.
    let to = json!({"requests": {"cpu": "21m", "memory": "36Mi"}, "limits": {"cpu": "31m", "memory": "46Mi"}});
    resize(&boat, "calm", &to);
    boat.kill_server();
    boat.start();
    let pod = boat.pod_when("web", "resized after all", |pod| has(pod, "calm", &to));
    assert_eq!(status(&pod, "calm")["restartCount"], 0);
    assert_eq!(seen(&boat, "calm"), ((46 << 20).to_string(), "3100".to_owned()));
}

#[test]
fn a_container_that_wants_a_restart_gets_one() {
    let Some(boat) = with_pod("resize_restart") else { return };
    let cpu = json!({"requests": {"cpu": "25m", "memory": "35Mi"}, "limits": {"cpu": "30m", "memory": "45Mi"}});
    resize(&boat, "nervous", &cpu);
    let pod = boat.pod_when("web", "resized", |pod| has(pod, "nervous", &cpu));
    assert_eq!(status(&pod, "nervous")["restartCount"], 0);
    let memory = json!({"requests": {"cpu": "25m", "memory": "40Mi"}, "limits": {"cpu": "30m", "memory": "50Mi"}});
    resize(&boat, "nervous", &memory);
    let pod = boat.pod_when("web", "resized", |pod| has(pod, "nervous", &memory));
    assert_eq!(status(&pod, "nervous")["restartCount"], 1);
    assert_eq!(status(&pod, "calm")["restartCount"], 0);
    assert_eq!(seen(&boat, "nervous").0, (50 << 20).to_string());
}

#[test]
fn what_does_not_fit_is_told_and_nothing_changes() {
    let Some(boat) = with_pod("resize_pending") else { return };
    let had = status(&boat.pod("web"), "calm")["resources"].clone();
    let huge = json!({"requests": {"cpu": "2000"}, "limits": {"cpu": "2000"}});
    resize(&boat, "calm", &huge);
    let pod = boat.pod_when("web", "told of", |pod| {
        condition(pod, "PodResizePending")["reason"] == "Infeasible"
    });
    let message = condition(&pod, "PodResizePending")["message"].as_str().expect("a message");
    assert!(message.starts_with("Node didn't have enough capacity: cpu, requested:"), "{message}");
    assert_eq!(status(&pod, "calm")["resources"], had);
    // Less memory than is in use waits for that to change.
    let tiny = json!({"requests": {"cpu": "20m", "memory": "10Ki"}, "limits": {"cpu": "30m", "memory": "10Ki"}});
    resize(&boat, "calm", &tiny);
    let pod = boat.pod_when("web", "refused", |pod| {
        condition(pod, "PodResizeInProgress")["reason"] == "Error"
    });
    let message = condition(&pod, "PodResizeInProgress")["message"].as_str().expect("a message");
    assert!(message.contains("memory limit (10240) below current usage ("), "{message}");
    assert_eq!(status(&pod, "calm")["resources"], had);
    resize(&boat, "calm", &had);
    boat.pod_when("web", "as it was", |pod| has(pod, "calm", &had));
    let gone = boat.kubectl(&[
        "patch",
        "pod",
        "web",
        "--subresource=resize",
        "-p",
        r#"{"spec":{"containers":[{"name":"calm","resources":{"limits":{"cpu":null}}}]}}"#,
    ]);
    let (_, complaint) = texts(&gone);
    assert!(complaint.contains("resource limits cannot be removed"), "{complaint}");
}

#[test]
fn a_pod_as_a_whole_is_limited() {
    let Some(boat) = afloat("resize_whole") else { return };
    boat.apply(WHOLE);
    let pod = boat.pod_when("web", "running", |pod| pod["status"]["phase"] == "Running");
    assert_eq!(pod["status"]["qosClass"], "Guaranteed");
    assert_eq!(pod["status"]["resources"]["limits"]["memory"], "32Mi");
    // More than that is killed: the container has no limit of its own.
    let hog = ["exec", "web", "--", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=96M count=1"];
    eventually("the hog is killed", || (!boat.kubectl(&hog).status.success()).then_some(()));
    let more =
        r#"{"spec":{"resources":{"requests":{"memory":"256Mi"},"limits":{"memory":"256Mi"}}}}"#;
    boat.kubectl_ok(&["patch", "pod", "web", "--subresource=resize", "-p", more]);
    boat.pod_when("web", "grown", |pod| pod["status"]["resources"]["limits"]["memory"] == "256Mi");
    eventually("there is room", || boat.kubectl(&hog).status.success().then_some(()));
}
