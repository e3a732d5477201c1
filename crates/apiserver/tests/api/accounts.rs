//! What a new pod gets from its ServiceAccount.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PODS, Server, pod};

fn with_account(name: &str, account: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["serviceAccountName"] = account.into();
    pod
}

#[tokio::test]
async fn a_pod_gets_its_token_and_tolerations() {
    let server = Server::start().await;
    let made = server.check(&format!("POST {PODS}"), pod("a"), 201, json!({})).await;
    let spec = &made["spec"];
    let volume = spec["volumes"][0]["name"].as_str().unwrap();
    assert!(volume.starts_with("kube-api-access-"), "{volume}");
    let mount = json!([{"name": volume, "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
    assert_eq!(spec["containers"][0]["volumeMounts"], mount);
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(spec["tolerations"].as_array().map(Vec::len), Some(2));
    // Nobody owns what the cluster added.
    let managed = made["metadata"]["managedFields"].to_string();
    assert!(managed.contains("f:containers"), "{managed}");
    assert!(!managed.contains("f:volumes") && !managed.contains("f:tolerations"), "{managed}");
}

#[tokio::test]
async fn a_pod_of_a_missing_account_is_refused() {
    let server = Server::start().await;
    let post = format!("POST {PODS}");
    let message = "pods \"a\" is forbidden: error looking up service account default/robot: serviceaccount \"robot\" not found";
    let refusal = json!({"reason": "Forbidden", "message": message});
    server.check(&post, with_account("a", "robot"), 403, refusal).await;
    server.account("default", "robot").await;
    let spec = json!({"serviceAccountName": "robot", "serviceAccount": "robot"});
    server.check(&post, with_account("a", "robot"), 201, json!({ "spec": spec })).await;
}

#[tokio::test]
async fn a_pod_of_a_new_namespace_waits_for_its_account() {
    let server = Server::start().await;
    let namespace = json!({"metadata": {"name": "shop"}});
    server.check("POST /api/v1/namespaces", namespace, 201, json!({})).await;
    let later = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.account("shop", "default").await;
    };
    let path = "POST /api/v1/namespaces/shop/pods";
    tokio::join!(server.check(path, pod("a"), 201, json!({})), later);
    let missing = json!({"message": "namespaces \"no\" not found"});
    server.check("POST /api/v1/namespaces/no/pods", pod("a"), 404, missing).await;
}

#[tokio::test]
async fn an_account_may_keep_its_token() {
    let server = Server::start().await;
    let account = json!({"metadata": {"name": "quiet"}, "automountServiceAccountToken": false,
        "imagePullSecrets": [{"name": "registry"}]});
    let accounts = "POST /api/v1/namespaces/default/serviceaccounts";
    server.check(accounts, account, 201, json!({})).await;
    let expected = json!({"spec": {"volumes": null, "imagePullSecrets": [{"name": "registry"}]}});
    server.check(&format!("POST {PODS}"), with_account("a", "quiet"), 201, expected).await;
}
