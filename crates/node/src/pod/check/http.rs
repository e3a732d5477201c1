//! A GET, judged by its status.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Scheme, USER_AGENT, connect, drive};

/// What of an answer's body is shown when it is a failure.
const BODY_CHARS_MAX: usize = 200;

pub(super) async fn get(
    scheme: Scheme,
    target: SocketAddr,
    path: &str,
    headers: &[(String, String)],
) -> Result<(), String> {
    let failed = |what: String| format!("Get \"{scheme}://{target}{path}\": {what}");
    let stream = connect(target).await.map_err(failed)?;
    let request = request(target, path, headers).map_err(|e| failed(e.to_string()))?;
    match scheme {
        Scheme::Http => exchange(stream, request, failed).await,
        Scheme::Https => {
            let secured = kit::tls::connect_to_anybody(stream).await;
            exchange(secured.map_err(|e| failed(e.to_string()))?, request, failed).await
        }
    }
}

fn request(
    target: SocketAddr,
    path: &str,
    headers: &[(String, String)],
) -> http::Result<Request<Full<Bytes>>> {
    let mut request = Request::get(path)
        .header(http::header::HOST, target.to_string())
        .header(http::header::USER_AGENT, USER_AGENT)
        .header(http::header::ACCEPT, "*/*")
        .header(http::header::CONNECTION, "close")
        .body(Full::<Bytes>::default())?;
    for (name, value) in headers {
        let (name, value) = (HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    failed: impl Fn(String) -> String,
) -> Result<(), String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|e| failed(e.to_string()))?;
        let status = response.status();
        if (200..400).contains(&status.as_u16()) {
            return Ok(());
        }
        let body = first_of(response.into_body()).await;
        Err(format!("HTTP probe failed with statuscode: {}{body}", status.as_u16()))
    };
    drive(connection, answer).await
}

/// The start of a body, for a message.
async fn first_of(mut body: hyper::body::Incoming) -> String {
    let Some(Ok(frame)) = body.frame().await else { return String::new() };
    let text = frame.data_ref().map(|data| String::from_utf8_lossy(data).into_owned());
    let text: String = text.unwrap_or_default().trim().chars().take(BODY_CHARS_MAX).collect();
    if text.is_empty() { text } else { format!(" ({text})") }
}
