//! The audit log: what is recorded of requests, and what of it the policy leaves out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use sampan_apiserver::UserInfo;
use sampan_apiserver::audit::{AuditFile, AuditLog, AuditTo, Policy};
use serde_json::{Value, json};

use super::support::{CONFIG_MAPS, Server, admin, has};

/// How long the log may take to be on the disk.
const PATIENCE: Duration = Duration::from_secs(20);

struct Audited {
    server: Server,
    log: Arc<AuditLog>,
    path: PathBuf,
}

impl Audited {
    /// A server that records what these rules say from now on.
    async fn start(rules: &str) -> Self {
        let server = Server::start().await;
        let path = server.directory.path().join("audit.log");
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}");
        let policy = Policy::parse("policy", &text).unwrap();
        let file =
            AuditFile { path: path.clone(), bytes_max: 100 << 20, backups_max: 1, days_max: 0 };
        let log = Arc::new(AuditLog::start(policy, AuditTo::File(file)).unwrap());
        server.api.set_audit(log.clone());
        Self { server, log, path }
    }

    /// The events recorded so far, but of what the server asks itself in the background.
    fn events(&self) -> Vec<Value> {
        assert!(self.log.flush(PATIENCE));
        let text = std::fs::read_to_string(&self.path).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["user"]["username"] != "system:apiserver").collect()
    }

    /// Sends a request; what is recorded of it has these fields, an event each.
    async fn check(&self, request: &str, body: Value, expected: &[Value]) -> Vec<Value> {
        let before = self.events().len();
        self.server.ask(request, body).await;
        let events = self.events().split_off(before);
        assert_eq!(events.len(), expected.len(), "{events:#?}");
        for (event, expected) in events.iter().zip(expected) {
            assert!(has(event, expected), "wanted {expected:#}\ngot {event:#}");
        }
        events
    }
}

const ALL: &str = "rules: [{level: Metadata}]\n";

#[tokio::test]
async fn each_request_is_recorded_when_it_comes_and_when_it_ends() {
    let audited = Audited::start(ALL).await;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let begun = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "stage": "RequestReceived", "requestURI": CONFIG_MAPS, "verb": "create",
        "user": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "userAgent": "test/1",
        "objectRef": {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"},
    });
    let ended = json!({
        "stage": "ResponseComplete",
        "objectRef": {"resource": "configmaps", "namespace": "default", "name": "a"},
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {
            "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "",
        },
    });
    let events = audited.check(&format!("POST {CONFIG_MAPS}"), body, &[begun, ended]).await;
    assert_eq!(events[0]["auditID"], events[1]["auditID"]);
    assert_eq!(events[0]["stageTimestamp"], events[0]["requestReceivedTimestamp"]);
    assert!(events[1].get("requestObject").is_none(), "metadata only");
    let time = events[1]["stageTimestamp"].as_str().unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
}

#[tokio::test]
async fn objects_are_recorded_as_far_as_the_level_says() {
    let rules = "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n\
        - {level: Request, verbs: [create]}\n- {level: RequestResponse}\n";
    let audited = Audited::start(rules).await;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let created =
        json!({"level": "Request", "requestObject": {"kind": "ConfigMap", "data": {"k": "v"}}});
    let events = audited.check(&format!("POST {CONFIG_MAPS}"), body, &[created]).await;
    assert!(events[0].get("responseObject").is_none());
    let patch = json!({"data": {"k": "w"}});
    let patched = json!({
        "verb": "patch", "requestObject": patch, "responseObject": {"data": {"k": "w"}},
        "responseStatus": {"code": 200},
    });
    let events = audited.check(&format!("PATCH {CONFIG_MAPS}/a"), patch, &[patched]).await;
    assert!(events[0]["responseObject"]["metadata"].get("managedFields").is_none());
    let listed = json!({"verb": "list", "responseObject": {"kind": "ConfigMapList"}});
    let events = audited.check(&format!("GET {CONFIG_MAPS}"), Value::Null, &[listed]).await;
    let items = events[0]["responseObject"]["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["metadata"].get("managedFields").is_none()));
    let gone = json!({"verb": "delete", "requestObject": {"propagationPolicy": "Background"},
        "responseStatus": {"status": "Success", "code": 200}});
    let options =
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
    audited.check(&format!("DELETE {CONFIG_MAPS}/a"), options, &[gone]).await;
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_reason_and_whom_the_user_speaks_for() {
    let audited =
        Audited::start("omitStages: [RequestReceived]\nrules: [{level: Metadata}]\n").await;
    let missing = json!({"responseStatus": {
        "status": "Failure", "reason": "NotFound", "code": 404,
        "message": "configmaps \"none\" not found", "details": {"name": "none"},
    }});
    audited.check(&format!("GET {CONFIG_MAPS}/none"), Value::Null, &[missing]).await;
    let headers = [
        ("impersonate-user", "bob"),
        ("audit-id", "mine"),
        ("x-forwarded-for", "10.1.1.1, 10.1.1.2"),
    ];
    let answer = audited.server.ask_as(admin(), &format!("GET {CONFIG_MAPS}"), &headers, "").await;
    assert_eq!((answer.code, &answer.headers["audit-id"]), (403, &"mine".parse().unwrap()));
    let event = audited.events().pop().unwrap();
    let expected = json!({
        "auditID": "mine", "user": {"username": "admin"},
        "impersonatedUser": {"username": "bob"}, "sourceIPs": ["10.1.1.1", "10.1.1.2"],
        "responseStatus": {"code": 403, "reason": "Forbidden"},
        "annotations": {"authorization.k8s.io/decision": "forbid"},
    });
    assert!(has(&event, &expected), "{event:#}");
}

#[tokio::test]
async fn a_watch_is_recorded_when_it_begins_and_when_it_ends() {
    let audited = Audited::start(ALL).await;
    let request = format!("GET {CONFIG_MAPS}?watch=true&timeoutSeconds=1");
    let response = audited.server.send(admin(), &request, &[], "").await;
    let stages = |events: &[Value]| {
        let stages = events.iter().map(|event| event["stage"].as_str().unwrap().to_owned());
        stages.collect::<Vec<_>>()
    };
    assert_eq!(stages(&audited.events()), ["RequestReceived", "ResponseStarted"]);
    response.into_body().collect().await.unwrap();
    let events = audited.events();
    assert_eq!(stages(&events), ["RequestReceived", "ResponseStarted", "ResponseComplete"]);
    assert_eq!(events[2]["verb"], "watch");
}

#[tokio::test]
async fn what_the_policy_does_not_name_is_not_recorded() {
    let rules = "rules:\n- {level: None, users: [admin]}\n- {level: Metadata}\n";
    let audited = Audited::start(rules).await;
    audited.check("GET /version", Value::Null, &[]).await;
    let user = UserInfo::new("bob", ["people"]);
    let answer = audited.server.ask_as(user, "GET /version", &[], "").await;
    assert_eq!(answer.headers["audit-id"].len(), 36);
    let events = audited.events();
    assert_eq!(events.len(), 2);
    assert!(events[1].get("objectRef").is_none(), "{events:#?}");
    assert!(events.iter().all(|event| event["verb"] == "get" && event["requestURI"] == "/version"));
}

#[tokio::test]
async fn every_reply_has_an_id_without_an_audit_log_too() {
    let server = Server::start().await;
    let answer = server.ask("GET /version", Value::Null).await;
    assert_eq!(answer.headers["audit-id"].len(), 36);
}

#[tokio::test]
async fn policies_and_pod_security_tell_the_log_what_they_found() {
    let rules = "omitStages: [RequestReceived]\nrules:\n\
        - {level: Metadata, resources: [{group: \"\", resources: [pods, configmaps]}]}\n\
        - {level: None}\n";
    let audited = Audited::start(rules).await;
    let server = &audited.server;
    let group = "/apis/admissionregistration.k8s.io/v1";
    let policy = json!({"metadata": {"name": "p.example.com"}, "spec": {
        "matchConstraints": {"resourceRules": [{"operations": ["CREATE"], "apiGroups": [""],
            "apiVersions": ["v1"], "resources": ["configmaps"]}]},
        "validations": [{"expression": "true"}, {"expression": "false", "message": "no"}],
        "auditAnnotations": [{"key": "name", "valueExpression": "'it is ' + object.metadata.name"}],
    }});
    server
        .check(&format!("POST {group}/validatingadmissionpolicies"), policy, 201, json!({}))
        .await;
    let binding = json!({"metadata": {"name": "b"},
        "spec": {"policyName": "p.example.com", "validationActions": ["Audit"]}});
    let bindings = format!("POST {group}/validatingadmissionpolicybindings");
    server.check(&bindings, binding, 201, json!({})).await;
    let failure = "[{\"binding\":\"b\",\"expressionIndex\":1,\"message\":\"no\",\"policy\":\"p.example.com\",\"validationActions\":[\"Audit\"]}]";
    let expected = json!({"responseStatus": {"code": 201}, "annotations": {
        "p.example.com/name": "it is a",
        "validation.policy.admission.k8s.io/validation_failure": failure,
    }});
    let map = json!({"metadata": {"name": "a"}});
    audited.check(&format!("POST {CONFIG_MAPS}"), map, &[expected]).await;
    let labels = json!({"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "baseline"}}});
    server.check("PATCH /api/v1/namespaces/default", labels, 200, json!({})).await;
    let mut pod = super::support::pod("p");
    pod["spec"]["hostNetwork"] = true.into();
    let expected = json!({"responseStatus": {"code": 201}, "annotations": {
        "pod-security.kubernetes.io/enforce-policy": "privileged:latest",
        "pod-security.kubernetes.io/audit-violations":
            "would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)",
    }});
    audited.check("POST /api/v1/namespaces/default/pods", pod, &[expected]).await;
}
