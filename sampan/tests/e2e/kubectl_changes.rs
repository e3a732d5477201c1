//! More of a user's days with kubectl: rollouts held and undone, nodes drained, owners and
//! what they own, other identities.

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

const API: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {version: one}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: echo, image: "echo:1", envFrom: [{configMapRef: {name: settings}}]}]
"#;
const ROLLED: [&str; 4] = ["rollout", "status", "deployment/api", "--timeout=60s"];

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    boat.apply(API);
    boat.kubectl_ok(&ROLLED);
    Some(boat)
}

/// kubectl says this and exits well.
#[track_caller]
fn check(boat: &Boat, command: &str, expected: &str) {
    let args: Vec<&str> = command.split(' ').collect();
    let out = boat.kubectl_ok(&args);
    assert!(out.contains(expected), "kubectl {command}: no {expected:?} in:\n{out}");
}

/// kubectl exits well and warns of this.
#[track_caller]
fn check_warns(boat: &Boat, command: &str, expected: &str) {
    let args: Vec<&str> = command.split(' ').collect();
    let output = boat.kubectl(&args);
    let (_, err) = texts(&output);
    assert!(output.status.success(), "kubectl {command}: {err}");
    assert!(err.contains(expected), "kubectl {command}: no {expected:?} in:\n{err}");
}

/// kubectl fails and says this.
#[track_caller]
fn check_fails(boat: &Boat, command: &str, expected: &str) {
    let args: Vec<&str> = command.split(' ').collect();
    let output = boat.kubectl(&args);
    let (out, err) = texts(&output);
    assert!(!output.status.success(), "kubectl {command} went well: {out}");
    assert!(err.contains(expected), "kubectl {command}: no {expected:?} in:\n{err}");
}

fn pods(boat: &Boat) -> usize {
    boat.kubectl_ok(&["get", "pods", "-l", "app=api", "-o", "name"]).lines().count()
}

#[test]
fn a_rollout_is_held_and_a_node_is_drained() {
    let Some(boat) = afloat("held_and_drained") else { return };
    check(&boat, "rollout pause deployment/api", "paused");
    check_fails(&boat, "rollout pause deployment/api", "is already paused");
    check(&boat, "set env deployment/api MORE=yes", "env updated");
    check(&boat, "set resources deployment/api --requests=cpu=10m", "requirements updated");
    check(&boat, "get replicasets -o name", "replicaset.apps/api-");
    assert_eq!(boat.kubectl_ok(&["get", "replicasets", "-o", "name"]).lines().count(), 1);
    check(&boat, "rollout resume deployment/api", "resumed");
    boat.kubectl_ok(&ROLLED);
    check(&boat, "rollout restart deployment/api", "restarted");
    boat.kubectl_ok(&ROLLED);
    check(&boat, "rollout history deployment/api --revision=2", "MORE:\tyes");
    check(&boat, "get deployment api --subresource=scale", "DESIRED   AVAILABLE");
    check_fails(&boat, "scale --current-replicas=9 --replicas=2 deployment/api", "be 9, was 1");
    boat.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: bare}\nspec: {containers: [{name: echo, image: 'echo:1'}]}\n");
    check_fails(&boat, "drain box", "cannot delete Pods that declare no controller");
    check(&boat, "drain box --force --grace-period=1 --timeout=60s", "node/box drained");
    check(&boat, "get nodes", "Ready,SchedulingDisabled");
    eventually("the new pod finds no node", || {
        let reason = boat.field(&["pods"], ".items[*].status.conditions[0].reason");
        (reason == "Unschedulable").then_some(())
    });
    check(&boat, "uncordon box", "uncordoned");
    boat.kubectl_ok(&ROLLED);
}

#[test]
fn owners_go_with_or_without_what_they_own() {
    let Some(boat) = afloat("owners") else { return };
    check(&boat, "delete deployment api --cascade=orphan", "deleted");
    assert_eq!(pods(&boat), 1);
    check(&boat, "delete replicaset -l app=api --cascade=foreground --timeout=60s", "deleted");
    assert_eq!(pods(&boat), 0);
    boat.apply(API);
    boat.kubectl_ok(&ROLLED);
    boat.kubectl_ok_with(&["replace", "--force", "-f", "-"], API);
    boat.kubectl_ok(&ROLLED);
    check(&boat, "delete deployment api --cascade=background", "deleted");
    eventually("the pods are gone", || (pods(&boat) == 0).then_some(()));
    let held =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/hold]}\n";
    boat.apply(held);
    check(&boat, "delete configmap held --wait=false", "deleted");
    assert!(!boat.field(&["configmap", "held"], ".metadata.deletionTimestamp").is_empty());
    let free = r#"[{"op":"remove","path":"/metadata/finalizers"}]"#;
    boat.kubectl_ok(&["patch", "configmap", "held", "--type=json", "-p", free]);
    check_fails(&boat, "get configmap held", "not found");
}

#[test]
fn top_tells_what_nodes_and_pods_use() {
    let Some(boat) = afloat("top") else { return };
    for (command, columns, row) in [
        ("top nodes", "NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)", "box "),
        ("top pods", "NAME CPU(cores) MEMORY(bytes)", "api-"),
        ("top pods --containers", "POD NAME CPU(cores) MEMORY(bytes)", "api-"),
    ] {
        let table = eventually(command, || {
            let output = boat.kubectl(&command.split(' ').collect::<Vec<_>>());
            output.status.success().then(|| texts(&output).0)
        });
        let mut lines = table.lines();
        let heads: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(heads.join(" "), columns);
        let used = lines.find(|line| line.starts_with(row));
        let used = used.unwrap_or_else(|| panic!("{command}: {table}"));
        assert!(used.contains("Mi"), "{command}: {used}");
    }
}

#[test]
fn kubectl_is_told_what_it_cannot_have() {
    let Some(boat) = afloat("cannot_have") else { return };
    check(&boat, "auth can-i list pods", "yes");
    check_fails(&boat, "get pods --as=bob", "User \"bob\" cannot list resource \"pods\"");
    check(&boat, "get pods --as=bob --as-group=system:masters", "api-");
    check_warns(
        &boat,
        "autoscale deployment api --max=3",
        "HorizontalPodAutoscaler is stored, but",
    );
    check_warns(
        &boat,
        "create job now --image=echo:1",
        "Job is stored, but nothing in this server",
    );
    let account = r#"--overrides={"spec":{"serviceAccountName":"nobody"}}"#;
    let refusal = "error looking up service account default/nobody";
    check_fails(&boat, &format!("run lost --image=echo:1 {account}"), refusal);
    check_fails(&boat, "exec deploy/api -- tar", "executable file not found in $PATH");
    check_fails(&boat, "logs deploy/api --previous", "previous terminated container");
    check_fails(&boat, "logs deploy/api -c nothing", "container nothing is not valid");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dat: {}}"
    );
    let output = boat.kubectl_with(&["create", "-f", "-"], &list);
    assert!(texts(&output).1.contains("unknown field \"dat\""), "{output:?}");
    boat.kubectl_ok_with(&["create", "-f", "-"], &list.replace("dat:", "data:"));
}
