//! Who may do what, and how the server knows who asks.

use sampan_apiserver::UserInfo;
use serde_json::json;

use super::support::{CONFIG_MAPS, PODS, Server, admin};

#[tokio::test]
async fn nobody_sees_health_and_version_only() {
    let server = Server::start().await;
    for (path, expected) in [("/version", 200), ("/livez", 200), ("/readyz", 200), ("/api", 403)] {
        let request = format!("GET {path}");
        let answer = server.ask_as(UserInfo::anonymous(), &request, &[], "").await;
        assert_eq!(answer.code, expected, "{path}");
    }
    let answer = server.ask_as(UserInfo::anonymous(), &format!("GET {CONFIG_MAPS}"), &[], "").await;
    assert_eq!(
        answer.body["message"],
        "configmaps is forbidden: User \"system:anonymous\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
}

#[tokio::test]
async fn metrics_are_what_was_given_and_for_masters() {
    let server = Server::start().await;
    let ask = async |user| server.send(user, "GET /metrics", &[], "").await;
    server.api.set_metrics(std::sync::Arc::new(|| "things_total 3\n".into()));
    assert_eq!(ask(UserInfo::anonymous()).await.status(), 403);
    let response = ask(admin()).await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.starts_with("things_total 3\n"), "{text}");
}

#[tokio::test]
async fn a_request_without_a_user_is_anonymous() {
    use tower::ServiceExt as _;
    let server = Server::start().await;
    let request = http::Request::get(CONFIG_MAPS).body(axum::body::Body::empty()).unwrap();
    let response = server.api.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn a_token_says_what_it_is_bound_to() {
    let server = Server::start().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let account = json!({"metadata": {"name": "web"}});
    server.check(&format!("POST {accounts}"), account, 201, json!({})).await;
    let path = format!("POST {accounts}/web/token");
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let made = server.check(&path, body, 201, json!({"spec": {"expirationSeconds": 600}})).await;
    let token = made["status"]["token"].as_str().unwrap();
    let now = jiff::Timestamp::now().as_second();
    let claims = server.pki.tokens().verify(token, now).unwrap();
    assert_eq!(claims.sub, "system:serviceaccount:default:web");
    let short = json!({"spec": {"expirationSeconds": 60}});
    server.check(&path, short, 422, json!({"reason": "Invalid"})).await;
    let absent = json!({"spec": {"boundObjectRef": {"kind": "Pod", "name": "none"}}});
    server.check(&path, absent, 404, json!({"reason": "NotFound"})).await;
}

#[tokio::test]
async fn one_may_ask_what_one_may() {
    let server = Server::start().await;
    let scheduler = || UserInfo::new("system:kube-scheduler", [""; 0]);
    let path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    for (verb, resource, allowed) in [("list", "pods", true), ("get", "secrets", false)] {
        let body = json!({"spec": {"resourceAttributes": {"verb": verb, "resource": resource}}});
        let answer = server.ask_as(scheduler(), path, &[], body.to_string()).await;
        assert_eq!(answer.body["status"]["allowed"], allowed, "{}", answer.body);
    }
    let who = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = server.ask_as(admin(), who, &[], "{}").await;
    assert_eq!(answer.body["status"]["userInfo"]["username"], "admin");
    let rules = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let body = json!({"spec": {"namespace": "default"}}).to_string();
    let answer = server.ask_as(scheduler(), rules, &[], body).await;
    assert!(!answer.body["status"]["resourceRules"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn logs_need_the_node_agent() {
    use super::support::{PODS, pod};
    let server = Server::start().await;
    server.check(&format!("POST {PODS}"), pod("p"), 201, json!({})).await;
    let log = format!("GET {PODS}/p/log");
    server.check(&log, json!(null), 204, json!(null)).await;
    let binding = json!({"target": {"name": "box"}});
    server.check(&format!("POST {PODS}/p/binding"), binding, 201, json!({})).await;
    server.check(&log, json!(null), 503, json!({"reason": "ServiceUnavailable"})).await;
    let node = axum::Router::new().fallback(async |uri: axum::http::Uri| {
        axum::Json(json!({"path": uri.path(), "query": uri.query()}))
    });
    server.api.set_node_proxy(sampan_apiserver::NodeProxy::new(node));
    let expected = json!({"path": "/containerLogs/default/p/a", "query": "tailLines=3"});
    server.check(&format!("{log}?tailLines=3"), json!(null), 200, expected).await;
    let unknown = json!({"message": "container z is not valid for pod p"});
    server.check(&format!("{log}?container=z"), json!(null), 400, unknown).await;
    let exec = format!("POST {PODS}/p/exec?command=ls&stdout=true");
    let expected = json!({"path": "/exec/default/p/a", "query": "command=ls&stdout=true&output=1"});
    server.check(&exec, json!(null), 200, expected).await;
}

#[tokio::test]
async fn a_user_may_be_another_one_or_is_refused() {
    let server = Server::start().await;
    let ask = async |user, headers: &[(&str, &str)]| {
        server.ask_as(user, &format!("GET {PODS}"), headers, "").await
    };
    let as_account = [("impersonate-user", "system:serviceaccount:default:default")];
    let answer = ask(admin(), &as_account).await;
    assert_eq!(answer.code, 403);
    let message = "pods is forbidden: User \"system:serviceaccount:default:default\" cannot list";
    assert!(answer.body["message"].as_str().unwrap().starts_with(message), "{}", answer.body);
    let as_admin = [("impersonate-user", "bob"), ("impersonate-group", "system:masters")];
    assert_eq!(ask(admin(), &as_admin).await.code, 200);
    let answer = ask(UserInfo::new("bob", ["people"]), &as_admin).await;
    let message = "pods is forbidden: User \"bob\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"default\"";
    assert_eq!(answer.body["message"], message);
}
