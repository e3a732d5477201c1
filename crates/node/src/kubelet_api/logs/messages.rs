//! A log over a WebSocket: its bytes as they come, or in base64.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use crate::kubelet_api::Failure;

/// A client that names none gets the first.
const PROTOCOLS: [&str; 2] = ["binary.k8s.io", "base64.binary.k8s.io"];

pub(super) async fn answer(request: Request<Body>, lines: mpsc::Receiver<Bytes>) -> Response {
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade.protocols(PROTOCOLS).on_upgrade(|socket| send(socket, lines)),
        Err(rejection) => Failure::bad_request(rejection.to_string()).into_response(),
    }
}

/// Until the log ends, or the client goes.
async fn send(socket: WebSocket, mut lines: mpsc::Receiver<Bytes>) {
    let base64 = socket.protocol().is_some_and(|name| name == PROTOCOLS[1]);
    let (mut sink, mut stream) = socket.split();
    let gone = async { while let Some(Ok(_)) = stream.next().await {} };
    let all = async {
        while let Some(line) = lines.recv().await {
            let message = match base64 {
                true => Message::Text(STANDARD.encode(&line).into()),
                false => Message::Binary(line),
            };
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let close = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::default() };
        // A client that has gone need not hear it.
        let _ = sink.send(Message::Close(Some(close))).await;
    };
    tokio::select! {
        () = all => {}
        () = gone => {}
    }
}
