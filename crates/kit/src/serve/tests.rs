use std::net::SocketAddr;

use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

type Body = Empty<bytes::Bytes>;

const BOUND: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    stop: Stop,
    health: Health,
    served: JoinHandle<usize>,
    /// Lets one request to `/slow` end.
    go: Arc<Notify>,
    entered: Arc<Notify>,
}

async fn start(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (go, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (wait, enter) = (go.clone(), entered.clone());
    let slow = move || {
        let (wait, enter) = (wait.clone(), enter.clone());
        async move {
            enter.notify_one();
            wait.notified().await;
            "slow"
        }
    };
    let app = Router::new().route("/", get(async || "quick")).route("/slow", get(slow));
    let (stop, health) = (Stop::default(), Health::default());
    let served = tokio::spawn(serve(listener, app, limits, health.clone(), stop.clone()));
    Running { address, stop, health, served, go, entered }
}

fn limits(drain: Duration) -> Limits {
    Limits { drain, deadline: BOUND, ..Limits::default() }
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).header("host", "x").body(Empty::new()).unwrap()
}

impl Running {
    async fn http1(&self) -> http1::SendRequest<Body> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn http2(&self) -> http2::SendRequest<Body> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Waits until the stop has begun.
    async fn draining(&self) {
        while self.health.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    async fn finished(self) -> usize {
        tokio::time::timeout(BOUND, self.served).await.expect("the server ends").unwrap()
    }
}

#[tokio::test]
async fn http1_and_http2_are_answered_on_one_port() {
    let running = start(limits(Duration::ZERO)).await;
    let response = running.http1().await.send_request(request("/")).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_11));
    let response = running.http2().await.send_request(request("/")).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_2));
    running.stop.ask();
    assert_eq!(running.finished().await, 0);
}

#[tokio::test]
async fn while_draining_old_and_new_connections_are_answered_and_asked_to_close() {
    let running = start(limits(Duration::from_secs(3600))).await;
    let mut open = running.http1().await;
    let response = open.send_request(request("/")).await.unwrap();
    assert!(!response.headers().contains_key("connection"));

    running.stop.ask();
    running.draining().await;
    for mut sender in [open, running.http1().await] {
        let response = sender.send_request(request("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["connection"], "close");
    }
    let response = running.http2().await.send_request(request("/")).await.unwrap();
    assert!(!response.headers().contains_key("connection"));
    running.stop.hurry();
    assert_eq!(running.finished().await, 0);
}

#[tokio::test]
async fn requests_under_way_are_answered_after_the_listener_is_gone() {
    let running = start(limits(Duration::ZERO)).await;
    let (mut one, mut two) = (running.http1().await, running.http2().await);
    let first = tokio::spawn(async move { one.send_request(request("/slow")).await });
    running.entered.notified().await;
    let second = tokio::spawn(async move { two.send_request(request("/slow")).await });
    running.entered.notified().await;
    running.stop.ask();
    while TcpStream::connect(running.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    running.go.notify_one();
    running.go.notify_waiters();
    for answer in [first, second] {
        running.go.notify_one();
        assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(running.finished().await, 0);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_deadline() {
    let limits = Limits { deadline: Duration::from_millis(50), ..limits(Duration::ZERO) };
    let running = start(limits).await;
    let mut sender = running.http1().await;
    let stuck = tokio::spawn(async move { sender.send_request(request("/slow")).await });
    running.entered.notified().await;
    running.stop.ask();
    assert_eq!(running.finished().await, 1);
    assert!(stuck.await.unwrap().is_err());
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_half_a_head_is_closed() {
    let limits = Limits { first_request: Duration::from_millis(50), ..limits(Duration::ZERO) };
    let running = start(limits).await;
    for text in ["", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(BOUND, read).await.expect("the server closes").ok();
        assert!(answer.is_empty());
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let limits = Limits { idle: Duration::from_millis(50), ..limits(Duration::ZERO) };
    let running = start(limits).await;
    let mut one = running.http1().await;
    let mut two = running.http2().await;
    one.send_request(request("/")).await.unwrap();
    two.send_request(request("/")).await.unwrap();
    let closed = async {
        while !one.is_closed() || !two.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(BOUND, closed).await.expect("both are closed");
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_a_free_place() {
    let limits = Limits { connections_max: 1, ..limits(Duration::ZERO) };
    let running = start(limits).await;
    let mut first = running.http1().await;
    first.send_request(request("/")).await.unwrap();
    let mut second = running.http1().await;
    let waiting = second.send_request(request("/"));
    tokio::pin!(waiting);
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    first.send_request(request("/")).await.unwrap();
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(first);
    let answer = tokio::time::timeout(BOUND, waiting).await.expect("a place is free").unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}
