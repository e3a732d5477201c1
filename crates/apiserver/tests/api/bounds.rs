//! Requests that are too much, over real connections: each gets its answer soon, and the server
//! goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{CONFIG_MAPS, Server};
use super::tls::{Listening, read_head};

/// Longer than this is a stall.
const SOON: Duration = Duration::from_secs(20);
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
const JSON: &str = "content-type: application/json";

/// Sends `METHOD path` with these header lines and this body as an administrator; the code and
/// the reply.
async fn send(listening: &Listening, request: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let exchange = async {
        let stream = listening.connect(true).await;
        let (mut read, mut write) = tokio::io::split(stream);
        let length = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n\r\n"
        );
        let all = [head.as_bytes(), body].concat();
        // The server may answer, and close, before it has read all.
        let sending = tokio::spawn(async move {
            let sent = write.write_all(&all).await;
            (sent, write)
        });
        let mut reply = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut chunk).await {
            reply.extend_from_slice(&chunk[..count]);
        }
        drop(sending);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let reply = tokio::time::timeout(SOON, exchange).await;
    let reply = reply.unwrap_or_else(|_| panic!("{request} stalled"));
    let code = reply.get(9..12).and_then(|code| code.parse().ok());
    let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        code.unwrap_or_else(|| panic!("no answer: {reply:?}")),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

/// It is refused with this code and, where one is given, this text; then the server still answers.
async fn check(
    listening: &Listening,
    request: &str,
    headers: &str,
    body: &[u8],
    code: u16,
    text: &str,
) {
    let (got, reply) = send(listening, request, headers, body).await;
    assert_eq!(got, code, "{request} {headers}: {reply}");
    let message = reply["message"].as_str().unwrap_or("");
    assert!(message.contains(text), "{request} {headers}: {message}");
    let (ready, _) = send(listening, "GET /readyz", "", b"").await;
    assert_eq!(ready, 200, "after {request}");
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test]
async fn bodies_that_are_too_large_are_413() {
    let listening = Listening::start().await;
    let post = format!("POST {CONFIG_MAPS}");
    let text = "Request entity too large: limit is 3145728";
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    check(&listening, &post, JSON, &large, 413, text).await;
    // Its sender gets the answer after all of it.
    check(&listening, &post, JSON, &vec![b' '; 4 * BODY_BYTES_MAX], 413, text).await;
    // One that does not say how large it is, is found out.
    let mut chunked = format!("{:x}\r\n", large.len()).into_bytes();
    chunked.extend_from_slice(&large);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let server = &listening.server;
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(large.clone())]);
    let body = axum::body::Body::from_stream(stream);
    let headers = [("content-type", "application/json")];
    let answer = server.ask_as(super::support::admin(), &post, &headers, body).await;
    assert_eq!((answer.code, answer.body["message"].as_str()), (413, Some(text)));
    listening.stop().await;
}

#[tokio::test]
async fn bodies_that_are_too_deep_are_400() {
    let listening = Listening::start().await;
    let post = format!("POST {CONFIG_MAPS}");
    let yaml = "content-type: application/yaml";
    for depth in [1_000, 100_000] {
        let lists = nested("[", "]", depth);
        let objects = nested("{\"a\":", "}", depth);
        for deep in [&lists, &objects] {
            let field = format!("{{\"metadata\":{{\"name\":\"a\"}},\"data\":{deep}}}");
            check(&listening, &post, JSON, field.as_bytes(), 400, "").await;
            check(&listening, &post, yaml, deep.as_bytes(), 400, "").await;
            check(&listening, &post, yaml, field.as_bytes(), 400, "").await;
        }
        check(&listening, &post, JSON, lists.as_bytes(), 400, "").await;
        // Of a field that is not known nothing is read.
        check(&listening, &post, JSON, objects.as_bytes(), 422, "name").await;
        let blocks: String =
            (0..depth.min(1_700)).map(|at| format!("{}a:\n", " ".repeat(at))).collect();
        check(&listening, &post, yaml, blocks.as_bytes(), 400, "").await;
    }
    listening.stop().await;
}

#[tokio::test]
async fn yaml_that_grows_without_end_is_400() {
    let listening = Listening::start().await;
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let ten = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{ten}]\n"));
    }
    let yaml = "content-type: application/yaml";
    let post = format!("POST {CONFIG_MAPS}");
    check(&listening, &post, yaml, bomb.as_bytes(), 400, "").await;
    let apply = format!("PATCH {CONFIG_MAPS}/a?fieldManager=m");
    let patch = "content-type: application/apply-patch+yaml";
    check(&listening, &apply, patch, bomb.as_bytes(), 400, "").await;
    listening.stop().await;
}

#[tokio::test]
async fn protobuf_that_nests_without_end_is_400() {
    let listening = Listening::start().await;
    let field = |number: u32, bytes: &[u8]| {
        let mut out = Vec::new();
        let mut varint = |mut value: u64| {
            while value >= 0x80 {
                out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
                value >>= 7;
            }
            out.push(u8::try_from(value).unwrap());
        };
        varint(u64::from(number << 3 | 2));
        varint(bytes.len() as u64);
        out.extend_from_slice(bytes);
        out
    };
    // `not` within `not`, below a definition's version's schema.
    let schema = (0..10_000).fold(Vec::new(), |inner, _| field(28, &inner));
    let version = field(4, &field(1, &schema));
    let object = field(2, &field(7, &version));
    let kind = [field(1, b"apiextensions.k8s.io/v1"), field(2, b"CustomResourceDefinition")];
    let unknown = [field(1, &kind.concat()), field(2, &object)].concat();
    let body = [b"k8s\0".as_slice(), &unknown].concat();
    let post = "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let protobuf = "content-type: application/vnd.kubernetes.protobuf";
    check(&listening, post, protobuf, &body, 400, "recursion depth").await;
    let flood = field(2, &field(1, b"")).repeat(700_000);
    let unknown = [field(1, &kind.concat()), field(2, &flood)].concat();
    let body = [b"k8s\0".as_slice(), &unknown].concat();
    check(&listening, post, protobuf, &body, 400, "").await;
    listening.stop().await;
}

#[tokio::test]
async fn patches_of_very_many_operations_are_413() {
    let listening = Listening::start().await;
    listening.server.config_map("a", json!({})).await;
    let one = r#"{"op":"test","path":""}"#;
    let many = format!("[{}]", vec![one; 100_000].join(","));
    let patch = format!("PATCH {CONFIG_MAPS}/a");
    let json_patch = "content-type: application/json-patch+json";
    let text = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, \
                got 100000";
    check(&listening, &patch, json_patch, many.as_bytes(), 413, text).await;
    for kind in ["merge", "strategic-merge"] {
        let media = format!("content-type: application/{kind}-patch+json");
        let deep = format!("{{\"data\":{}}}", nested("{\"a\":", "}", 100_000));
        check(&listening, &patch, &media, deep.as_bytes(), 400, "").await;
    }
    listening.stop().await;
}

#[tokio::test]
async fn paths_selectors_and_headers_without_end_are_refused() {
    let listening = Listening::start().await;
    let get = |query: &str| format!("GET {CONFIG_MAPS}?labelSelector={query}");
    check(&listening, &get(&"a,".repeat(100_000)), "", b"", 414, "").await;
    // As many as fit are answered, one way or the other.
    let (code, _) = send(&listening, &get(&vec!["a"; 30_000].join(",")), "", b"").await;
    assert!(matches!(code, 200 | 400), "{code}");
    let (code, _) = send(&listening, &get(&"(".repeat(60_000)), "", b"").await;
    assert_eq!(code, 400);
    let many: Vec<String> = (0..2_000).map(|at| format!("x-{at}: y")).collect();
    check(&listening, "GET /version", &many.join("\r\n"), b"", 431, "").await;
    let long = format!("x: {}", "y".repeat(2 << 20));
    check(&listening, "GET /version", &long, b"", 431, "").await;
    listening.stop().await;
}

/// A watcher that does not read holds nothing but what its connection has taken: when history
/// has passed it by, it is told, and its stream ends.
#[tokio::test]
async fn a_watcher_that_cannot_keep_up_is_ended_with_410() {
    const BIG: usize = 900_000;
    let listening = Listening::start().await;
    let server = &listening.server;
    server.config_map("big", json!({})).await;
    let mut stream = listening.connect(true).await;
    let watch =
        format!("GET {CONFIG_MAPS}?watch=true HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(watch.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let start = server.store.compacted();
    let mut writes = 0;
    // Enough that its next change is no longer kept.
    while writes < 20 || server.store.compacted() <= start || writes < 60 {
        write_big(server, BIG, writes).await;
        writes += 1;
        assert!(writes < 200, "history has no end");
    }
    let mut rest = Vec::new();
    let all = tokio::time::timeout(SOON, stream.read_to_end(&mut rest));
    all.await.expect("the stream ends").unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.contains("\"type\":\"ERROR\"") && text.contains("\"code\":410"), "no 410");
    assert!(rest.len() < writes * BIG, "it was not sent all of it");
    listening.stop().await;
}

async fn write_big(server: &Server, size: usize, round: usize) {
    let data = format!("{round}-{}", "x".repeat(size));
    let patch = json!({"data": {"k": data}});
    server.check(&format!("PATCH {CONFIG_MAPS}/big"), patch, 200, json!({})).await;
}
