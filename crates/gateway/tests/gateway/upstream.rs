//! A server behind the gateway, which does what the path says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{copy, split};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

pub struct Upstream {
    pub address: SocketAddr,
    pub requests: Arc<AtomicUsize>,
    pub connections: Arc<AtomicUsize>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Upstream {
    pub async fn start(name: &'static str) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (tasks, stopping) = (upstream.tasks.clone(), upstream.stopping.clone());
        let (requests, connections) = (upstream.requests.clone(), upstream.connections.clone());
        upstream.tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stopping.run_until_cancelled(listener.accept()).await
            {
                connections.fetch_add(1, Ordering::Relaxed);
                let (stopping, requests) = (stopping.clone(), requests.clone());
                tasks.spawn(async move {
                    let service = service_fn(|request| {
                        requests.fetch_add(1, Ordering::Relaxed);
                        answer(name, request)
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let stream = TokioIo::new(stream);
                    let connection = builder.serve_connection_with_upgrades(stream, service);
                    tokio::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
        });
        upstream
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Finishes what has begun, as a good server does when it is told to end.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        super::soon(self.tasks.wait()).await;
    }
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())
}

async fn answer(
    name: &'static str,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let response = match request.uri().path() {
        "/head" => text(head(&request)),
        "/echo" => Response::new(request.into_body().boxed_unsync()),
        "/grpc" => grpc(request.into_body()),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            text(name)
        }
        "/never" => std::future::pending().await,
        "/private" => {
            let mut response = text(name);
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("x-private"));
            headers.insert("x-private", HeaderValue::from_static("1"));
            headers.insert("x-public", HeaderValue::from_static("1"));
            response
        }
        "/upgrade" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let (mut reader, mut writer) = split(TokioIo::new(upgraded.await.unwrap()));
                let _ = copy(&mut reader, &mut writer).await;
            });
            let mut response = text("");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, request.headers()[header::UPGRADE].clone());
            response
        }
        _ => {
            let _ = request.into_body().collect().await;
            text(name)
        }
    };
    Ok(response)
}

/// What arrived: the request line, the authority, and the headers, sorted.
fn head(request: &Request<Incoming>) -> String {
    let mut lines: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let path = request.uri().path_and_query().unwrap();
    let authority = request.uri().authority().map_or("-", |authority| authority.as_str());
    format!("{} {path} {authority} {:?}\n", request.method(), request.version()) + &lines.concat()
}

/// The body as it came, then trailers.
fn grpc(body: Incoming) -> Response<Body> {
    let trailers =
        HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let frames = then_trailers(body, trailers);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn then_trailers(
    body: Incoming,
    trailers: HeaderMap,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, hyper::Error>> {
    futures::stream::unfold((body, Some(trailers)), |(mut body, trailers)| async move {
        match body.frame().await {
            Some(frame) => Some((frame, (body, trailers))),
            None => {
                let trailers = trailers?;
                Some((Ok(Frame::trailers(trailers)), (body, None)))
            }
        }
    })
}
