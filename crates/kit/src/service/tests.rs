use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::routing::{get, post};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{Json, Trace};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Shop {
    app: Router,
    log: Writer,
    sink: Sink,
}

impl Shop {
    fn new(format: ErrorFormat) -> Self {
        let sink = Sink::default();
        let log = Writer::new(sink.clone());
        let routes = Router::new()
            .route("/things/{id}", get(async || Json(json!({"ok": true}))))
            .route("/numbers", post(async |Json(numbers): Json<Vec<u64>>| Json(numbers)))
            .route("/panic", get(async || -> Response { panic!("on purpose") }))
            .route("/trace", get(async || Trace::current().unwrap().to_string()))
            .route("/fail", get(async || Error::internal(&std::fmt::Error)));
        let mut service = Service::new("shop").routes(routes).errors(format);
        service.log = Some(log.clone());
        Self { app: service.into_router(), log, sink }
    }

    async fn send(&self, request: Request<Body>) -> (u16, String, String) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let media_type = response.headers().get("content-type");
        let media_type = media_type.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, media_type, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    fn lines(&self) -> Vec<Value> {
        self.log.flush();
        let text = String::from_utf8(self.sink.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn every_request_has_one_line_with_its_route_status_and_trace() {
    let shop = Shop::new(ErrorFormat::Envelope);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = Request::get("/things/7?secret=1").header("traceparent", parent);
    shop.send(request.body(Body::empty()).unwrap()).await;
    shop.get("/healthz").await;
    let lines = shop.lines();
    assert_eq!(lines.len(), 1, "probes are not logged");
    let line = &lines[0];
    assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some("GET"), Some(200)));
    assert_eq!((&line["path"], &line["route"]), (&json!("/things/7"), &json!("/things/{id}")));
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(line["duration_ms"].is_f64());
}

#[tokio::test]
async fn the_handler_runs_in_the_request_s_trace() {
    let shop = Shop::new(ErrorFormat::Envelope);
    let (_, _, trace) = shop.get("/trace").await;
    assert!(trace.contains(shop.lines()[0]["trace_id"].as_str().unwrap()), "{trace}");
}

#[tokio::test]
async fn errors_of_all_origins_have_the_service_s_shape() {
    for (format, media_type, key) in [
        (ErrorFormat::Envelope, "application/json", "message"),
        (ErrorFormat::Problem, "application/problem+json", "detail"),
    ] {
        let shop = Shop::new(format);
        let bad = Request::post("/numbers").header("content-type", "application/json");
        let answers = [
            (shop.get("/nothing").await, 404, "unknown_path"),
            (shop.get("/numbers").await, 405, "method_not_allowed"),
            (shop.send(bad.body(Body::from("[1,")).unwrap()).await, 400, "invalid_json"),
            (shop.get("/fail").await, 500, "internal"),
            (shop.get("/panic").await, 500, "internal"),
        ];
        for ((status, found_type, body), expected_status, code) in answers {
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, body["code"].as_str()), (expected_status, Some(code)));
            assert_eq!(found_type, media_type);
            assert!(body[key].is_string());
        }
        let fail = shop.lines().into_iter().find(|line| line["path"] == "/fail").unwrap();
        assert_eq!(fail["level"], "error");
        assert!(fail["cause"].as_str().unwrap().contains("formatting"), "{fail}");
    }
}

#[tokio::test]
async fn a_panic_in_grpc_is_answered_as_grpc() {
    let shop = Shop::new(ErrorFormat::Envelope);
    let request = Request::get("/panic").header("content-type", "application/grpc");
    let response = shop.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "13");
}

#[tokio::test]
async fn requests_are_counted_and_probes_are_not() {
    let shop = Shop::new(ErrorFormat::Envelope);
    for path in ["/things/1", "/things/2", "/panic", "/healthz", "/readyz"] {
        shop.get(path).await;
    }
    let (status, media_type, text) = shop.get("/metrics").await;
    assert_eq!((status, media_type.as_str()), (200, TEXT.to_str().unwrap()));
    assert!(text.contains("{method=\"GET\",route=\"/things/{id}\",status=\"200\"} 2\n"), "{text}");
    assert!(text.contains("{method=\"GET\",route=\"/panic\",status=\"500\"} 1\n"), "{text}");
    assert!(text.contains("http_requests_in_flight 0\n") && !text.contains("healthz"), "{text}");
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = Service::new("x").listen(address).run().await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen on {address}"));
}
