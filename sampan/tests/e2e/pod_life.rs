//! The life of containers: order, hooks, probes, ends and restarts.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::boat::{Boat, eventually};
use crate::pod::{afloat, ask, container};

/// Pods that run to an end, each for a reason of its own.
const ENDS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: ordered}
spec:
  restartPolicy: Never
  initContainers:
  - {name: first, image: "echo:1", args: [append, /notes/order, one], volumeMounts: &notes [{name: notes, mountPath: /notes}]}
  - name: beside
    image: echo:1
    restartPolicy: Always
    startupProbe: {httpGet: {path: "/do?append+/notes/order+beside", port: 8080}, periodSeconds: 1}
    volumeMounts: *notes
  - {name: second, image: "echo:1", args: [append, /notes/order, two], volumeMounts: *notes}
  containers:
  - {name: main, image: "echo:1", args: [append, /notes/order, three], volumeMounts: *notes}
  volumes: [{name: notes, hostPath: {path: NOTES}}]
---
apiVersion: v1
kind: Pod
metadata: {name: failed-init}
spec:
  restartPolicy: Never
  initContainers: [{name: first, image: "echo:1", args: [exit, "5"]}]
  containers: [{name: main, image: "echo:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: message}
spec:
  restartPolicy: OnFailure
  containers:
  - {name: done, image: "echo:1", args: [append, /words/last, all is well], terminationMessagePath: /words/last}
---
apiVersion: v1
kind: Pod
metadata: {name: words}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: echo:1
    args: [print, last words, ",", exit, "4"]
    terminationMessagePolicy: FallbackToLogsOnError
---
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: "echo:1", args: [fill, "64"], resources: {limits: {memory: 16Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: unhooked}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: "echo:1", lifecycle: {postStart: {exec: {command: [/echo, exit, "7"]}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: terminal}
spec:
  restartPolicy: Never
  containers: [{name: main, image: "echo:1", args: [terminal], tty: true}]
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  activeDeadlineSeconds: 1
  containers: [{name: main, image: "echo:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: crashes}
spec:
  containers: [{name: main, image: "echo:1", env: [{name: CRASH, value: "1"}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: large}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: echo:1
    args: [write, /data/file, "3", ",", sleep, "600"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {sizeLimit: 1Mi}}]
---
apiVersion: v1
kind: Pod
metadata: {name: scratch}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: echo:1
    args: [write, /file, "3", ",", sleep, "600"]
    securityContext: {runAsUser: 0}
    resources: {limits: {ephemeral-storage: 1Mi}}
"#;

#[test]
fn pods_end_as_their_containers_do() {
    let Some(boat) = afloat("ends") else { return };
    let notes = notes();
    boat.apply(&ENDS.replace("NOTES", notes.path().to_str().expect("a path")));
    check_end(&boat, "ordered", "Succeeded", "main", 0, "Completed", None);
    let order = std::fs::read_to_string(notes.path().join("order")).expect("the order");
    assert_eq!(order, "one\nbeside\ntwo\nthree\n");
    let beside = boat.pod("ordered");
    assert_eq!(end(container(&beside, "beside"))["exitCode"], 0, "{beside:#}");
    check_end(&boat, "failed-init", "Failed", "first", 5, "Error", None);
    check_end(&boat, "message", "Succeeded", "done", 0, "Completed", Some("all is well\n"));
    check_end(&boat, "words", "Failed", "main", 4, "Error", Some("last words"));
    check_end(&boat, "greedy", "Failed", "main", 137, "OOMKilled", None);
    check_end(&boat, "unhooked", "Failed", "main", 137, "Error", None);
    boat.event("PostStartHook failed: ");
    boat.pod_over("terminal");
    assert!(boat.kubectl_ok(&["logs", "terminal"]).starts_with("terminal"), "a terminal");
    let late = boat.pod_over("late");
    assert_eq!(late["status"]["reason"], "DeadlineExceeded");
    crash_loop(&boat);
    check_evicted(&boat, "large", "Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". ");
    let message = "Container main exceeded its local ephemeral storage limit \"1Mi\". ";
    check_evicted(&boat, "scratch", message);
    let uid = boat.field(&["pod", "scratch"], ".metadata.uid");
    let held = boat.data_dir().join("pods").join(uid);
    eventually("the disk is given back", || (!held.exists()).then_some(()));
    let message =
        boat.field(&["pod", "words"], ".status.containerStatuses[0].state.terminated.message");
    assert_eq!(boat.kubectl_ok(&["logs", "words"]).trim(), message, "logs stay");
}

fn notes() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).expect("open to all");
    dir
}

fn end(status: &Value) -> &Value {
    &status["state"]["terminated"]
}

#[track_caller]
fn check_end(
    boat: &Boat,
    name: &str,
    phase: &str,
    of: &str,
    code: i32,
    reason: &str,
    message: Option<&str>,
) {
    let pod = boat.pod_over(name);
    let end = end(container(&pod, of));
    assert_eq!(pod["status"]["phase"], phase, "{pod:#}");
    assert_eq!(end["exitCode"], code, "{pod:#}");
    assert_eq!(end["reason"], reason, "{pod:#}");
    assert_eq!(end["message"].as_str(), message, "{pod:#}");
}

#[track_caller]
fn check_evicted(boat: &Boat, name: &str, message: &str) {
    let pod = boat.pod_over(name);
    assert_eq!(pod["status"]["reason"], "Evicted", "{pod:#}");
    assert_eq!(pod["status"]["message"], message);
}

/// One restart at once; the next waits, and says so.
fn crash_loop(boat: &Boat) {
    let pod = boat.pod_when("crashes", "in back-off", |pod| {
        container(pod, "main")["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let main = container(&pod, "main");
    assert_eq!(main["restartCount"], 1, "{pod:#}");
    let message = main["state"]["waiting"]["message"].as_str().expect("a message");
    assert!(message.starts_with("back-off 10s restarting failed container=main"), "{message}");
    assert_eq!(main["lastState"]["terminated"]["exitCode"], 3, "{pod:#}");
    boat.event("Back-off restarting failed container main");
}

const LIVES: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  containers:
  - name: exec
    image: echo:1
    volumeMounts: &notes [{name: notes, mountPath: /notes}]
    lifecycle:
      postStart: {exec: {command: [/echo, sleep, "1", ",", append, /notes/exec, started]}}
      preStop: {exec: {command: [/echo, append, /notes/exec, stopping]}}
  - name: http
    image: echo:1
    env: [{name: PORT, value: "8081"}]
    volumeMounts: *notes
    lifecycle: {postStart: {exec: {command: [/echo, append, /notes/exec, second]}}, preStop: {httpGet: {port: 8081, path: "/do?append+/notes/http+stopping"}}}
  - name: sleep
    image: echo:1
    env: [{name: PORT, value: "8082"}]
    lifecycle: {preStop: {sleep: {seconds: 2}}}
  volumes: [{name: notes, hostPath: {path: NOTES}}]
---
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  containers:
  - name: main
    image: echo:1
    volumeMounts: [{name: state, mountPath: /state}]
    startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
    readinessProbe: {exec: {command: [/echo, find, /state/ready]}, periodSeconds: 1}
    livenessProbe: {httpGet: {path: "/file?/state/well", port: 8080}, periodSeconds: 1, failureThreshold: 1}
    lifecycle: {postStart: {exec: {command: [/echo, append, /state/well, x]}}}
  volumes: [{name: state, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: changed}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  containers: [{name: main, image: "echo:1", volumeMounts: [{name: keep, mountPath: /keep}]}]
  volumes: [{name: keep, emptyDir: {medium: Memory}}]
---
apiVersion: v1
kind: Pod
metadata: {name: typing}
spec:
  restartPolicy: Never
  containers: [{name: main, image: "echo:1", args: [type], stdin: true, stdinOnce: true}]
"#;

#[test]
fn containers_live_as_their_pod_says() {
    let Some(boat) = afloat("lives") else { return };
    let notes = notes();
    let lives = LIVES.replace("NOTES", notes.path().to_str().expect("a path"));
    boat.apply(&lives);
    hooks(&boat, notes.path());
    probes(&boat);
    another_image(&boat);
    typed(&boat);
}

fn hooks(boat: &Boat, notes: &Path) {
    let at = boat.service_of("hooked");
    let wrote = |name: &str| std::fs::read_to_string(notes.join(name)).unwrap_or_default();
    eventually("postStart ran", || (wrote("exec") == "started\nsecond\n").then_some(()));
    eventually("the second container", || {
        crate::http::get(std::net::SocketAddr::new(at.ip(), 8081), "pod", "/").ok()
    });
    let begun = Instant::now();
    boat.kubectl_ok(&["delete", "pod", "hooked", "--timeout=60s"]);
    assert!(begun.elapsed() > Duration::from_secs(2), "the sleep hook");
    assert_eq!(wrote("exec"), "started\nsecond\nstopping\n");
    assert_eq!(wrote("http"), "stopping\n");
}

/// Not ready until it says so; started again when it says it is not well.
fn probes(boat: &Boat) {
    let at = boat.service_of("probed");
    boat.event("Readiness probe failed");
    assert_eq!(ask(at, "/do?append+/state/ready+x"), "");
    let ready = |pod: &Value| container(pod, "main")["ready"] == true;
    boat.pod_when("probed", "ready", ready);
    assert_eq!(ask(at, "/do?remove+/state/ready"), "");
    boat.pod_when("probed", "unready", |pod| !ready(pod));
    assert_eq!(ask(at, "/do?remove+/state/well"), "");
    boat.pod_when("probed", "restarted", |pod| {
        let main = container(pod, "main");
        main["restartCount"] == 1 && main["state"]["running"].is_object()
    });
    boat.event("Liveness probe failed: HTTP probe failed with statuscode: 404");
    boat.event("Container main failed liveness probe, will be restarted");
}

/// Only the container of which the image changed starts anew, whatever the restart policy. What is
/// on disk does not grow with the restarts, and goes with the pod.
fn another_image(boat: &Boat) {
    let at = boat.service_of("changed");
    assert_eq!(ask(at, "/do?append+/keep/file+kept"), "");
    for (restarts, image) in [(1, "echo:2"), (2, "echo:1"), (3, "echo:2")] {
        boat.kubectl_ok(&["set", "image", "pod/changed", &format!("main={image}")]);
        let pod = boat.pod_when("changed", "restarted", |pod| {
            let main = container(pod, "main");
            main["restartCount"] == restarts && main["state"]["running"].is_object()
        });
        assert_eq!(container(&pod, "main")["image"], image);
    }
    boat.event("Container main definition changed, will be restarted");
    assert_eq!(boat.service_of("changed"), at, "the pod keeps its address");
    assert_eq!(ask(at, "/file?/keep/file"), "kept\n");
    let uid = boat.field(&["pod", "changed"], ".metadata.uid");
    let logs = boat.data_dir().join("logs/pods").join(format!("default_changed_{uid}"));
    let files = || std::fs::read_dir(logs.join("main")).expect("logs").count();
    assert_eq!(files(), 2, "the logs of this attempt and the one before");
    assert!(boat.kubectl_ok(&["logs", "changed", "--previous"]).contains("terminated"));
    boat.kubectl_ok(&["delete", "pod", "changed", "--timeout=60s"]);
    let held = boat.data_dir().join("pods").join(uid);
    eventually("nothing is left", || (!logs.exists() && !held.exists()).then_some(()));
}

fn typed(boat: &Boat) {
    boat.pod_when("typing", "running", |pod| pod["status"]["phase"] == "Running");
    let attached = boat.kubectl_ok_with(&["attach", "-i", "typing"], "hello\n");
    assert!(attached.contains("typed hello"), "{attached}");
    boat.pod_over("typing");
    assert_eq!(boat.kubectl_ok(&["logs", "typing"]), "typed hello\n");
}
