//! The objects in a real etcd instead of the data directory.

use crate::boat::{Boat, eventually, has, is_root, skip};
use crate::etcd::RealEtcd;
use crate::traces;

const APP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers: [{name: echo, image: "echo:1"}]
"#;

fn etcd(name: &str) -> Option<RealEtcd> {
    if is_root() && has("kubectl") && has("etcd") && has("etcdctl") {
        return Some(RealEtcd::start());
    }
    skip(name, "it needs root, kubectl, etcd and etcdctl");
    None
}

fn boat(name: &str, etcd: &RealEtcd) -> Boat {
    let mut boat = Boat::new(name);
    boat.with_flag(format!("--store={}", etcd.url));
    boat
}

#[test]
fn an_app_lives_in_an_external_etcd_and_outlives_its_server() {
    let Some(etcd) = etcd("external-app") else { return };
    let mut boat = boat("external-app", &etcd);
    boat.start();
    boat.load_echo();
    boat.apply(APP);
    let ready = ["rollout", "status", "deployment/echo", "--timeout=60s"];
    boat.kubectl_ok(&ready);
    assert!(!boat.data_dir().join("store").exists(), "nothing is kept here");
    let keys = etcd.ctl().ok(&["get", "--prefix", "--keys-only", "/sampan/"]);
    assert!(keys.contains("deployments") && keys.contains("echo"), "{keys}");
    let status = boat.sampan_ok(&["status"]);
    assert!(status.contains(&format!("Store     etcd at {}", etcd.url)), "{status}");
    assert!(
        status.contains("Leader    this server") && status.contains("Etcd      off"),
        "{status}"
    );
    let before = traces::shims(&boat);
    assert_eq!(before.len(), 2);
    boat.kill_server();
    assert_eq!(traces::shims(&boat), before, "pods run on");
    boat.start();
    boat.kubectl_ok(&ready);
    boat.kubectl_ok(&["scale", "deployment/echo", "--replicas=3"]);
    boat.kubectl_ok(&ready);
    let after = traces::shims(&boat);
    assert!(before.iter().all(|shim| after.contains(shim)), "they were adopted");
    // A backup is of what the etcd holds.
    let file = boat.data_dir().join("backup");
    boat.sampan_ok(&["backup", file.to_str().expect("a path")]);
    let mut own = Boat::new("external-app2");
    own.sampan_ok(&["restore", file.to_str().expect("a path")]);
    own.start();
    assert_eq!(own.field(&["deployment", "echo"], ".spec.replicas"), "3");
}

#[test]
fn while_the_etcd_does_not_answer_reads_go_on_and_writes_say_why() {
    let Some(etcd) = etcd("external-away") else { return };
    let mut boat = boat("external-away", &etcd);
    boat.start();
    boat.kubectl_ok(&["create", "configmap", "before", "--from-literal=a=1"]);
    etcd.pause(true);
    let refused = boat.kubectl(&["create", "configmap", "during", "--from-literal=a=1"]);
    let (_, complaint) = crate::boat::texts(&refused);
    assert!(!refused.status.success());
    assert!(complaint.contains("the external store does not answer"), "{complaint}");
    assert_eq!(boat.field(&["configmap", "before"], ".data.a"), "1");
    etcd.pause(false);
    eventually("writes work again", || {
        let args = ["create", "configmap", "after", "--from-literal=a=1"];
        boat.kubectl(&args).status.success().then_some(())
    });
}

#[test]
fn a_server_that_was_deposed_ends_and_says_so() {
    let Some(etcd) = etcd("external-deposed") else { return };
    let mut first = boat("external-deposed-a", &etcd);
    first.start();
    let mut second = boat("external-deposed-b", &etcd);
    second.launch();
    // It sleeps for longer than its lease, and another one takes over.
    first.pause_server(true);
    second.wait_ready();
    first.pause_server(false);
    assert!(!first.wait_ended().success());
    let log = first.server_log();
    assert!(log.contains("was taken over by"), "{log}");
    second.kubectl_ok(&["get", "namespaces"]);
}

#[test]
fn the_second_server_waits_and_takes_over() {
    let Some(etcd) = etcd("external-two") else { return };
    let mut first = boat("external-two-a", &etcd);
    first.start();
    first.kubectl_ok(&["create", "configmap", "kept", "--from-literal=a=1"]);
    let mut second = boat("external-two-b", &etcd);
    second.launch();
    let waiting = eventually("the second waits", || {
        let said = second.sampan_ok(&["status"]);
        said.contains("this server waits").then_some(said)
    });
    assert!(waiting.contains("starting") && waiting.contains("Leader    "), "{waiting}");
    assert!(second.server_log().contains("waiting"), "{}", second.server_log());
    first.kill_server();
    second.wait_ready();
    assert_eq!(second.field(&["configmap", "kept"], ".data.a"), "1");
    let report = second.sampan_ok(&["store", "status"]);
    assert!(report.contains("Leader    this server"), "{report}");
    let lease = report.lines().find_map(|line| line.strip_prefix("Lease     ")).expect("a lease");
    assert!(etcd.ctl().ok(&["lease", "list"]).contains(lease), "{lease}");
    second.kubectl_ok(&["create", "configmap", "more", "--from-literal=a=1"]);
}

#[test]
fn a_server_that_waits_ends_when_it_is_told_to() {
    let Some(etcd) = etcd("external-wait") else { return };
    let mut first = boat("external-wait-a", &etcd);
    first.start();
    let mut second = boat("external-wait-b", &etcd);
    second.launch();
    eventually("the second waits", || {
        second.sampan_ok(&["status"]).contains("this server waits").then_some(())
    });
    second.sampan_ok(&["stop"]);
    second.wait_ended();
    // The first gives its lease back when it is stopped: the next need not wait for it to run out.
    first.sampan_ok(&["stop"]);
    first.wait_ended();
    let began = std::time::Instant::now();
    second.start();
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn an_instance_is_not_started_with_another_store_than_before() {
    let Some(etcd) = etcd("external-other") else { return };
    let mut own = Boat::new("external-own");
    own.start();
    own.sampan_ok(&["stop"]);
    own.wait_ended();
    own.with_flag(format!("--store={}", etcd.url));
    let refused = start_fails(&own);
    assert!(refused.contains("has objects of its own"), "{refused}");
    let mut external = boat("external-other", &etcd);
    external.start();
    external.sampan_ok(&["stop"]);
    external.wait_ended();
    let plain = Boat::new("external-flags");
    let refused = start_fails_with(&external, &plain.server_flags());
    assert!(
        refused.contains("are in an external etcd") && refused.contains("--store="),
        "{refused}"
    );
    let file = external.data_dir().join("backup");
    let refused = external.sampan_fails(&["backup", file.to_str().expect("a path")]);
    assert!(refused.contains("etcdctl snapshot save"), "{refused}");
}

#[test]
fn an_etcd_that_is_not_there_is_told() {
    if !is_root() {
        return skip("external-none", "it needs root");
    }
    let mut boat = Boat::new("external-none");
    boat.with_flag("--store=ftp://127.0.0.1:1");
    let refused = start_fails(&boat);
    assert!(refused.contains("ftp://127.0.0.1:1"), "{refused}");
}

fn start_fails(boat: &Boat) -> String {
    start_fails_with(boat, &boat.server_flags())
}

fn start_fails_with(boat: &Boat, flags: &[String]) -> String {
    let mut args = vec!["server"];
    args.extend(flags.iter().map(String::as_str));
    boat.sampan_fails(&args)
}
