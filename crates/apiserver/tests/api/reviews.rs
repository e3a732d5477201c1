//! Reviews: may somebody, whose is this token, who am I; and the keys others check tokens with.

use sampan_apiserver::UserInfo;
use serde_json::{Value, json};

use super::support::{PODS, Server, admin, pod};

const ACCESS: &str = "/apis/authorization.k8s.io/v1";
const TOKENS: &str = "POST /apis/authentication.k8s.io/v1/tokenreviews";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn pods(verb: &str, namespace: &str) -> Value {
    json!({"verb": verb, "resource": "pods", "namespace": namespace})
}

#[tokio::test]
async fn who_may_ask_asks_what_others_may() {
    let server = Server::start().await;
    let ask = format!("POST {ACCESS}/subjectaccessreviews");
    let scheduler =
        json!({"spec": {"user": "system:kube-scheduler", "resourceAttributes": pods("list", "")}});
    let reason = "RBAC: allowed by ClusterRoleBinding \"system:kube-scheduler\" of ClusterRole \"system:kube-scheduler\" to User \"system:kube-scheduler\"";
    let yes = json!({"kind": "SubjectAccessReview", "status": {"allowed": true, "reason": reason}});
    server.check(&ask, scheduler, 201, yes).await;
    let bob = json!({"spec": {"user": "bob", "resourceAttributes": pods("list", "default")}});
    let no = json!({"status": {"allowed": false, "reason": null}});
    server.check(&ask, bob.clone(), 201, no.clone()).await;
    let path = json!({"spec": {"groups": ["system:authenticated"], "nonResourceAttributes": {"verb": "get", "path": "/version"}}});
    server.check(&ask, path, 201, json!({"status": {"allowed": true}})).await;
    let answer = server.ask_as(UserInfo::new("bob", ["people"]), &ask, &[], bob.to_string()).await;
    assert_eq!(answer.code, 403);
    let message = "subjectaccessreviews.authorization.k8s.io is forbidden: User \"bob\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope";
    assert_eq!(answer.body["message"], message);
    let local = format!("POST {ACCESS}/namespaces/default/localsubjectaccessreviews");
    server.check(&local, bob, 201, no).await;
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused() {
    let server = Server::start().await;
    let check = async |path: &str, body: Value, expected: &str| {
        let answer = server.ask(&format!("POST {ACCESS}/{path}"), body).await;
        assert_eq!(answer.code, 422, "{}", answer.body);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    };
    let nobody = json!({"spec": {"resourceAttributes": pods("list", "")}});
    check(
        "subjectaccessreviews",
        nobody,
        "spec.user: Invalid value: \"\": at least one of user or group must be specified",
    )
    .await;
    let nothing = json!({"spec": {"user": "bob"}});
    check(
        "subjectaccessreviews",
        nothing,
        "exactly one of nonResourceAttributes or resourceAttributes must be specified",
    )
    .await;
    let named =
        json!({"metadata": {"name": "x"}, "spec": {"resourceAttributes": pods("list", "")}});
    check("selfsubjectaccessreviews", named, "must be empty").await;
    let elsewhere = json!({"spec": {"user": "bob", "resourceAttributes": pods("list", "other")}});
    check(
        "namespaces/default/localsubjectaccessreviews",
        elsewhere,
        "spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace",
    )
    .await;
    let answer = server.ask(&format!("POST {ACCESS}/selfsubjectrulesreviews"), json!({})).await;
    assert_eq!((answer.code, &answer.body["message"]), (400, &json!("no namespace on request")));
}

async fn token(server: &Server, spec: Value) -> String {
    let body = json!({"spec": spec});
    let made = server.check(&format!("POST {ACCOUNTS}/default/token"), body, 201, json!({})).await;
    made["status"]["token"].as_str().unwrap().to_owned()
}

async fn review(server: &Server, token: &str, audiences: &[&str]) -> Value {
    let body = json!({"spec": {"token": token, "audiences": audiences}});
    server.check(TOKENS, body, 201, json!({"kind": "TokenReview"})).await["status"].clone()
}

#[tokio::test]
async fn a_token_is_its_accounts_and_for_its_audiences() {
    let server = Server::start().await;
    let plain = token(&server, json!({})).await;
    let status = review(&server, &plain, &[]).await;
    assert_eq!(status["authenticated"], true, "{status}");
    assert_eq!(status["user"]["username"], "system:serviceaccount:default:default");
    assert_eq!(
        status["user"]["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    assert_eq!(status["audiences"], json!([ISSUER]));
    let status = review(&server, &plain, &["vault"]).await;
    let why = format!(
        "[invalid bearer token, token audiences [\"{ISSUER}\"] is invalid for the target audiences [\"vault\"]]"
    );
    assert_eq!(status, json!({"user": {}, "error": why}));
    let vault = token(&server, json!({"audiences": ["vault", "other"]})).await;
    assert_eq!(review(&server, &vault, &["vault"]).await["audiences"], json!(["vault"]));
    assert_eq!(review(&server, &vault, &[]).await["authenticated"], json!(null));
    assert_eq!(review(&server, "a.b.c", &[]).await["error"], "invalid bearer token");
    let none = server.ask(TOKENS, json!({"spec": {}})).await;
    assert_eq!(none.body["message"], "token is required for TokenReview in authentication");
}

#[tokio::test]
async fn a_bootstrap_token_is_a_bootstrapper() {
    let server = Server::start().await;
    let token = "abcdef.0123456789abcdef";
    assert_eq!(review(&server, token, &[]).await["error"], "invalid bearer token");
    let secret = json!({
        "metadata": {"name": "bootstrap-token-abcdef"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef",
            "usage-bootstrap-authentication": "true"},
    });
    server.check("POST /api/v1/namespaces/kube-system/secrets", secret, 201, json!({})).await;
    let status = review(&server, token, &[]).await;
    assert_eq!(status["user"]["username"], "system:bootstrap:abcdef", "{status}");
    assert_eq!(status["user"]["groups"], json!(["system:bootstrappers", "system:authenticated"]));
}

#[tokio::test]
async fn a_token_ends_with_what_it_is_bound_to() {
    let server = Server::start().await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let secret = json!({"metadata": {"name": "s"}});
    server.check("POST /api/v1/namespaces/default/secrets", secret, 201, json!({})).await;
    server.check("POST /api/v1/nodes", json!({"metadata": {"name": "n"}}), 201, json!({})).await;
    let places = [
        ("Pod", format!("{PODS}/p?gracePeriodSeconds=0"), "p"),
        ("Secret", "/api/v1/namespaces/default/secrets/s".to_owned(), "s"),
        ("Node", "/api/v1/nodes/n".to_owned(), "n"),
    ];
    for (kind, path, name) in places {
        let bound = json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}});
        let token = token(&server, bound).await;
        assert_eq!(review(&server, &token, &[]).await["authenticated"], true, "{kind}");
        server.check(&format!("DELETE {path}"), json!(null), 200, json!({})).await;
        let status = review(&server, &token, &[]).await;
        let why = "[invalid bearer token, service account token has been invalidated]";
        assert_eq!(status["error"], why, "{kind}");
    }
}

#[tokio::test]
async fn a_token_is_not_bound_to_just_anything() {
    let server = Server::start().await;
    server.account("default", "web").await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let check = async |spec: Value, code: u16, expected: &str| {
        let body = json!({"spec": spec});
        let answer = server.ask(&format!("POST {ACCOUNTS}/web/token"), body).await;
        assert_eq!(answer.code, code, "{}", answer.body);
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    };
    let to = |version: &str, kind: &str, uid: &str| json!({"boundObjectRef": {"apiVersion": version, "kind": kind, "name": "p", "uid": uid}});
    let other = "cannot bind token for serviceaccount \"web\" to pod running with serviceaccount \"default\"";
    check(to("v1", "Pod", ""), 400, other).await;
    let kind = "cannot bind token to object of type apps/v1, Kind=Deployment";
    check(to("apps/v1", "Deployment", ""), 400, kind).await;
    check(to("v1", "Pod", "x"), 409, "Operation cannot be fulfilled on Pod \"p\": the UID in the bound object reference (x) does not match the UID in record").await;
    let long = json!({"expirationSeconds": 1_i64 << 33});
    check(long, 422, "may not specify a duration larger than 2^32 seconds").await;
}

#[tokio::test]
async fn accounts_find_the_keys_that_sign_tokens() {
    let server = Server::start().await;
    let account = || UserInfo::new("system:serviceaccount:default:x", ["system:serviceaccounts"]);
    let found = server.ask_as(account(), "GET /.well-known/openid-configuration", &[], "").await;
    assert_eq!((found.code, &found.body["issuer"]), (200, &json!(ISSUER)));
    let keys = server.ask_as(account(), "GET /openid/v1/jwks", &[], "").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    let key = &keys.body["keys"][0];
    assert_eq!(
        (&key["kty"], &key["alg"], &key["crv"]),
        (&json!("EC"), &json!("ES256"), &json!("P-256"))
    );
    let token = token(&server, json!({})).await;
    let header = token.split('.').next().unwrap();
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["kid"], key["kid"]);
    let answer = server.ask_as(UserInfo::anonymous(), "GET /openid/v1/jwks", &[], "").await;
    assert_eq!(answer.code, 403);
}

#[tokio::test]
async fn one_is_told_who_one_is_and_when() {
    let server = Server::start().await;
    let path = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = server.ask_as(admin(), path, &[], "{}").await;
    assert_eq!(answer.body["status"]["userInfo"]["groups"][0], "system:masters");
    assert!(answer.body["metadata"]["creationTimestamp"].is_string());
}

#[tokio::test]
async fn a_question_may_be_about_a_narrowed_list() {
    let server = Server::start().await;
    let ask = format!("POST {ACCESS}/subjectaccessreviews");
    let of = |user: &str, selectors: Value| {
        let mut attributes = pods("list", "");
        for (field, selector) in selectors.as_object().unwrap() {
            attributes[field] = selector.clone();
        }
        let groups =
            if user.starts_with("system:node:") { json!(["system:nodes"]) } else { json!([]) };
        json!({"spec": {"user": user, "groups": groups, "resourceAttributes": attributes}})
    };
    let on = |node: &str| {
        let requirement = json!({"key": "spec.nodeName", "operator": "In", "values": [node]});
        json!({"fieldSelector": {"requirements": [requirement]}})
    };
    let node = "system:node:a";
    let yes = json!({"status": {"allowed": true, "evaluationError": null}});
    server.check(&ask, of(node, on("a")), 201, yes.clone()).await;
    let raw = json!({"fieldSelector": {"rawSelector": "spec.nodeName=a"}});
    server.check(&ask, of(node, raw), 201, yes).await;
    let reason = "can only list/watch pods with spec.nodeName field selector";
    let no = json!({"status": {"allowed": false, "reason": reason}});
    server.check(&ask, of(node, on("b")), 201, no).await;
    let unknown = json!({"labelSelector": {"requirements": [{"key": "a", "operator": "Near"}]}});
    let said = "spec.resourceAttributes.labelSelector ignored due to parse error";
    let answer = json!({"status": {"allowed": false, "evaluationError": said}});
    server.check(&ask, of("bob", unknown), 201, answer).await;
    let empty = server.ask(&ask, of("bob", json!({"fieldSelector": {}}))).await;
    assert_eq!(empty.code, 422);
    let wanted = "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required";
    assert!(empty.body["message"].as_str().unwrap().contains(wanted), "{}", empty.body);
}
