//! `kill -9` of the server at any moment: pods run on, what was acknowledged is there, nothing leaks.

use std::net::SocketAddr;

use crate::boat::{Boat, eventually, has, is_root, skip};
use crate::{http, traces};

/// How often the server is killed in a row.
const KILLS: usize = 50;

fn pods(name: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  containers:
  - name: echo
    image: echo:1
    ports: [{{containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8080}}]
"#
    )
}

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    boat.apply(&pods("server"));
    boat.apply(&pods("client"));
    boat.kubectl_ok(&["wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s"]);
    Some(boat)
}

fn address(boat: &Boat, service: &str) -> SocketAddr {
    let ip = boat.field(&["service", service], ".spec.clusterIP");
    SocketAddr::new(ip.parse().expect("a cluster IP"), 80)
}

/// The client pod's own count: how many of its requests went well, how many not, and why.
fn stats(client: SocketAddr) -> (u64, u64, String) {
    let body = http::get(client, "client", "/stats").expect("the client's count").body;
    let mut parts = body.splitn(3, ' ');
    let mut number = || parts.next().and_then(|n| n.parse().ok()).expect("a number");
    (number(), number(), parts.next().unwrap_or_default().to_owned())
}

#[test]
fn requests_between_pods_do_not_notice_a_killed_server() {
    let Some(mut boat) = afloat("killed_server") else { return };
    let client = address(&boat, "client");
    // One loop by name, which needs DNS, and one by address, which needs only the kernel.
    http::get(client, "client", "/load?http://server/").expect("start the load");
    let direct = format!("/load?http://{}/", address(&boat, "server"));
    http::get(client, "client", &direct).expect("start the load");
    eventually("some requests", || (stats(client).0 > 100).then_some(()));
    let before = containers(&boat);
    boat.kubectl_ok(&["create", "configmap", "acknowledged", "--from-literal=a=1"]);
    boat.kill_server();
    let (at_kill, _, _) = stats(client);
    eventually("requests go on without a server", || {
        (stats(client).0 > at_kill + 100).then_some(())
    });
    boat.start();
    let (at_start, _, _) = stats(client);
    eventually("requests go on with the new server", || {
        (stats(client).0 > at_start + 100).then_some(())
    });
    let (good, bad, why) = stats(client);
    assert_eq!(bad, 0, "{bad} of {good} failed: {why}");
    assert_eq!(boat.field(&["configmap", "acknowledged"], ".data.a"), "1");
    assert_eq!(containers(&boat), before, "the same containers, none restarted");
    // The adopted pods are still looked after.
    boat.kubectl_ok(&["wait", "pod", "--all", "--for=condition=Ready", "--timeout=30s"]);
    boat.kubectl_ok(&["delete", "pod", "server", "--timeout=60s"]);
}

fn containers(boat: &Boat) -> String {
    boat.field(
        &["pods"],
        "range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end",
    )
}

#[test]
fn fifty_kills_in_a_row_lose_nothing_and_leave_nothing() {
    let Some(mut boat) = afloat("fifty_kills") else { return };
    let before = containers(&boat);
    let shims = traces::shims(&boat);
    for round in 0..KILLS {
        boat.kubectl_ok(&["create", "configmap", &format!("round-{round}"), "--from-literal=a=1"]);
        boat.kill_server();
        boat.start();
    }
    assert_eq!(containers(&boat), before);
    assert_eq!(traces::shims(&boat), shims, "the same shims, no more");
    let written = boat.kubectl_ok(&["get", "configmaps", "-o", "name"]);
    let rounds = written.lines().filter(|line| line.contains("round-")).count();
    assert_eq!(rounds, KILLS, "{written}");
    boat.kubectl_ok(&["delete", "pods", "--all", "--timeout=60s"]);
    eventually("the shims end with their pods", || traces::shims(&boat).is_empty().then_some(()));
    let links = std::fs::read_dir("/sys/class/net").expect("links").flatten();
    let ours = format!("sp{}", boat.id());
    let left: Vec<_> = links
        .map(|link| link.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&ours) && *name != ours)
        .collect();
    assert_eq!(left, Vec::<String>::new(), "no pod has a link any more");
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    let data = boat.data_dir().to_str().expect("a path");
    assert!(!mounts.contains(data), "{mounts}");
}
