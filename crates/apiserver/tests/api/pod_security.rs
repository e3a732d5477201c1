//! Pod security levels, and what else admission adds to a write or refuses.

use serde_json::{Value, json};

use crate::support::{Server, deployment, pod};

const PODS: &str = "/api/v1/namespaces/guarded/pods";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

/// A server with a namespace of these labels, given without their common prefix.
async fn guarded(labels: &[(&str, &str)]) -> Server {
    let server = Server::start().await;
    let labels: Value = labels
        .iter()
        .map(|(name, value)| (format!("pod-security.kubernetes.io/{name}"), (*value).into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let namespace = json!({"metadata": {"name": "guarded", "labels": labels}});
    server.check("POST /api/v1/namespaces", namespace, 201, json!({})).await;
    server.account("guarded", "default").await;
    server
}

fn careful(name: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["containers"][0]["securityContext"] = json!({"allowPrivilegeEscalation": false,
        "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}});
    pod
}

#[tokio::test]
async fn a_pod_that_violates_the_level_of_its_namespace_is_refused() {
    let server = guarded(&[("enforce", "restricted")]).await;
    let post = format!("POST {PODS}");
    let expected = "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": \
        allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false), \
        unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]), \
        runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true), \
        seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
    server.check(&post, pod("p"), 403, json!({"message": expected, "reason": "Forbidden"})).await;
    server.check(&post, careful("p"), 201, json!({})).await;
    // Unless the level's version is older than all this.
    let labels =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce-version": "v1.0"}}});
    server.check("PATCH /api/v1/namespaces/guarded", labels, 200, json!({})).await;
    let mut old = pod("q");
    old["spec"]["securityContext"] = json!({"runAsNonRoot": true});
    server.check(&post, old, 201, json!({})).await;
}

#[tokio::test]
async fn a_pod_that_was_let_in_may_change_unless_its_containers_do() {
    let server = guarded(&[]).await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let labels =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let answer = server.ask("PATCH /api/v1/namespaces/guarded", labels).await;
    let warnings: Vec<&str> =
        answer.headers.get_all("warning").iter().map(|text| text.to_str().unwrap()).collect();
    let all = warnings.join("\n");
    assert!(
        all.contains(
            "existing pods in namespace \\\"guarded\\\" violate the new PodSecurity enforce level \\\"restricted:latest\\\""
        ),
        "{all}"
    );
    assert!(
        all.contains(
            "p: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile"
        ),
        "{all}"
    );
    let patch = format!("PATCH {PODS}/p");
    server.check(&patch, json!({"metadata": {"labels": {"a": "b"}}}), 200, json!({})).await;
    let mut other = server.check(&format!("GET {PODS}/p"), Value::Null, 200, json!({})).await;
    other["spec"]["containers"][0]["image"] = "other".into();
    server.check(&format!("PUT {PODS}/p"), other, 403, json!({})).await;
}

#[tokio::test]
async fn a_template_makes_a_warning() {
    let server = guarded(&[("warn", "baseline"), ("enforce", "privileged")]).await;
    let post = "POST /apis/apps/v1/namespaces/guarded/deployments";
    let mut mighty = deployment("d");
    mighty["spec"]["template"]["spec"]["hostNetwork"] = true.into();
    let answer = server.ask(post, mighty).await;
    assert_eq!(answer.code, 201, "{}", answer.body);
    assert_eq!(
        answer.headers["warning"],
        "299 - \"would violate PodSecurity \\\"baseline:latest\\\": host namespaces (hostNetwork=true)\""
    );
}

#[tokio::test]
async fn labels_that_name_no_level_are_refused() {
    let server = Server::start().await;
    let namespace = json!({"metadata": {"name": "n",
        "labels": {"pod-security.kubernetes.io/enforce": "lax"}}});
    let expected = "Namespace \"n\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: \
        Invalid value: \"lax\": must be one of privileged, baseline, restricted";
    server.check("POST /api/v1/namespaces", namespace, 422, json!({"message": expected})).await;
}

fn claim(name: &str, size: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}}}})
}

#[tokio::test]
async fn a_claim_without_a_class_gets_the_default_one_and_grows_only_where_that_may() {
    let server = Server::start().await;
    let post = format!("POST {CLAIMS}");
    let spec = server.check(&post, claim("a", "1Gi"), 201, json!({})).await["spec"].clone();
    assert!(spec["storageClassName"].is_null());
    let class = json!({"metadata": {"name": "fast", "annotations":
        {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "x.io/y"});
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    server.check(&format!("POST {classes}"), class, 201, json!({})).await;
    let expected = json!({"spec": {"storageClassName": "fast"}});
    server.check(&post, claim("b", "1Gi"), 201, expected).await;
    let mut none = claim("c", "1Gi");
    none["spec"]["storageClassName"] = "".into();
    server.check(&post, none.clone(), 201, json!({"spec": {"storageClassName": ""}})).await;
    let grow = claim("b", "2Gi");
    let why = "PersistentVolumeClaim \"b\" is invalid: spec: Forbidden: spec is immutable after \
        creation except resources.requests and volumeAttributesClassName for bound claims";
    let patch = format!("PATCH {CLAIMS}/b");
    server.check(&patch, grow.clone(), 422, json!({"message": why})).await;
    let bound = json!({"status": {"phase": "Bound"}});
    server.check(&format!("{patch}/status"), bound, 200, json!({})).await;
    let why = "persistentvolumeclaims \"b\" is forbidden: only dynamically provisioned pvc can be \
        resized and the storageclass that provisions the pvc must support resize";
    server.check(&patch, grow, 403, json!({"message": why})).await;
}

#[tokio::test]
async fn an_ingress_without_a_class_gets_the_default_one() {
    let server = Server::start().await;
    let class = json!({"metadata": {"name": "main", "annotations":
        {"ingressclass.kubernetes.io/is-default-class": "true"}}, "spec": {"controller": "x.io/y"}});
    let networking = "/apis/networking.k8s.io/v1";
    server.check(&format!("POST {networking}/ingressclasses"), class, 201, json!({})).await;
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"defaultBackend":
        {"service": {"name": "s", "port": {"number": 80}}}}});
    let post = format!("POST {networking}/namespaces/default/ingresses");
    server.check(&post, ingress, 201, json!({"spec": {"ingressClassName": "main"}})).await;
}

#[tokio::test]
async fn a_pod_gets_the_overhead_of_its_runtime_class_which_must_be_there() {
    let server = Server::start().await;
    let with = |class: &str| {
        let mut pod = pod("p");
        pod["spec"]["runtimeClassName"] = class.into();
        pod
    };
    let post = format!("POST {}", crate::support::PODS);
    let why = "pods \"p\" is forbidden: pod rejected: RuntimeClass \"none\" not found";
    server.check(&post, with("none"), 403, json!({"message": why})).await;
    let class = json!({"metadata": {"name": "heavy"}, "handler": "h",
        "overhead": {"podFixed": {"memory": "64Mi"}}});
    let classes = "POST /apis/node.k8s.io/v1/runtimeclasses";
    server.check(classes, class, 201, json!({})).await;
    let expected = json!({"spec": {"overhead": {"memory": "64Mi"}}});
    server.check(&post, with("heavy"), 201, expected).await;
}

#[tokio::test]
async fn a_pod_tells_the_zone_of_the_node_that_it_is_bound_to() {
    let server = Server::start().await;
    let zone = "topology.kubernetes.io/zone";
    let node = json!({"metadata": {"name": "n", "labels": {zone: "z", "other": "o"}}});
    server.check("POST /api/v1/nodes", node, 201, json!({})).await;
    let pods = crate::support::PODS;
    server.check(&format!("POST {pods}"), pod("p"), 201, json!({})).await;
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    server.check(&format!("POST {pods}/p/binding"), binding, 201, json!({})).await;
    let expected = json!({ zone: "z" });
    let bound = server.check(&format!("GET {pods}/p"), Value::Null, 200, json!({})).await;
    assert_eq!(bound["metadata"]["labels"], expected);
    let mut placed = pod("q");
    placed["spec"]["nodeName"] = "n".into();
    let placed = server.check(&format!("POST {pods}"), placed, 201, json!({})).await;
    assert_eq!(placed["metadata"]["labels"], expected);
}

#[tokio::test]
async fn what_looks_into_a_pod_is_judged_as_the_pod() {
    let server = guarded(&[("enforce", "restricted")]).await;
    server.check(&format!("POST {PODS}"), careful("p"), 201, json!({})).await;
    let mut debugger = careful("x")["spec"]["containers"][0].clone();
    debugger["name"] = "debugger".into();
    let with = |container: &Value| json!({"spec": {"ephemeralContainers": [container]}});
    let mut mighty = debugger.clone();
    mighty["securityContext"]["privileged"] = true.into();
    mighty["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let patch = format!("PATCH {PODS}/p/ephemeralcontainers");
    let why = "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": \
        privileged (container \"debugger\" must not set securityContext.privileged=true), \
        allowPrivilegeEscalation != false (container \"debugger\" must set securityContext.allowPrivilegeEscalation=false)";
    server.check(&patch, with(&mighty), 403, json!({ "message": why })).await;
    server.check(&patch, with(&debugger), 200, json!({})).await;
}
