//! What clients ask first.

use http_body_util::BodyExt as _;
use serde_json::json;

use super::support::{Server, admin};

#[tokio::test]
async fn groups_and_resources_are_listed() {
    let server = Server::start().await;
    server
        .check("GET /api", json!(null), 200, json!({"kind": "APIVersions", "versions": ["v1"]}))
        .await;
    let groups = server.check("GET /apis", json!(null), 200, json!({"kind": "APIGroupList"})).await;
    let named: Vec<_> = groups["groups"].as_array().unwrap().iter().map(|g| &g["name"]).collect();
    assert!(named.contains(&&json!("apps")) && named.contains(&&json!("discovery.k8s.io")));
    let core = server.check("GET /api/v1", json!(null), 200, json!({"groupVersion": "v1"})).await;
    let pods = core["resources"].as_array().unwrap().iter().find(|r| r["name"] == "pods").unwrap();
    assert_eq!(pods["shortNames"], json!(["po"]));
    server.check("GET /apis/apps/v1", json!(null), 200, json!({"groupVersion": "apps/v1"})).await;
    server.check("GET /apis/nothing", json!(null), 404, json!(null)).await;
    server.check("GET /apis/apps/v9", json!(null), 404, json!({"reason": "NotFound"})).await;
}

#[tokio::test]
async fn aggregated_discovery_is_one_document_with_a_tag() {
    let server = Server::start().await;
    for version in ["v2", "v2beta1"] {
        let accept = format!(
            "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList,application/json"
        );
        let headers = [("accept", accept.as_str())];
        let answer = server.ask_as(admin(), "GET /apis", &headers, "").await;
        assert_eq!(answer.body["kind"], "APIGroupDiscoveryList");
        assert_eq!(answer.body["apiVersion"], format!("apidiscovery.k8s.io/{version}"));
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        let headers = [("accept", accept.as_str()), ("if-none-match", tag.as_str())];
        assert_eq!(server.ask_as(admin(), "GET /apis", &headers, "").await.code, 304);
    }
}

#[tokio::test]
async fn openapi_documents_are_named_by_their_hash() {
    let server = Server::start().await;
    let index = server.check("GET /openapi/v3", json!(null), 200, json!({})).await;
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let document = server.ask_as(admin(), &format!("GET {url}"), &[], "").await;
    assert!(document.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let patch =
        &document.body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-action"], "patch");
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let names: Vec<_> =
        patch["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let tag = document.headers["etag"].to_str().unwrap();
    let again = server.ask_as(admin(), &format!("GET {url}"), &[("if-none-match", tag)], "").await;
    assert_eq!(again.code, 304);
}

#[tokio::test]
async fn every_reference_of_a_document_is_in_it() {
    let server = Server::start().await;
    let index = server.check("GET /openapi/v3", json!(null), 200, json!({})).await;
    for entry in index["paths"].as_object().unwrap().values() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let document = server.ask_as(admin(), &format!("GET {url}"), &[], "").await.body;
        let schemas = &document["components"]["schemas"];
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{url} lacks {name}");
        }
    }
}

#[tokio::test]
async fn health_is_told_check_by_check() {
    let server = Server::start().await;
    for path in ["/healthz", "/livez", "/readyz", "/readyz?verbose", "/livez/ping"] {
        let answer = server.ask_as(admin(), &format!("GET {path}"), &[], "").await;
        assert_eq!(answer.code, 200, "{path}");
    }
    server.api.close();
    assert_eq!(server.ask_as(admin(), "GET /readyz", &[], "").await.code, 500);
    assert_eq!(server.ask_as(admin(), "GET /livez", &[], "").await.code, 200);
}

#[tokio::test]
async fn openapi_v2_says_what_version_3_says() {
    let server = Server::start().await;
    let answer = server.ask_as(admin(), "GET /openapi/v2", &[], "").await;
    let (document, definitions) = (&answer.body, &answer.body["definitions"]);
    let deployment = &definitions["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(
        deployment["x-kubernetes-group-version-kind"],
        json!([{"group": "apps", "version": "v1", "kind": "Deployment"}])
    );
    let spec = &deployment["properties"]["spec"];
    assert_eq!(spec["$ref"], "#/definitions/io.k8s.api.apps.v1.DeploymentSpec");
    assert_eq!(definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]["type"], "string");
    for asked in ["/apis/authentication.k8s.io/v1/tokenreviews", "/api/v1/componentstatuses"] {
        assert!(document["paths"][asked].is_object(), "{asked}");
    }
    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    // Old clients ask before they send `dryRun`.
    let parameters = patch["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|p| p["name"] == "dryRun" && p["type"] == "string"), "{patch}");
    for part in document.to_string().split("\"#/definitions/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(definitions.get(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn openapi_v2_is_had_in_protobuf_and_by_its_hash() {
    let server = Server::start().await;
    let media = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let ask = [("accept", media)];
    let response = server.send(admin(), "GET /openapi/v2", &ask, "").await;
    assert_eq!(response.headers()["content-type"], media.replace('@', "."));
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"\x0a\x032.0\x12"), "{:?}", &body[..16]);
    let name = b"\x0a\x1dio.k8s.api.apps.v1.Deployment\x12";
    assert!(body.windows(name.len()).any(|part| part == name));
    let again = [("accept", media), ("if-none-match", &tag)];
    assert_eq!(server.send(admin(), "GET /openapi/v2", &again, "").await.status(), 304);
    let in_json = server.send(admin(), "GET /openapi/v2", &[("if-none-match", &tag)], "").await;
    assert_eq!(in_json.status(), 200);
}
