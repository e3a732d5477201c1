//! In what replies are written: JSON, YAML, protobuf; and what is said where nobody can read it.

use api::protobuf;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::custom::{TABS, server_with, spec_of, tab, tabs};
use super::support::{CONFIG_MAPS, Server, admin};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const YAML: &str = "application/yaml";
const BETA_TABLE: &str = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";

/// The code, the type and the bytes of a reply.
async fn ask(server: &Server, request: &str, accept: &str) -> (u16, String, Vec<u8>) {
    let reply = server.send(admin(), request, &[("accept", accept)], String::new()).await;
    let code = reply.status().as_u16();
    let media = reply.headers()["content-type"].to_str().unwrap().to_owned();
    (code, media, reply.into_body().collect().await.unwrap().to_bytes().to_vec())
}

#[track_caller]
fn yaml(bytes: &[u8]) -> Value {
    serde_saphyr::from_str(std::str::from_utf8(bytes).unwrap()).unwrap()
}

#[tokio::test]
async fn an_object_is_had_in_yaml_and_in_protobuf() {
    let server = Server::start().await;
    server.config_map("a", json!({"x": "y"})).await;
    let path = format!("GET {CONFIG_MAPS}/a");
    let plain = server.check(&path, json!(null), 200, json!({})).await;
    let (code, media, body) = ask(&server, &path, YAML).await;
    assert_eq!((code, &*media), (200, YAML));
    assert_eq!(yaml(&body), plain);
    for accept in [PROTOBUF, "application/vnd.kubernetes.protobuf,application/json"] {
        let (code, media, body) = ask(&server, &path, accept).await;
        assert_eq!((code, &*media), (200, PROTOBUF));
        assert_eq!(protobuf::decode(&body).unwrap().1, plain);
    }
}

#[tokio::test]
async fn what_a_write_makes_and_a_refusal_are_written_alike() {
    let server = Server::start().await;
    let path = format!("POST {CONFIG_MAPS}");
    let body = json!({"metadata": {"name": "a"}}).to_string();
    let headers = [("accept", YAML), ("content-type", "application/json")];
    let made = server.send(admin(), &path, &headers, body.clone()).await;
    assert_eq!(made.status(), 201);
    assert_eq!(made.headers()["content-type"], YAML);
    let headers = [("accept", PROTOBUF), ("content-type", "application/json")];
    let refused = server.send(admin(), &path, &headers, body).await;
    assert_eq!(refused.status(), 409);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(protobuf::decode(&body).unwrap().1["reason"], "AlreadyExists");
}

#[tokio::test]
async fn a_watch_comes_in_frames_of_protobuf_and_never_in_yaml() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let path = format!("GET {CONFIG_MAPS}?watch=1&timeoutSeconds=1");
    let (code, media, body) = ask(&server, &path, PROTOBUF).await;
    assert_eq!((code, &*media), (200, "application/vnd.kubernetes.protobuf;stream=watch"));
    let length = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
    let frame = &body[4..4 + length];
    assert_eq!(frame[..7], *b"\n\x05ADDED");
    let start = frame.windows(4).position(|window| window == protobuf::MAGIC).unwrap();
    assert_eq!(protobuf::decode(&frame[start..]).unwrap().1["metadata"]["name"], "a");
    let (code, _, body) = ask(&server, &path, YAML).await;
    assert_eq!(code, 406);
    let message = "only the following media types are accepted: application/json;stream=watch, \
                   application/vnd.kubernetes.protobuf;stream=watch";
    assert_eq!(yaml(&body)["message"], message);
}

#[tokio::test]
async fn a_custom_kind_has_no_protobuf_but_its_metadata_has() {
    let server = server_with(tabs(spec_of(json!({"a": {"type": "string"}})))).await;
    server.check(&format!("POST {TABS}"), tab("a", json!({"a": "x"})), 201, json!({})).await;
    let path = format!("GET {TABS}/a");
    let both = "application/vnd.kubernetes.protobuf,application/json";
    assert_eq!(ask(&server, &path, both).await.1, "application/json");
    let (code, media, body) = ask(&server, &path, PROTOBUF).await;
    assert_eq!((code, &*media), (406, PROTOBUF));
    let status = protobuf::decode(&body).unwrap().1;
    let message = "only the following media types are accepted: application/json, \
                   application/yaml, application/vnd.kubernetes.protobuf";
    assert_eq!(status["message"], message);
    let metadata = format!("{PROTOBUF};as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    let (code, _, body) = ask(&server, &path, &metadata).await;
    assert_eq!(
        (code, protobuf::decode(&body).unwrap().1["metadata"]["name"].as_str()),
        (200, Some("a"))
    );
}

#[tokio::test]
async fn tables_may_be_of_the_beta_version() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let (_, _, body) = ask(&server, &format!("GET {CONFIG_MAPS}"), BETA_TABLE).await;
    let table: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(table["apiVersion"], "meta.k8s.io/v1beta1");
    let row = table["rows"].as_array().unwrap().last().unwrap();
    assert_eq!(row["object"]["apiVersion"], "meta.k8s.io/v1beta1");
    let watch = format!("GET {CONFIG_MAPS}?watch=1&timeoutSeconds=1");
    let (_, _, body) = ask(&server, &watch, BETA_TABLE).await;
    let line: Value = serde_json::from_slice(body.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!(line["object"]["apiVersion"], "meta.k8s.io/v1beta1");
}

#[tokio::test]
async fn discovery_and_reviews_are_written_as_objects_are() {
    let server = Server::start().await;
    for (path, kind) in [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/apis/apps/v1", "APIResourceList"),
    ] {
        let request = format!("GET {path}");
        let plain = server.check(&request, json!(null), 200, json!({"kind": kind})).await;
        assert_eq!(yaml(&ask(&server, &request, YAML).await.2), plain);
        let (_, media, body) = ask(&server, &request, PROTOBUF).await;
        assert!(media == PROTOBUF && protobuf::is_protobuf(&body), "{path}: {media}");
        assert!(body.windows(kind.len()).any(|window| window == kind.as_bytes()), "{path}");
    }
}

#[tokio::test]
async fn who_reads_none_of_ours_is_refused_in_json() {
    let server = Server::start().await;
    let (code, media, body) = ask(&server, &format!("GET {CONFIG_MAPS}"), "text/html").await;
    assert_eq!((code, &*media), (406, "application/json"));
    assert!(body.starts_with(b"{\n"), "for people");
}

#[tokio::test]
async fn a_path_that_no_group_has_is_no_page() {
    let server = server_with(tabs(spec_of(json!({"a": {"type": "string"}})))).await;
    let check = async |path: &str, code: u16, text: bool| {
        let (found, media, body) = ask(&server, path, "application/json").await;
        assert_eq!(found, code, "{path}");
        assert_eq!(body == b"404 page not found\n", text, "{path}");
        assert_eq!(media.starts_with("text/plain"), text, "{path}");
    };
    check("GET /nothing", 404, true).await;
    check("GET /apis/nothing.example.com/v1", 404, true).await;
    check("GET /apis/nothing.example.com/v1/things", 404, true).await;
    check("GET /apis/example.com/v2", 404, true).await;
    check("GET /apis/example.com/v1/nothings", 404, true).await;
    check("POST /apis/example.com/v1/tabs/x", 404, true).await;
    check("GET /apis/apps/v1/nothings", 404, false).await;
    check("GET /api/v2/pods", 404, false).await;
    check(&format!("GET {TABS}/a/scale"), 404, false).await;
}

#[tokio::test]
async fn who_may_not_ask_is_not_told_what_there_is() {
    let server = Server::start().await;
    let user = super::support::UserInfo::new("u", ["system:authenticated"]);
    let request = "GET /apis/example.com/v1/nothings";
    let answer = server.ask_as(user, request, &[], String::new()).await;
    assert_eq!(answer.code, 403);
    let expected = "nothings.example.com is forbidden: User \"u\" cannot list resource \
                    \"nothings\" in API group \"example.com\" at the cluster scope";
    assert_eq!(answer.body["message"], expected);
}
