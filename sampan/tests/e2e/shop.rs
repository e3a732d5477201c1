//! The whole way: from the source of the shop to an answered order, and around again.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::boat::{Boat, fixture, is_root, skip, workspace};
use crate::http::{self, Load};

fn gateway(boat: &Boat) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], boat.gateway_port))
}

/// The host of the first URL that `up` printed.
fn host_of(printed: &str) -> String {
    let url = printed.lines().find_map(|line| line.trim().strip_prefix("http://")).expect("a URL");
    url.split([':', '/']).next().expect("a host").to_owned()
}

#[test]
fn one_command_takes_the_shop_from_source_to_an_answered_order() {
    if !is_root() {
        return skip("shop", "it needs root");
    }
    let boat = Boat::new("shop");
    let shop = workspace().join("examples/shop");
    let (out, err) = boat.up_ok(&shop);
    assert!(err.contains("Started a server in the background"), "{err}");
    for service in ["orders", "products", "payments"] {
        assert!(err.contains(service), "{err}");
    }
    let host = host_of(&out);
    order(&boat, &host);
    // Nothing changed: nothing is built, and no pod is replaced.
    let again = Instant::now();
    let (_, err) = boat.up_ok(&shop);
    assert!(err.contains("unchanged"), "{err}");
    assert!(again.elapsed() < Duration::from_secs(20), "{:?}", again.elapsed());
    let status = boat.sampan_ok(&["status"]);
    assert!(status.contains("orders") && status.contains("1/1"), "{status}");
    let logs = boat.sampan_ok(&["logs", "orders"]);
    assert!(logs.contains("/api/v1/orders"), "{logs}");
    let images = boat.sampan_ok(&["images"]);
    assert!(images.contains("payments"), "{images}");
    let down = boat.sampan_ok(&["down", shop.to_str().expect("a path")]);
    assert!(down.contains("deployment/orders deleted"), "{down}");
    let gone = http::get(gateway(&boat), &host, "/api/v1/orders/1").expect("an answer");
    assert_eq!(gone.code, 404);
}

fn order(boat: &Boat, host: &str) {
    let body = json!({"productId": "1", "quantity": 1}).to_string();
    let made =
        http::request(gateway(boat), "POST", host, "/api/v1/orders", &body).expect("an order");
    assert!((200..300).contains(&made.code), "{made:?}");
    let made: Value = serde_json::from_str(&made.body).expect("JSON");
    let order = if made["data"].is_object() { &made["data"] } else { &made };
    let id = order["id"].as_str().expect("an order id").to_owned();
    let path = format!("/api/v1/orders/{id}");
    let read = http::get(gateway(boat), host, &path).expect("the order");
    assert_eq!(read.code, 200, "{read:?}");
    assert!(read.body.contains(&id), "{read:?}");
    let wrong = json!({"productId": "1", "quantity": 0}).to_string();
    let refused =
        http::request(gateway(boat), "POST", host, "/api/v1/orders", &wrong).expect("a reply");
    assert_eq!(refused.code, 400, "{refused:?}");
}

const MANIFESTS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: echo
        image: echo
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: echo}
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}
"#;

/// An app of its own: the source of the echo service, with manifests.
pub fn copy_of_echo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let to = dir.path().join("echo");
    for file in ["Cargo.toml", "Cargo.lock", "src/main.rs"] {
        fs::create_dir_all(to.join(file).parent().expect("a folder")).expect("make it");
        fs::copy(fixture("echo").join(file), to.join(file)).expect("a copy");
    }
    fs::create_dir(dir.path().join("manifests")).expect("make it");
    fs::write(dir.path().join("manifests/echo.yaml"), MANIFESTS).expect("write it");
    dir
}

fn edit(dir: &Path) {
    let path = dir.join("echo/src/main.rs");
    let text = fs::read_to_string(&path).expect("the source");
    let edited = text.replace("{} {}\", env(\"HOSTNAME\")", "{} {} edited\", env(\"HOSTNAME\")");
    assert_ne!(text, edited);
    fs::write(path, edited).expect("write it");
}

#[test]
fn an_edit_is_rebuilt_and_rolled_without_a_failed_request() {
    if !is_root() {
        return skip("an_edit", "it needs root");
    }
    let boat = Boat::new("edit");
    let app = copy_of_echo();
    boat.up_ok(app.path());
    let load = Load::start(gateway(&boat), "any", "/", 500);
    edit(app.path());
    let (_, err) = boat.up_ok(app.path());
    assert!(err.contains("built in"), "{err}");
    let (good, failures) = load.finish();
    assert!(failures.is_empty(), "{} of {good}: {:?}", failures.len(), &failures[..1]);
    let reply = http::get(gateway(&boat), "any", "/").expect("an answer");
    assert!(reply.body.trim_end().ends_with("edited"), "{}", reply.body);
}
