//! Every kind goes through its whole life: one table of objects, one story for all.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Server, has, names, version};

mod objects;

use self::objects::{OBJECTS, Sample};

/// The server writes a condition to these by itself, soon after they are made.
const JUDGED: [&str; 2] = ["apiservices", "flowschemas"];
/// How long it may take for that.
const PATIENCE: Duration = Duration::from_secs(20);

fn collection(sample: &Sample) -> String {
    let (group, plural) = (sample.group_version, sample.plural);
    let root = if group.contains('/') { "apis" } else { "api" };
    match sample.namespaced {
        true => format!("/{root}/{group}/namespaces/default/{plural}"),
        false => format!("/{root}/{group}/{plural}"),
    }
}

fn everywhere(sample: &Sample) -> String {
    collection(sample).replace("/namespaces/default", "")
}

fn object(sample: &Sample, label: &str) -> Value {
    let mut object = sample.object();
    object["metadata"]["name"] = sample.name.into();
    object["metadata"]["labels"] = json!({"life": label});
    object
}

/// Waits until the server has written its condition, so that it does not do so in between.
async fn judged(server: &Server, one: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let got = server.check(&format!("GET {one}"), json!(null), 200, json!({})).await;
        if got["status"]["conditions"].as_array().is_some_and(|all| !all.is_empty()) {
            return;
        }
        assert!(Instant::now() < deadline, "no condition yet: {got}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// create, get, list here and everywhere, patch, update, watch, deletecollection.
async fn live(server: &Server, sample: &Sample) {
    let (path, all) = (collection(sample), everywhere(sample));
    let one = format!("{path}/{}", sample.name);
    let made = server.check(&format!("POST {path}"), object(sample, "one"), 201, json!({})).await;
    assert_eq!(made["apiVersion"], sample.group_version, "{path}");
    match JUDGED.contains(&sample.plural) {
        true => judged(server, &one).await,
        false => {
            let got = server.check(&format!("GET {one}"), json!(null), 200, json!({})).await;
            assert_eq!(got, made, "{path}: what was made is what is there");
        }
    }
    for place in [&path, &all] {
        let request = format!("GET {place}?labelSelector=life%3Done");
        let listed = server.check(&request, json!(null), 200, json!({})).await;
        assert_eq!(names(&listed), [sample.name], "{place}");
    }
    let patch = json!({"metadata": {"annotations": {"patched": "yes"}}});
    let patched = server.check(&format!("PATCH {one}"), patch.clone(), 200, patch).await;
    let mut changed = patched.clone();
    changed["metadata"]["labels"]["life"] = "two".into();
    let wanted =
        json!({"metadata": {"labels": {"life": "two"}, "annotations": {"patched": "yes"}}});
    let updated = server.check(&format!("PUT {one}"), changed.clone(), 200, wanted).await;
    assert_ne!(version(&updated), version(&patched), "{path}");
    // The version that was overtaken.
    server.check(&format!("PUT {one}"), changed, 409, json!({"reason": "Conflict"})).await;
    let gone = format!("DELETE {path}?labelSelector=life%3Dtwo&propagationPolicy=Background");
    server.check(&gone, json!(null), 200, json!({})).await;
    if made["metadata"]["finalizers"].is_array() {
        // A controller's work, of which none runs here.
        let let_go = json!({"metadata": {"finalizers": null}});
        server.check(&format!("PATCH {one}"), let_go, 200, json!({})).await;
    }
    server.check(&format!("GET {one}"), json!(null), 404, json!({"reason": "NotFound"})).await;
}

#[tokio::test]
async fn every_kind_lives_from_create_to_deletecollection() {
    let server = Server::start().await;
    for sample in OBJECTS {
        live(&server, sample).await;
    }
}

#[tokio::test]
async fn every_kind_with_a_status_has_it_apart() {
    let server = Server::start().await;
    for sample in OBJECTS.iter().filter(|sample| !sample.status.is_empty()) {
        let path = collection(sample);
        let one = format!("{path}/{}", sample.name);
        let status: Value = serde_json::from_str(sample.status).unwrap();
        let mut with_status = object(sample, "one");
        with_status["status"] = status.clone();
        let made = server.check(&format!("POST {path}"), with_status, 201, json!({})).await;
        assert!(!has(&made["status"], &status), "{path}: a new object has no status yet: {made}");
        let patch = json!({"metadata": {"annotations": {"x": "y"}}, "status": status});
        let wanted = json!({"status": status});
        server.check(&format!("PATCH {one}/status"), patch, 200, wanted.clone()).await;
        let got =
            server.check(&format!("GET {one}/status"), json!(null), 200, wanted.clone()).await;
        server.check(&format!("PUT {one}/status"), got, 200, wanted.clone()).await;
        // The object's own path leaves the status alone.
        let patch = json!({"status": null});
        server.check(&format!("PATCH {one}"), patch, 200, wanted).await;
        let gone = format!("DELETE {one}?propagationPolicy=Background");
        server.check(&gone, json!(null), 200, json!({})).await;
    }
}

#[tokio::test]
async fn every_kind_with_a_generation_counts_changes_of_its_spec() {
    let server = Server::start().await;
    for (group_version, plural) in [
        ("apps/v1", "statefulsets"),
        ("apps/v1", "daemonsets"),
        ("batch/v1", "cronjobs"),
        ("networking.k8s.io/v1", "networkpolicies"),
        ("policy/v1", "poddisruptionbudgets"),
    ] {
        let found = OBJECTS.iter().find(|s| s.plural == plural && s.group_version == group_version);
        let sample = found.unwrap();
        let one = format!("{}/{}", collection(sample), sample.name);
        let first = json!({"metadata": {"generation": 1}});
        server
            .check(&format!("POST {}", collection(sample)), object(sample, "g"), 201, first.clone())
            .await;
        let label = json!({"metadata": {"labels": {"other": "x"}}});
        server.check(&format!("PATCH {one}"), label, 200, first).await;
        let change = serde_json::from_str(sample.change).unwrap();
        let second = json!({"metadata": {"generation": 2}});
        server.check(&format!("PATCH {one}"), change, 200, second).await;
    }
}

#[tokio::test]
async fn what_nobody_acts_on_is_told_to_who_makes_it() {
    let server = Server::start().await;
    let made = |plural: &str| OBJECTS.iter().find(|sample| sample.plural == plural).unwrap();
    let warnings = async |sample: &Sample| {
        let post = format!("POST {}", collection(sample));
        let answer = server.ask(&post, object(sample, "w")).await;
        let all = answer.headers.get_all("warning").iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let told = warnings(made("statefulsets")).await;
    assert_eq!(
        told,
        ["299 - \"StatefulSet is stored, but nothing in this server acts on it yet\""]
    );
    assert_eq!(warnings(made("controllerrevisions")).await, [""; 0]);
}

/// The columns that kubectl shows, those of `-o wide` after a bar.
#[tokio::test]
async fn tables_have_upstreams_columns() {
    let server = Server::start().await;
    for sample in OBJECTS {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let request = format!("GET {}", everywhere(sample));
        let headers = [("accept", accept)];
        let table = server.ask_as(super::support::admin(), &request, &headers, "").await.body;
        let columns = table["columnDefinitions"].as_array().unwrap_or_else(|| panic!("{table}"));
        let of = |wide: bool| {
            let shown = columns.iter().filter(|column| (column["priority"] == 1) == wide);
            shown.map(|column| column["name"].as_str().unwrap()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(format!("{}|{}", of(false), of(true)), sample.columns, "{request}");
    }
}

#[tokio::test]
async fn an_approval_is_given_by_the_approval_subresource_only() {
    let server = Server::start().await;
    let sample = OBJECTS.iter().find(|s| s.plural == "certificatesigningrequests").unwrap();
    let one = format!("{}/{}", collection(sample), sample.name);
    let made = server
        .check(&format!("POST {}", collection(sample)), object(sample, "c"), 201, json!({}))
        .await;
    assert_eq!(made["spec"]["username"], "admin");
    let approved = json!({"status": {"conditions": [
        {"type": "Approved", "status": "True", "reason": "e2e", "message": "set from a test"}]}});
    let refused = json!({"message": "CertificateSigningRequest.certificates.k8s.io \"life\" is invalid: status.conditions: Forbidden: updates may not add a condition of type \"Approved\""});
    server.check(&format!("PATCH {one}/status"), approved.clone(), 422, refused).await;
    server.check(&format!("PATCH {one}/approval"), approved.clone(), 200, approved.clone()).await;
    let failed = json!({"type": "Failed", "status": "True", "reason": "x", "message": "y"});
    let mut conditions = approved["status"]["conditions"].clone();
    conditions.as_array_mut().unwrap().push(failed);
    let failed = json!({"status": {"certificate": CERTIFICATE, "conditions": conditions}});
    let both = server.check(&format!("PATCH {one}/status"), failed, 200, json!({})).await;
    let kinds: Vec<&str> = both["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["Approved", "Failed"]);
    assert_eq!(both["status"]["certificate"], CERTIFICATE);
    // Neither what was asked for nor what came of it changes by the object itself.
    let other = json!({"spec": {"signerName": "a.b/other"}, "status": {"certificate": null}});
    let kept = json!({"spec": made["spec"], "status": {"certificate": CERTIFICATE}});
    server.check(&format!("PATCH {one}"), other, 200, kept).await;
    server.check(&format!("GET {one}/approval"), json!(null), 200, approved_kind()).await;
}

/// A certificate as far as its form goes.
const CERTIFICATE: &str =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BQT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

fn approved_kind() -> Value {
    json!({"kind": "CertificateSigningRequest"})
}

#[tokio::test]
async fn requests_are_listed_by_their_signer_and_annotated_at_approval() {
    let server = Server::start().await;
    let sample = OBJECTS.iter().find(|s| s.plural == "certificatesigningrequests").unwrap();
    let path = collection(sample);
    server.check(&format!("POST {path}"), object(sample, "c"), 201, json!({})).await;
    for (signer, expected) in [("example.com%2Fe2e", vec!["life"]), ("other.com%2Fx", vec![])] {
        let request = format!("GET {path}?fieldSelector=spec.signerName%3D{signer}");
        let listed = server.check(&request, json!(null), 200, json!({})).await;
        assert_eq!(names(&listed), expected, "{signer}");
    }
    let patch = json!({"metadata": {"annotations": {"patchedapproval": "true"}}, "status":
        {"conditions": [{"type": "ApprovalPatch", "status": "True", "reason": "e2e"}]}});
    let one = format!("PATCH {path}/{}/approval", sample.name);
    server.check(&one, patch.clone(), 200, patch).await;
}

#[tokio::test]
async fn an_autoscaler_is_one_object_in_two_versions() {
    let server = Server::start().await;
    let path = |version: &str| {
        format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers")
    };
    let body = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 4, "targetCPUUtilizationPercentage": 50,
        "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}}});
    server.check(&format!("POST {}", path("v1")), body.clone(), 201, body.clone()).await;
    let newer = json!({"apiVersion": "autoscaling/v2", "spec": {"minReplicas": 1, "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    server.check(&format!("GET {}/h", path("v2")), json!(null), 200, newer).await;
    server.check(&format!("GET {}/h", path("v1")), json!(null), 200, body).await;
}

#[tokio::test]
async fn kinds_keep_account_of_what_changed() {
    let server = Server::start().await;
    let made = |plural: &str| OBJECTS.iter().find(|sample| sample.plural == plural).unwrap();
    let sets = made("daemonsets");
    let counted = |count: &str| json!({"metadata": {"annotations": {"deprecated.daemonset.template.generation": count}}});
    let one = format!("{}/{}", collection(sets), sets.name);
    let request = format!("POST {}", collection(sets));
    server.check(&request, object(sets, "c"), 201, counted("1")).await;
    let other = json!({"spec": {"minReadySeconds": 3}});
    server.check(&format!("PATCH {one}"), other, 200, counted("1")).await;
    let template = json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}});
    server.check(&format!("PATCH {one}"), template, 200, counted("2")).await;
    server.check(&format!("PATCH {one}"), counted("9"), 200, counted("2")).await;

    let slices = made("endpointslices");
    let one = format!("{}/{}", collection(slices), slices.name);
    let generation = |number: i64| json!({"metadata": {"generation": number}});
    let request = format!("POST {}", collection(slices));
    server.check(&request, object(slices, "c"), 201, generation(1)).await;
    let label = json!({"metadata": {"labels": {"other": "x"}}});
    server.check(&format!("PATCH {one}"), label, 200, generation(2)).await;
}

#[tokio::test]
async fn a_namespace_keeps_its_finalizers_whatever_is_put() {
    let server = Server::start().await;
    let path = "/api/v1/namespaces";
    let plain = json!({"metadata": {"name": "kept"}});
    let kept = json!({"spec": {"finalizers": ["kubernetes"]}});
    server.check(&format!("POST {path}"), plain.clone(), 201, kept.clone()).await;
    server.check(&format!("PUT {path}/kept"), plain, 200, kept).await;
}
