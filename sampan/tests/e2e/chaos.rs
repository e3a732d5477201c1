//! `kill -9` of any process at any moment, while everything changes: acknowledged writes stay,
//! running pods run on, nothing leaks.

mod commands;
mod pods;
mod server;

use std::net::SocketAddr;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::boat::{Boat, eventually, has, is_root, skip};
use crate::http;

/// A boat with images to run, where everything these tests need is there.
fn afloat(name: &str) -> Option<Boat> {
    if !can_run(name) {
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    Some(boat)
}

fn can_run(name: &str) -> bool {
    let can = is_root() && has("kubectl") && has("nft");
    if !can {
        skip(name, "it needs root, kubectl and nft");
    }
    can
}

fn deployment(name: &str, replicas: usize, version: &str) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: echo
        image: echo:1
        env: [{{name: VERSION, value: "{version}"}}]
        ports: [{{containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
        volumeMounts:
        - {{name: disk, mountPath: /disk}}
        - {{name: memory, mountPath: /memory}}
        - {{name: root, mountPath: /root-ca}}
      volumes:
      - {{name: disk, emptyDir: {{}}}}
      - {{name: memory, emptyDir: {{medium: Memory}}}}
      - {{name: root, configMap: {{name: kube-root-ca.crt}}}}
"#
    )
}

fn pod(name: &str, restart_policy: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  restartPolicy: {restart_policy}
  terminationGracePeriodSeconds: 5
  containers:
  - name: echo
    image: echo:1
    ports: [{{containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
"#
    )
}

fn service(name: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{port: 80, targetPort: 8080}}]
"#
    )
}

fn strike(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_else(|e| panic!("kill {pid}: {e}"));
}

/// Waits until a Service answers from the host, and tells what it said.
fn answer(boat: &Boat, service: &str, path: &str) -> String {
    let ip = boat.field(&["service", service], ".spec.clusterIP");
    let at = SocketAddr::new(ip.parse().expect("a cluster IP"), 80);
    eventually(&format!("{service} answers"), || {
        http::get(at, service, path).ok().filter(|reply| reply.code == 200).map(|reply| reply.body)
    })
}

fn wait_ready(boat: &Boat, pods: &[&str]) {
    let mut args = vec!["wait", "--for=condition=Ready", "--timeout=60s"];
    let names: Vec<_> = pods.iter().map(|name| format!("pod/{name}")).collect();
    args.extend(names.iter().map(String::as_str));
    boat.kubectl_ok(&args);
}

fn uid(boat: &Boat, pod: &str) -> String {
    boat.field(&["pod", pod], ".metadata.uid")
}

fn restarts(boat: &Boat, pod: &str) -> u32 {
    let path = ".status.containerStatuses[0].restartCount";
    boat.field(&["pod", pod], path).parse().expect("a number")
}

/// Waits until the pod runs for the `count`th time after its first, and is ready.
fn restarted(boat: &Boat, pod: &str, count: u32) {
    eventually(&format!("{pod} is started {count} times again"), || {
        let ready = boat.field(&["pod", pod], ".status.containerStatuses[0].ready") == "true";
        (ready && restarts(boat, pod) == count).then_some(())
    });
    wait_ready(boat, &[pod]);
}
