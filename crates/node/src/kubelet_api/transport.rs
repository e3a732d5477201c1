//! What frames travel over, as a stream and a sink of bytes.

use std::io;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_util::codec::{BytesCodec, FramedRead, FramedWrite};

/// The messages of a WebSocket, joined.
pub(super) fn of_socket(
    socket: WebSocket,
) -> (
    impl Sink<Bytes, Error = io::Error> + Unpin + Send,
    impl Stream<Item = io::Result<Bytes>> + Unpin + Send,
) {
    let (sink, stream) = socket.split();
    let output = sink
        .with(async |bytes: Bytes| Ok::<_, axum::Error>(Message::Binary(bytes)))
        .sink_map_err(io::Error::other);
    let input = stream.filter_map(async |message| match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Message::Text(text)) => Some(Ok(text.into())),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
        Err(error) => Some(Err(io::Error::other(error))),
    });
    (Box::pin(output), Box::pin(input))
}

/// The connection itself.
pub(super) fn of_connection(
    upgraded: Upgraded,
) -> (
    impl Sink<Bytes, Error = io::Error> + Unpin + Send,
    impl Stream<Item = io::Result<Bytes>> + Unpin + Send,
) {
    let (read, write) = tokio::io::split(TokioIo::new(upgraded));
    let input = FramedRead::new(read, BytesCodec::new());
    (FramedWrite::new(write, BytesCodec::new()), input.map(|bytes| Ok(bytes?.freeze())))
}
