//! Ways into a pod from outside the cluster: kubectl port-forward, and the API's proxies.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::boat::{Boat, eventually, has, is_root, skip, texts};
use crate::http;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: echo, labels: {app: echo}}
spec: {containers: [{name: echo, image: 'echo:1', ports: [{name: http, containerPort: 8080}]}]}
";

/// A boat with an echo pod that answers.
fn with_echo(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    boat.apply(POD);
    boat.kubectl_ok(&["wait", "pod/echo", "--for=condition=Ready", "--timeout=60s"]);
    Some(boat)
}

/// A kubectl that runs on, and where it listens. Dropping it ends it.
pub struct Running {
    child: Child,
    pub at: SocketAddr,
}

impl Running {
    /// Starts it and waits for the line that says where it listens.
    pub fn start(boat: &Boat, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(boat.data_dir().join("kubeconfig"))
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run kubectl");
        let output = child.stdout.take().expect("its output");
        let mut lines = BufReader::new(output).lines();
        let at = lines.find_map(|line| {
            let line = line.expect("a line");
            let from = line.split(' ').find(|word| word.starts_with("127.0.0.1:"))?;
            from.parse().ok()
        });
        // It goes on writing, and ends when nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { at: at.expect("kubectl says where it listens"), child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Many requests, several of them at a time, all through one kubectl.
fn check_forwarding(boat: &Boat, environment: &[(&str, &str)]) {
    let forward = Running::start(boat, &["port-forward", "pod/echo", ":8080"], environment);
    let at = forward.at;
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            std::thread::spawn(move || {
                for n in 0..10 {
                    let reply = http::get(at, "echo", &format!("/{worker}/{n}"));
                    assert_eq!(reply.as_ref().map(|reply| reply.code), Ok(200), "{reply:?}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("all requests are answered");
    }
}

#[test]
fn a_port_is_forwarded_over_a_websocket() {
    let Some(boat) = with_echo("port_forward") else { return };
    check_forwarding(&boat, &[("KUBECTL_PORT_FORWARD_WEBSOCKETS", "true")]);
}

#[test]
fn a_port_is_forwarded_over_plain_spdy() {
    let Some(boat) = with_echo("port_forward_spdy") else { return };
    check_forwarding(&boat, &[("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")]);
}

#[test]
fn a_port_where_nobody_listens_breaks_one_connection_only() {
    let Some(boat) = with_echo("port_forward_closed") else { return };
    for websockets in ["true", "false"] {
        let environment = [("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)];
        let forward = Running::start(&boat, &["port-forward", "pod/echo", ":1"], &environment);
        assert!(http::get(forward.at, "echo", "/").is_err());
    }
    let forward = Running::start(&boat, &["port-forward", "pod/echo", ":8080"], &[]);
    eventually("another client is served", || http::get(forward.at, "echo", "/").ok());
}

/// The name and port in the path of a proxy, and what it answers.
fn through_the_api(boat: &Boat, target: &str, path: &str) -> String {
    boat.kubectl_ok(&["get", "--raw", &format!("/api/v1/{target}/proxy{path}")])
}

#[test]
fn pods_services_and_the_node_answer_through_the_api() {
    let Some(boat) = with_echo("proxy") else { return };
    boat.kubectl_ok(&["expose", "pod/echo", "--port=80", "--target-port=8080", "--name=web"]);
    let pods = "namespaces/default/pods";
    for target in ["echo", "echo:8080", "http:echo:8080"] {
        assert!(through_the_api(&boat, &format!("{pods}/{target}"), "/").contains("echo"));
    }
    let services = "namespaces/default/services";
    eventually("the service has its endpoint", || {
        let path = format!("/api/v1/{services}/web:80/proxy/");
        boat.kubectl(&["get", "--raw", &path]).status.success().then_some(())
    });
    assert!(through_the_api(&boat, &format!("{services}/web"), "/").contains("echo"));
    assert!(through_the_api(&boat, "nodes/box", "/stats/summary").contains("\"nodeName\""));
    let complaint = |path: &str| texts(&boat.kubectl(&["get", "--raw", path])).1;
    let refused = complaint(&format!("/api/v1/{pods}/echo:1/proxy/"));
    assert!(refused.contains("connection refused"), "{refused}");
    let unknown = complaint(&format!("/api/v1/{services}/web:81/proxy/"));
    assert!(unknown.contains("no service port 81 found for service \"web\""), "{unknown}");
}

#[test]
fn kubectl_proxy_leads_to_pods() {
    let Some(boat) = with_echo("kubectl_proxy") else { return };
    let proxy = Running::start(&boat, &["proxy", "--port=0"], &[]);
    let pod = "/api/v1/namespaces/default/pods/echo/proxy";
    let reply = http::get(proxy.at, "localhost", &format!("{pod}/")).expect("an answer");
    assert_eq!((reply.code, reply.body.contains("echo")), (200, true), "{}", reply.body);
    let moved = http::get(proxy.at, "localhost", pod).expect("an answer");
    assert_eq!(moved.code, 301);
}
