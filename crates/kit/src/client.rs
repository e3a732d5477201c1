//! Calling other services: JSON over HTTP, in the trace of the request that is being handled.

mod grpc;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client as Pool};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Trace;

pub use grpc::Grpc;

/// From the first byte sent to the last received, of each attempt.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Shorter than servers' own idle timeouts, so that a connection in use is rarely closed by them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// An HTTP/2 connection is checked this often while calls wait on it: a server whose machine died
/// says nothing.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How often a call is made at most.
const ATTEMPTS_MAX: u32 = 4;
/// The wait before the second attempt; it doubles with each further one.
const RETRY_WAIT: Duration = Duration::from_millis(25);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A client with a pool of connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

/// Why a call gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one.
    #[error("`{url}` is not an http URL")]
    Url {
        /// What was given.
        url: String,
    },
    /// The body cannot be written as JSON.
    #[error("write the body for {url}")]
    Encode {
        /// What was called.
        url: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Nobody answers, or the connection broke.
    #[error("call {url}")]
    Unreachable {
        /// What was called.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer took too long.
    #[error("{url} did not answer within {timeout:?}")]
    Timeout {
        /// What was called.
        url: String,
        /// The bound.
        timeout: Duration,
    },
    /// The answer is an error.
    #[error("{url} answered {status}")]
    Status {
        /// What was called.
        url: String,
        /// The answer's status.
        status: StatusCode,
        /// The answer's body.
        body: Bytes,
    },
    /// The answer is not the JSON that was expected.
    #[error("read the answer of {url}")]
    Decode {
        /// What was called.
        url: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// The status of an answer that is an error.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client with an empty pool.
    pub fn new() -> Self {
        Self { pool: pool().build(connector()), timeout: TIMEOUT }
    }

    /// Replaces the time each attempt may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// `GET url`, read as JSON. Repeated when the connection cannot be made or breaks.
    pub async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, ClientError> {
        self.call(Method::GET, url, Bytes::new()).await
    }

    /// `POST url` with a JSON body, read as JSON. Repeated only when the connection cannot be made.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        url: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body)
            .map_err(|source| ClientError::Encode { url: url.to_owned(), source })?;
        self.call(Method::POST, url, body.into()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let bad = || ClientError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(bad());
        }
        let body = self.attempts(&method, &uri, &body).await?;
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Decode { url: url.to_owned(), source })
    }

    async fn attempts(
        &self,
        method: &Method,
        uri: &Uri,
        body: &Bytes,
    ) -> Result<Bytes, ClientError> {
        let mut wait = RETRY_WAIT;
        for _ in 1..ATTEMPTS_MAX {
            match self.attempt(method, uri, body).await {
                Err(Attempt { error, again: true }) => {
                    tracing::debug!(error = crate::log::chain(&error), "calling again");
                }
                other => return other.map_err(|attempt| attempt.error),
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        self.attempt(method, uri, body).await.map_err(|attempt| attempt.error)
    }

    async fn attempt(&self, method: &Method, uri: &Uri, body: &Bytes) -> Result<Bytes, Attempt> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        fill(request.headers_mut(), !body.is_empty());
        match tokio::time::timeout(self.timeout, self.exchange(request, uri)).await {
            Ok(result) => result,
            Err(_) => {
                let error = ClientError::Timeout { url: uri.to_string(), timeout: self.timeout };
                Err(Attempt { error, again: false })
            }
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, uri: &Uri) -> Result<Bytes, Attempt> {
        let safe = request.method() == Method::GET;
        let url = || uri.to_string();
        let response = self.pool.request(request).await.map_err(|source| Attempt {
            again: safe || source.is_connect(),
            error: ClientError::Unreachable { url: url(), source: source.into() },
        })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|source| Attempt {
            again: safe,
            error: ClientError::Unreachable { url: url(), source },
        })?;
        let body = body.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(Attempt { error: ClientError::Status { url: url(), status, body }, again: false })
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    connector
}

fn pool() -> Builder {
    let mut builder = Pool::builder(TokioExecutor::new());
    builder
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(CONNECT_TIMEOUT);
    builder
}

/// A failed attempt, and whether another one is safe and may help.
struct Attempt {
    error: ClientError,
    again: bool,
}

fn fill(headers: &mut HeaderMap, has_body: bool) {
    headers.insert(ACCEPT, JSON);
    if has_body {
        headers.insert(CONTENT_TYPE, JSON);
    }
    Trace::inject(headers);
}

#[cfg(all(test, feature = "service"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::{get, post};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(routes: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        url
    }

    #[tokio::test]
    async fn calls_carry_the_current_trace() {
        let seen = async |headers: HeaderMap| {
            axum::Json(json!({"trace": headers["traceparent"].to_str().unwrap()}))
        };
        let url = serve(Router::new().route("/", get(seen))).await;
        let trace = Trace::new();
        let answer = trace.scope(async { Client::new().get::<Value>(&url).await }).await.unwrap();
        assert_eq!(answer["trace"], trace.to_string());
    }

    #[tokio::test]
    async fn bodies_go_and_come_as_json_and_errors_keep_theirs() {
        let echo = async |axum::Json(body): axum::Json<Value>| axum::Json(body);
        let fail = async || (StatusCode::NOT_FOUND, "no such thing");
        let routes = Router::new().route("/echo", post(echo)).route("/fail", get(fail));
        let url = serve(routes).await;
        let client = Client::new();
        let body = json!({"a": [1, 2]});
        let echoed: Value = client.post(&format!("{url}/echo"), &body).await.unwrap();
        assert_eq!(echoed, body);
        let error = client.get::<Value>(&format!("{url}/fail")).await.unwrap_err();
        assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
        assert_eq!(error.to_string(), format!("{url}/fail answered 404 Not Found"));
    }

    #[tokio::test]
    async fn a_get_survives_connections_that_break() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let broken = Arc::new(AtomicUsize::new(0));
        let count = broken.clone();
        tokio::spawn(async move {
            for _ in 0..2 {
                drop(listener.accept().await.unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
            let app = Router::new().route("/", get(async || axum::Json(1)));
            axum::serve(listener, app).await.unwrap();
        });
        assert_eq!(Client::new().get::<u32>(&url).await.unwrap(), 1);
        assert_eq!(broken.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_does_not_answer_is_an_error_that_names_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = format!("http://{}/", listener.local_addr().unwrap());
        let client = Client::new().with_timeout(Duration::from_millis(50));
        let error = client.get::<Value>(&silent).await.unwrap_err().to_string();
        assert_eq!(error, format!("{silent} did not answer within 50ms"));
        drop(listener);
        let error = client.get::<Value>(&silent).await.unwrap_err();
        assert!(crate::log::chain(&error).contains("refused"), "{error}");
        let error = client.get::<Value>("products/1").await.unwrap_err().to_string();
        assert_eq!(error, "`products/1` is not an http URL");
    }
}
