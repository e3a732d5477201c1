//! Names and ports of pods: Services of every type, host ports, host names.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::boat::{Boat, eventually};
use crate::http;
use crate::pod::{afloat, ask};
use crate::port::free_port;

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: anna, labels: {app: peer}}
spec:
  hostname: anna
  subdomain: peers
  containers: [{name: main, image: "echo:1", ports: [{name: http, containerPort: 8080, hostPort: HOSTPORT}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: bert, labels: {app: peer}}
spec:
  hostname: bert
  subdomain: peers
  containers: [{name: main, image: "echo:1", ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers: [{name: main, image: "echo:1"}]
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec: {clusterIP: None, selector: {app: peer}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: any}
spec: {type: NodePort, selector: {app: peer}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: same}
spec: {sessionAffinity: ClientIP, selector: {app: peer}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {externalIPs: [192.0.2.77], selector: {app: peer}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: any.default.svc.cluster.local}
"#;

#[test]
fn pods_are_found_by_every_kind_of_name() {
    let Some(boat) = afloat("network") else { return };
    let port = free_port();
    boat.apply(&PODS.replace("HOSTPORT", &port.to_string()));
    let (anna, bert) = (boat.service_of("anna"), boat.service_of("bert"));
    let client = boat.service_of("client");
    names(&boat, client, anna, bert);
    balanced(&boat, client);
    host_port(port);
}

#[track_caller]
fn resolves(client: SocketAddr, name: &str, expected: &str) {
    eventually(name, || (ask(client, &format!("/resolve?{name}")) == expected).then_some(()));
}

fn names(boat: &Boat, client: SocketAddr, anna: SocketAddr, bert: SocketAddr) {
    resolves(client, "anna.peers", &anna.ip().to_string());
    resolves(client, "bert.peers.default.svc.cluster.local", &bert.ip().to_string());
    let mut both = [anna.ip().to_string(), bert.ip().to_string()];
    both.sort();
    resolves(client, "peers", &both.join(" "));
    resolves(client, "elsewhere", &boat.field(&["service", "any"], ".spec.clusterIP"));
    let hosts = ask(anna, "/file?/etc/hosts");
    assert!(hosts.contains("anna.peers.default.svc.cluster.local\tanna"), "{hosts}");
    assert_eq!(ask(client, "/get?http://anna.peers:8080/"), "anna ");
}

fn balanced(boat: &Boat, client: SocketAddr) {
    let node_port = boat.field(&["service", "any"], ".spec.ports[0].nodePort");
    let node_port: u16 = node_port.parse().expect("a port");
    let here = SocketAddr::from(([127, 0, 0, 1], node_port));
    let who: BTreeSet<String> = eventually("both answer on the node port", || {
        let answers = (0..20).map(|_| http::get(here, "any", "/"));
        let who: BTreeSet<String> = answers.filter_map(|reply| Some(reply.ok()?.body)).collect();
        (who.len() == 2).then_some(who)
    });
    assert_eq!(who, BTreeSet::from(["anna ".to_owned(), "bert ".to_owned()]));
    let from_pod = |name: &str| {
        let answers = (0..20).map(|_| ask(client, &format!("/get?http://{name}/")));
        answers.collect::<BTreeSet<String>>()
    };
    assert_eq!(from_pod("any").len(), 2);
    assert_eq!(from_pod("same").len(), 1, "one client, one endpoint");
    assert_eq!(from_pod("192.0.2.77").len(), 2, "an external address");
    let node = boat.field(&["node", "box"], ".status.addresses[0].address");
    let node = SocketAddr::new(node.parse().expect("an address"), node_port);
    assert!(http::get(node, "any", "/").is_ok(), "the node's own address");
}

fn host_port(port: u16) {
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("the host port", || http::get(here, "anna", "/").ok());
}
