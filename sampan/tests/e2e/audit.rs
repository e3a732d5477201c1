//! The audit log of the real server: over TLS, with its own parts as users, and to the last event.

use std::fs;

use serde_json::Value;

use crate::boat::{Boat, eventually, has, is_root, skip, texts};

const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:kube-controller-manager, system:kube-scheduler, system:apiserver]
- level: None
  userGroups: [system:nodes]
- level: Metadata
  resources: [{resources: [secrets]}]
- level: RequestResponse
  namespaces: [default]
- level: Metadata
";

fn events(boat: &Boat) -> Vec<Value> {
    let text = fs::read_to_string(boat.data_dir().join("audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
}

/// A boat whose server records what the policy says.
fn audited(name: &str, policy: &str) -> Option<Boat> {
    if !is_root() || !has("kubectl") {
        skip(name, "it needs root and kubectl");
        return None;
    }
    let mut boat = Boat::new(name);
    let (file, log) = (boat.data_dir().join("policy.yaml"), boat.data_dir().join("audit.log"));
    fs::write(&file, policy).expect("write the policy");
    boat.with_flag(format!("--audit-policy-file={}", file.display()));
    boat.with_flag(format!("--audit-log-path={}", log.display()));
    Some(boat)
}

#[test]
fn what_kubectl_does_is_recorded_to_the_last_request() {
    let Some(mut boat) = audited("audit", POLICY) else { return };
    boat.start();
    boat.kubectl_ok(&["create", "configmap", "map", "--from-literal=gold=12"]);
    boat.kubectl_ok(&["create", "secret", "generic", "chest", "--from-literal=gold=12"]);
    let refused = boat.kubectl(&["--as", "bob", "get", "nodes"]);
    assert!(texts(&refused).1.contains("Forbidden"));
    let find = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        eventually(what, || events(&boat).into_iter().find(wanted))
    };
    let map = find("the ConfigMap", &|e| e["objectRef"]["name"] == "map" && e["verb"] == "create");
    assert_eq!(map["requestObject"]["data"]["gold"], "12");
    assert_eq!(map["responseObject"]["kind"], "ConfigMap");
    assert_eq!(map["sourceIPs"], serde_json::json!(["127.0.0.1"]));
    assert!(map["userAgent"].as_str().is_some_and(|agent| agent.starts_with("kubectl/")), "{map}");
    let chest = find("the Secret", &|e| e["objectRef"]["name"] == "chest");
    assert!(chest.get("requestObject").is_none(), "{chest}");
    // kubectl looks at what there is first, which bob may.
    let bob = find("bob", &|e| {
        e["impersonatedUser"]["username"] == "bob" && e["objectRef"]["resource"] == "nodes"
    });
    assert_eq!(bob["annotations"]["authorization.k8s.io/decision"], "forbid");
    assert!(events(&boat).iter().all(|e| e["user"]["username"] != "system:kube-scheduler"));
    // The last word before the end.
    boat.kubectl_ok(&["delete", "configmap", "map"]);
    boat.sampan_ok(&["stop"]);
    boat.wait_ended();
    let deleted = |e: &Value| e["verb"] == "delete" && e["objectRef"]["name"] == "map";
    assert!(events(&boat).iter().any(deleted));
}

#[test]
fn wrong_credentials_are_recorded() {
    let Some(mut boat) = audited("audit-401", POLICY) else { return };
    boat.start();
    let text = fs::read_to_string(boat.data_dir().join("kubeconfig")).expect("a kubeconfig");
    let lines = text.lines().filter(|line| !line.contains("client-"));
    let user = "\n    token: wrong\n";
    let without: String = lines.map(|line| format!("{line}\n")).collect::<String>();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("kubeconfig"), without.trim_end().to_owned() + user)
        .expect("write it");
    let asked = crate::boat::kubectl(folder.path(), &["get", "--raw", "/api/v1/nodes"], "");
    assert!(!asked.status.success());
    let event = eventually("it is recorded", || {
        // Some kubectls ask for the version first.
        let ours =
            |e: &Value| e["responseStatus"]["code"] == 401 && e["requestURI"] == "/api/v1/nodes";
        events(&boat).into_iter().find(ours)
    });
    assert_eq!(event["stage"], "ResponseStarted");
    assert_eq!(event["sourceIPs"], serde_json::json!(["127.0.0.1"]));
    assert!(event["user"].as_object().is_some_and(serde_json::Map::is_empty), "{event}");
}

#[test]
fn a_wrong_policy_is_told_before_anything_starts() {
    let Some(mut boat) = audited("audit-wrong", &POLICY.replace("RequestResponse", "All")) else {
        return;
    };
    boat.launch();
    assert!(!boat.wait_ended().success());
    let log = boat.server_log();
    for part in ["policy.yaml", "rules[3].level: Unsupported value: \"All\""] {
        assert!(log.contains(part), "{log}");
    }
    let alone = boat.sampan_fails(&["server", "--audit-log-path=/dev/null"]);
    assert!(alone.contains("--audit-policy-file"), "{alone}");
}
