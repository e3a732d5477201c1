//! kubectl debug: looking into pods that run, and at the node.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::boat::{Boat, texts};
use crate::toolbox::afloat;

/// A debugger that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {terminationGracePeriodSeconds: 0, containers: [{name: web, image: 'box:1', command: [sleep, '4242']}]}
";

fn with_pod(name: &str) -> Option<Boat> {
    let boat = afloat(name)?;
    boat.apply(POD);
    boat.kubectl_ok(&["wait", "pod/web", "--for=condition=Ready", "--timeout=60s"]);
    Some(boat)
}

fn status<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = pod["status"]["ephemeralContainerStatuses"].as_array();
    all.into_iter().flatten().find(|status| status["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_debugger_joins_a_pod_that_runs_and_sees_its_targets_processes() {
    let Some(mut boat) = with_pod("debug") else { return };
    let debug = [
        "debug",
        "web",
        "--image=box:1",
        "--target=web",
        "-c",
        "look",
        "--",
        "sh",
        "-c",
        "echo hello from the debugger; sleep 5151",
    ];
    boat.kubectl_ok(&debug);
    let runs = |pod: &Value| status(pod, "look")["state"]["running"].is_object();
    let pod = boat.pod_when("web", "being debugged", runs);
    assert_eq!(pod["metadata"]["generation"], 2);
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    // Its processes are the target's too, and the network is the pod's.
    let seen = boat.kubectl_ok(&["exec", "web", "-c", "look", "--", "ps"]);
    assert!(seen.contains("sleep 4242") && seen.contains("sleep 5151"), "{seen}");
    let logs = boat.kubectl_ok(&["logs", "web", "-c", "look"]);
    assert_eq!(logs, "hello from the debugger\n");
    // A server that is killed finds it again; it is not started anew.
    let id = status(&pod, "look")["containerID"].clone();
    boat.kill_server();
    boat.start();
    let again = boat.pod_when("web", "seen again", runs);
    assert_eq!(status(&again, "look")["containerID"], id);
    // When it has ended it stays so. The target's first process takes no signal from inside.
    boat.kubectl_ok(&["exec", "web", "-c", "look", "--", "killall", "-9", "sleep"]);
    boat.pod_when("web", "left by its debugger", |pod| {
        status(pod, "look")["state"]["terminated"].is_object()
    });
}

#[test]
fn a_debugger_with_a_terminal_answers() {
    let Some(boat) = with_pod("debug_tty") else { return };
    let script = "echo one; read line; echo got:$line";
    let args = ["debug", "web", "-i", "--image=box:1", "-c", "ask", "--", "sh", "-c", script];
    // As at a terminal: the input is open until the answer is there. Who ends it before leaves.
    let mut child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(boat.data_dir().join("kubeconfig"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run kubectl");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(b"word\n").expect("it listens");
    let mut stdout = child.stdout.take().expect("its output");
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut out = String::new();
        stdout.read_to_string(&mut out).map(|_| sender.send(out))
    });
    let out = answer.recv_timeout(PATIENCE).expect("the debugger ends, and kubectl with it");
    assert!(out.contains("got:word"), "{out}");
    assert!(child.wait().expect("kubectl ends").success());
}

#[test]
fn a_debugger_without_its_target_waits_and_says_why() {
    let Some(boat) = with_pod("debug_target") else { return };
    let body = r#"{"spec":{"ephemeralContainers":[{"name":"lost","image":"box:1","targetContainerName":"none"}]}}"#;
    let refused =
        boat.kubectl(&["patch", "pod", "web", "--subresource=ephemeralcontainers", "-p", body]);
    let (_, complaint) = texts(&refused);
    assert!(complaint.contains("targetContainerName: Not found: \"none\""), "{complaint}");
    let body = r#"{"spec":{"ephemeralContainers":[{"name":"early","image":"nowhere:1"}]}}"#;
    boat.kubectl_ok(&["patch", "pod", "web", "--subresource=ephemeralcontainers", "-p", body]);
    boat.pod_when("web", "waiting for the debugger's image", |pod| {
        let reason = &status(pod, "early")["state"]["waiting"]["reason"];
        reason == "ErrImagePull" || reason == "ImagePullBackOff"
    });
    assert_eq!(boat.pod("web")["status"]["phase"], "Running");
}

#[test]
fn a_copy_of_a_pod_is_debugged_in_its_stead() {
    let Some(boat) = with_pod("debug_copy") else { return };
    boat.kubectl_ok(&[
        "debug",
        "web",
        "--copy-to=copy",
        "--share-processes",
        "--image=box:1",
        "-c",
        "look",
        "--",
        "sleep",
        "6161",
    ]);
    boat.kubectl_ok(&["wait", "pod/copy", "--for=condition=Ready", "--timeout=60s"]);
    let seen = boat.kubectl_ok(&["exec", "copy", "-c", "look", "--", "ps"]);
    assert!(seen.contains("sleep 4242") && seen.contains("sleep 6161"), "{seen}");
}

#[test]
fn the_node_is_looked_at_from_a_pod_of_its_own() {
    let Some(boat) = afloat("debug_node") else { return };
    boat.kubectl_ok(&["debug", "node/box", "--image=box:1", "--", "sleep", "7171"]);
    let name = boat.kubectl_ok(&["get", "pods", "-o", "name"]);
    let name = name.trim().trim_start_matches("pod/");
    boat.kubectl_ok(&["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=60s"]);
    // The machine's files are below /host, its processes are seen.
    let host = boat.kubectl_ok(&["exec", name, "--", "cat", "/host/proc/sys/kernel/hostname"]);
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("the host name");
    assert_eq!(host, own);
}
