//! A session with kubectl, as its users have it.

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: echo:1
        env:
        - {name: VERSION, valueFrom: {configMapKeyRef: {name: settings, key: version}}}
        volumeMounts: [{name: secret, mountPath: /etc/secret}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
      volumes: [{name: secret, secret: {secretName: password}}]
"#;

fn afloat(name: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let boat = Boat::afloat(name);
    boat.load_echo();
    Some(boat)
}

#[track_caller]
fn check(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn a_fresh_server_is_whole() {
    let Some(boat) = afloat("a_fresh_server") else { return };
    let namespaces = boat.kubectl_ok(&["get", "namespaces"]);
    check(&namespaces, &["default", "kube-system", "kube-public", "kube-node-lease", "Active"]);
    check(
        &boat.kubectl_ok(&["get", "service", "kubernetes"]),
        &["kubernetes", "ClusterIP", "443/TCP"],
    );
    check(&boat.kubectl_ok(&["version"]), &["Server Version: v1.36"]);
    eventually("the node is ready", || {
        boat.kubectl_ok(&["get", "nodes"]).contains(" Ready ").then_some(())
    });
    eventually("the default service account", || {
        boat.kubectl(&["get", "serviceaccount", "default"]).status.success().then_some(())
    });
}

#[test]
fn a_day_with_a_deployment() {
    let Some(boat) = afloat("a_day_with_a_deployment") else { return };
    boat.kubectl_ok(&["create", "configmap", "settings", "--from-literal=version=one"]);
    boat.kubectl_ok(&[
        "create",
        "secret",
        "generic",
        "password",
        "--from-literal=word=open sesame",
    ]);
    check(&boat.kubectl_ok_with(&["apply", "-f", "-"], WEB), &["deployment.apps/web created"]);
    check(&boat.kubectl_ok_with(&["apply", "-f", "-"], WEB), &["deployment.apps/web unchanged"]);
    let status = boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    check(&status, &["successfully rolled out"]);
    check(&boat.kubectl_ok(&["get", "deployment", "web"]), &["READY", "2/2"]);
    check(&boat.kubectl_ok(&["get", "pods", "-o", "wide"]), &["Running", "1/1", "box"]);
    let described = boat.kubectl_ok(&["describe", "deployment", "web"]);
    check(&described, &["2 desired", "ScalingReplicaSet", "NewReplicaSetAvailable"]);
    let pod = boat.field(&["pods", "-l", "app=web"], ".items[0].metadata.name");
    check(&boat.kubectl_ok(&["describe", "pod", &pod]), &["Scheduled", "Started", "echo:1"]);
    check(&boat.kubectl_ok(&["logs", &pod]), &["listening on 8080, version one"]);
    boat.kubectl_ok(&["expose", "deployment", "web", "--port=80", "--target-port=http"]);
    check(&boat.kubectl_ok(&["describe", "service", "web"]), &["Endpoints:", ":8080"]);
    check(&boat.kubectl_ok(&["scale", "deployment", "web", "--replicas=3"]), &["scaled"]);
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    boat.kubectl_ok(&["set", "image", "deployment/web", "web=echo:2"]);
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    check(&boat.kubectl_ok(&["rollout", "history", "deployment/web"]), &["1", "2"]);
    boat.kubectl_ok(&["rollout", "undo", "deployment/web"]);
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "--timeout=60s"]);
    let image = boat.field(&["deployment", "web"], ".spec.template.spec.containers[0].image");
    assert_eq!(image, "echo:1");
    check(&boat.kubectl_ok(&["get", "events"]), &["Scheduled", "Killing"]);
    boat.kubectl_ok(&["delete", "deployment", "web", "--timeout=60s"]);
    eventually("the pods are gone with their deployment", || {
        boat.kubectl_ok(&["get", "pods", "-o", "name"]).trim().is_empty().then_some(())
    });
}

#[test]
fn every_kind_of_apply_and_patch() {
    let Some(boat) = afloat("apply_and_patch") else { return };
    boat.kubectl_ok(&["create", "configmap", "settings", "--from-literal=version=one"]);
    boat.kubectl_ok(&["create", "secret", "generic", "password", "--from-literal=word=x"]);
    check(
        &boat.kubectl_ok_with(&["apply", "--server-side", "-f", "-"], WEB),
        &["serverside-applied"],
    );
    let other = WEB.replace("replicas: 2", "replicas: 4");
    let conflict =
        boat.kubectl_with(&["apply", "--server-side", "--field-manager=other", "-f", "-"], &other);
    assert!(!conflict.status.success());
    check(&texts(&conflict).1, &["conflict with \"kubectl\"", ".spec.replicas"]);
    let json = r#"[{"op": "replace", "path": "/spec/replicas", "value": 1}]"#;
    boat.kubectl_ok(&["patch", "deployment", "web", "--type=json", "-p", json]);
    assert_eq!(boat.field(&["deployment", "web"], ".spec.replicas"), "1");
    boat.kubectl_ok(&[
        "patch",
        "deployment",
        "web",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":2}}"#,
    ]);
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"b"}]}]}}}}"#;
    boat.kubectl_ok(&["patch", "deployment", "web", "-p", strategic]);
    let names = boat.field(&["deployment", "web"], ".spec.template.spec.containers[0].env[*].name");
    let mut names: Vec<_> = names.split(' ').collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "VERSION"]);
    let wrong = boat.kubectl(&[
        "patch",
        "deployment",
        "web",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":-1}}"#,
    ]);
    let complaint = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    check(&texts(&wrong).1, &[complaint]);
    check(&boat.kubectl_ok(&["explain", "deployment.spec.replicas"]), &["<integer>"]);
    let diff = boat.kubectl_with(&["diff", "-f", "-"], &WEB.replace("echo:1", "echo:2"));
    check(&texts(&diff).0, &["echo:2"]);
    check(&boat.kubectl_ok(&["api-resources"]), &["deployments", "endpointslices", "ingresses"]);
}

#[test]
fn commands_run_inside_a_pod() {
    let Some(boat) = afloat("exec") else { return };
    boat.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: echo}\nspec: {containers: [{name: echo, image: 'echo:1'}]}\n");
    boat.kubectl_ok(&["wait", "pod/echo", "--for=condition=Ready", "--timeout=60s"]);
    let missing = boat.kubectl(&["exec", "echo", "--", "/bin/sh"]);
    assert!(!missing.status.success());
    check(&texts(&missing).1, &["no such file or directory"]);
    // The image holds one program only: a second one cannot have the port and says so.
    let second = boat.kubectl(&["exec", "echo", "--", "/echo"]);
    assert!(!second.status.success());
    check(&texts(&second).1, &["in use"]);
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let Some(boat) = afloat("namespace") else { return };
    boat.kubectl_ok(&["create", "namespace", "shop"]);
    boat.kubectl_ok(&["create", "deployment", "web", "--image=echo:1", "-n", "shop"]);
    boat.kubectl_ok(&["rollout", "status", "deployment/web", "-n", "shop", "--timeout=60s"]);
    boat.kubectl_ok(&["delete", "namespace", "shop", "--timeout=60s"]);
    let after = boat.kubectl(&["get", "namespace", "shop"]);
    check(&texts(&after).1, &["namespaces \"shop\" not found"]);
    let pods = boat.kubectl_ok(&["get", "pods", "-A", "-o", "name"]);
    assert!(pods.trim().is_empty(), "{pods}");
}
