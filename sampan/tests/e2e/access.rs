//! Who may do what, as kubectl shows it to different users of the real server, whose own parts are
//! users with roles too.

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: echo, image: "echo:1"}]
"#;

/// Two roles that others collect, and one that collects them.
const AGGREGATED: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: monitoring}
aggregationRule:
  clusterRoleSelectors: [{matchLabels: {example.com/monitoring: "true"}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {example.com/monitoring: "true"}}
rules: [{apiGroups: [""], resources: [endpoints], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: own-view, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [example.com], resources: [things], verbs: [get]}]
"#;

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    Some(Boat::afloat(name))
}

/// The command says this, whether it succeeds or not.
#[track_caller]
fn check(boat: &Boat, command: &str, expected: &str) {
    let args: Vec<&str> = command.split(' ').collect();
    let (out, err) = texts(&boat.kubectl(&args));
    assert!(out.contains(expected) || err.contains(expected), "{command}: {out}{err}");
}

#[test]
fn users_may_what_their_roles_say() {
    let Some(boat) = afloat("access_users") else { return };
    check(&boat, "auth whoami --as bob --as-group people", "[people system:authenticated]");
    check(
        &boat,
        "get pods --as bob",
        "Error from server (Forbidden): pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
    );
    // The controller collects the rules of `edit` in a moment.
    eventually("edit has its rules", || {
        boat.field(&["clusterrole", "edit"], ".rules[*].resources")
            .contains("secrets")
            .then_some(())
    });
    boat.kubectl_ok(&["create", "rolebinding", "bob", "--clusterrole=edit", "--user=bob"]);
    check(&boat, "auth can-i create deployments --as bob", "yes");
    check(&boat, "auth can-i create deployments -n kube-system --as bob", "no");
    check(&boat, "auth can-i --list --as bob", "deployments.apps/scale");
    check(&boat, "create configmap mine --from-literal=a=b --as bob", "configmap/mine created");
    check(
        &boat,
        "create role more --verb=get --resource=nodes --as bob",
        "roles.rbac.authorization.k8s.io is forbidden",
    );
    check(&boat, "get clusterrolebindings cluster-admin -o wide", "system:masters");
}

#[test]
fn who_may_view_looks_on_and_who_may_edit_enters() {
    let Some(boat) = afloat("access_exec") else { return };
    boat.load_echo();
    boat.apply(POD);
    boat.kubectl_ok(&["wait", "--for=condition=Ready", "pod/web", "--timeout=60s"]);
    eventually("view has its rules", || {
        boat.field(&["clusterrole", "view"], ".rules[*].resources")
            .contains("pods/log")
            .then_some(())
    });
    boat.kubectl_ok(&["create", "rolebinding", "amy", "--clusterrole=view", "--user=amy"]);
    boat.kubectl_ok(&["create", "rolebinding", "bob", "--clusterrole=edit", "--user=bob"]);
    check(&boat, "get pods --as amy", "Running");
    assert!(boat.kubectl(&["logs", "web", "--as", "amy"]).status.success());
    let exec = "exec web --as amy -- /echo";
    check(&boat, exec, "cannot create resource \"pods/exec\" in API group \"\"");
    check(&boat, "auth can-i create pods/exec --as bob", "yes");
    check(&boat, "auth can-i get pods/log --as amy", "yes");
    check(&boat, "get secrets --as amy", "secrets is forbidden");
}

#[test]
fn roles_collect_the_rules_of_others() {
    let Some(boat) = afloat("access_aggregation") else { return };
    boat.apply(AGGREGATED);
    eventually("the rules are collected", || {
        let rules = boat.field(&["clusterrole", "monitoring"], ".rules[*].resources");
        rules.contains("endpoints").then_some(())
    });
    // What view collects, edit and admin have through it.
    eventually("admin has what view was given", || {
        let rules = boat.field(&["clusterrole", "admin"], ".rules[*].resources");
        rules.contains("things").then_some(())
    });
    boat.kubectl_ok(&["delete", "clusterrole", "part"]);
    eventually("what is gone is taken back", || {
        let rules = boat.field(&["clusterrole", "monitoring"], ".rules[*].resources");
        (!rules.contains("endpoints")).then_some(())
    });
}

#[test]
fn kubectl_reconciles_roles() {
    let Some(boat) = afloat("access_reconcile") else { return };
    boat.kubectl_ok(&["create", "clusterrole", "pr", "--verb=get", "--resource=pods"]);
    let wanted = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pr}
rules: [{apiGroups: [""], resources: [nodes], verbs: [get]}]
"#;
    let said = boat.kubectl_ok_with(&["auth", "reconcile", "-f", "-"], wanted);
    assert!(said.contains("clusterrole.rbac.authorization.k8s.io/pr reconciled"), "{said}");
    let rules = boat.field(&["clusterrole", "pr"], ".rules[*].resources");
    assert!(rules.contains("pods") && rules.contains("nodes"), "{rules}");
}

#[test]
fn a_token_ends_with_its_account() {
    let Some(boat) = afloat("access_tokens") else { return };
    boat.kubectl_ok(&["create", "serviceaccount", "robot"]);
    let token = boat.kubectl_ok(&["create", "token", "robot"]);
    let review = format!(
        "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {{token: {}}}\n",
        token.trim()
    );
    let ask = || boat.kubectl_ok_with(&["create", "-f", "-", "-o", "yaml"], &review);
    assert!(ask().contains("username: system:serviceaccount:default:robot"));
    boat.kubectl_ok(&["delete", "serviceaccount", "robot"]);
    assert!(ask().contains("service account token has been invalidated"));
}
