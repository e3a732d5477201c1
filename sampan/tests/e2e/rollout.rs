//! A Deployment behind a Service and an Ingress: all replicas answer, and neither scaling nor a
//! rolling update loses a request.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::boat::{Boat, eventually, has, is_root, skip};
use crate::http::{self, Load};

const REPLICAS: usize = 3;

fn manifests(image: &str, version: &str) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: echo}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
      containers:
      - name: echo
        image: {image}
        env: [{{name: VERSION, value: "{version}"}}]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
        resources:
          requests: {{cpu: 10m, memory: 16Mi}}
          limits: {{memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {{name: echo}}
spec:
  selector: {{app: echo}}
  ports: [{{port: 80, targetPort: http}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: echo}}
spec:
  rules:
  - host: echo.example
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {{service: {{name: echo, port: {{number: 80}}}}}}
"#
    )
}

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() {
        skip(name, "it needs root");
        return None;
    }
    if !has("kubectl") {
        skip(name, "it needs kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    boat.apply(&manifests("echo:1", "1"));
    rolled_out(&boat);
    Some(boat)
}

fn rolled_out(boat: &Boat) {
    boat.kubectl_ok(&["rollout", "status", "deployment/echo", "--timeout=60s"]);
}

fn service_address(boat: &Boat) -> SocketAddr {
    let ip = boat.field(&["service", "echo"], ".spec.clusterIP");
    SocketAddr::new(ip.parse().expect("a cluster IP"), 80)
}

fn gateway(boat: &Boat) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], boat.gateway_port))
}

/// Asks until every replica has answered once.
fn all_answer(what: &str, ask: impl Fn() -> Result<http::Reply, String>) {
    let mut pods = BTreeSet::new();
    eventually(what, || {
        let reply = ask().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(reply.code, 200, "{what}: {}", reply.body);
        pods.insert(reply.body);
        (pods.len() == REPLICAS).then_some(())
    });
}

#[test]
fn every_replica_answers_from_host_pod_and_gateway() {
    let Some(boat) = afloat("every_replica_answers") else { return };
    let service = service_address(&boat);
    all_answer("through the ClusterIP from the host", || http::get(service, "echo", "/"));
    all_answer("through the gateway", || http::get(gateway(&boat), "echo.example", "/"));
    all_answer("through the Service's name from a pod", || {
        let target = "/get?http://echo.default.svc.cluster.local/";
        http::get(gateway(&boat), "echo.example", target)
    });
    let elsewhere = http::get(gateway(&boat), "other.example", "/").expect("an answer");
    assert_eq!(elsewhere.code, 404);
}

#[test]
fn scaling_and_a_rolling_update_under_load_lose_no_request() {
    let Some(boat) = afloat("rolling_update_under_load") else { return };
    for (way, at) in [("ClusterIP", service_address(&boat)), ("gateway", gateway(&boat))] {
        let load = Load::start(at, "echo.example", "/", 1000);
        boat.kubectl_ok(&["scale", "deployment/echo", "--replicas=5"]);
        rolled_out(&boat);
        boat.kubectl_ok(&["scale", "deployment/echo", "--replicas=3"]);
        let next = if way == "gateway" { "1" } else { "2" };
        boat.apply(&manifests(&format!("echo:{next}"), &format!("{way}-{next}")));
        rolled_out(&boat);
        std::thread::sleep(Duration::from_millis(500));
        let (good, failures) = load.finish();
        assert!(
            failures.is_empty(),
            "{way}: {} of {good} failed: {:?}",
            failures.len(),
            &failures[..failures.len().min(5)]
        );
        assert!(good > 500, "{way}: only {good} requests were made");
        let reply = http::get(at, "echo.example", "/").expect("an answer");
        assert!(reply.body.ends_with(&format!("{way}-{next}")), "{}", reply.body);
    }
}
