//! Over a WebSocket: a channel before each message's data, as a byte, or as a digit before base64.
//! v5 can close a channel; the first version knows no Status.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use container::{Error, Exec, Size, Terminal};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{
    ERROR, Output, Purpose, RESIZE, STDIN, STDOUT, TerminalSize, feed, plain, success, told,
};

/// What is spoken, best first.
pub(in super::super) const PROTOCOLS: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
];
const CLOSE: u8 = 255;
/// Messages of input that wait for a slow process.
const INPUT_LEN_MAX: usize = 2;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wire {
    base64: bool,
    /// The end is told as a Status.
    status: bool,
}

impl Wire {
    /// A client that names no protocol speaks the first.
    fn of(protocol: Option<&str>) -> Self {
        let protocol = protocol.unwrap_or_default();
        Self { base64: protocol.contains("base64"), status: protocol.starts_with('v') }
    }

    fn message(self, channel: u8, data: &[u8]) -> Message {
        if self.base64 {
            let text = format!("{}{}", char::from(b'0' + channel), STANDARD.encode(data));
            return Message::Text(text.into());
        }
        let mut message = Vec::with_capacity(data.len() + 1);
        message.push(channel);
        message.extend(data);
        Message::Binary(message.into())
    }

    /// What a client sends; `None` when it is nonsense.
    fn parse(self, message: &Bytes) -> Option<Input> {
        let (channel, data) = match self.base64 {
            false => (*message.first()?, message.slice(1..)),
            true => {
                let data = STANDARD.decode(message.get(1..)?).ok()?;
                (message.first()?.checked_sub(b'0')?, data.into())
            }
        };
        match channel {
            STDIN => Some(Input::Data(data)),
            RESIZE => {
                let size: TerminalSize = serde_json::from_slice(&data).ok()?;
                Some(Input::Resize(size.into()))
            }
            CLOSE if data.first() == Some(&STDIN) => Some(Input::Close),
            _ => None,
        }
    }
}

/// What a client sends.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Data(Bytes),
    Resize(Size),
    Close,
}

/// Connects a client with a process until the process ends, the client goes, or its input is over and it leaves with
/// that.
pub(in super::super) async fn run(
    socket: WebSocket,
    purpose: Purpose,
    process: Result<Exec, Error>,
) {
    let wire = Wire::of(socket.protocol().and_then(|name| name.to_str().ok()));
    let (mut sink, stream) = socket.split();
    let mut exec = match process {
        Ok(exec) => exec,
        Err(error) => return finish(&mut sink, wire, &told(purpose, Err(error))).await,
    };
    // It tells the client that it is connected.
    if sink.send(wire.message(STDOUT, &[])).await.is_err() {
        return;
    }
    let mut output = Output::of(&mut exec);
    let (mut writers, mut reader) = (JoinSet::new(), JoinSet::new());
    let stdin = exec.stdin.take().map(|stdin| {
        let (sender, pieces) = mpsc::channel(INPUT_LEN_MAX);
        writers.spawn(feed(pieces, stdin));
        sender
    });
    reader.spawn(listen(stream, wire, stdin, exec.terminal.clone()));
    let ended = loop {
        tokio::select! {
            ended = exec.wait() => break Some(ended),
            Some(piece) = output.next() => if !put(&mut sink, wire, piece).await { return },
            _ = reader.join_next() => return,
            Some(_) = writers.join_next(), if exec.input_stays => break None,
        }
    };
    let Some(ended) = ended else { return finish(&mut sink, wire, &success()).await };
    output.process_ended();
    while let Some(piece) = output.next().await {
        if !put(&mut sink, wire, piece).await {
            return;
        }
    }
    finish(&mut sink, wire, &told(purpose, ended)).await;
}

/// False when the client is gone. That one stream has ended cannot be told.
async fn put(
    sink: &mut SplitSink<WebSocket, Message>,
    wire: Wire,
    (channel, data): (u8, Bytes),
) -> bool {
    data.is_empty() || sink.send(wire.message(channel, &data)).await.is_ok()
}

/// Hands on what a client sends, until it goes.
async fn listen(
    mut stream: SplitStream<WebSocket>,
    wire: Wire,
    mut stdin: Option<mpsc::Sender<Bytes>>,
    terminal: Option<Terminal>,
) {
    loop {
        let message = match stream.next().await {
            Some(Ok(Message::Binary(message))) => message,
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        };
        match wire.parse(&message) {
            Some(Input::Data(data)) => {
                if let Some(sender) = &stdin
                    && sender.send(data).await.is_err()
                {
                    stdin = None;
                }
            }
            Some(Input::Close) => stdin = None,
            Some(Input::Resize(size)) => {
                if let Some(Err(error)) = terminal.as_ref().map(|own| own.resize(size)) {
                    tracing::debug!(%error, "terminal not resized");
                }
            }
            None => {}
        }
    }
}

/// Tells how it went, and closes. A client that is gone need not hear it.
async fn finish(sink: &mut SplitSink<WebSocket, Message>, wire: Wire, status: &Value) {
    let text = if wire.status { Some(status.to_string()) } else { plain(status) };
    if let Some(text) = text
        && sink.send(wire.message(ERROR, text.as_bytes())).await.is_err()
    {
        return;
    }
    // kubectl takes a close without a code for a broken connection.
    let close = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::default() };
    let _ = sink.send(Message::Close(Some(close))).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(protocol: &str, message: &'static [u8], expected: Option<Input>) {
        let wire = Wire::of(Some(protocol));
        assert_eq!(wire.parse(&Bytes::from_static(message)), expected, "{protocol}");
    }

    #[test]
    fn messages_are_read_by_channel() {
        check("v5.channel.k8s.io", b"\x00ls\n", Some(Input::Data("ls\n".into())));
        let size = Size { rows: 40, columns: 120 };
        check("v4.channel.k8s.io", b"\x04{\"Width\":120,\"Height\":40}", Some(Input::Resize(size)));
        check("v5.channel.k8s.io", b"\xff\x00", Some(Input::Close));
        check("base64.channel.k8s.io", b"0bHMK", Some(Input::Data("ls\n".into())));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for message in [&b""[..], b"\x04{}", b"\xff\x01", b"\x09x"] {
            check("v5.channel.k8s.io", message, None);
        }
        check("v4.base64.channel.k8s.io", b"0?", None);
    }

    #[test]
    fn messages_are_written_by_channel() {
        let binary = Wire::of(None);
        assert_eq!((binary.base64, binary.status), (false, false));
        assert_eq!(binary.message(1, b"a"), Message::Binary(Bytes::from_static(b"\x01a")));
        let text = Wire::of(Some("v4.base64.channel.k8s.io"));
        assert!(text.status);
        assert_eq!(text.message(1, b"a"), Message::Text("1YQ==".into()));
    }

    proptest! {
        #[test]
        fn no_message_is_too_strange(
            bytes in prop::collection::vec(any::<u8>(), 0..100), base64 in any::<bool>()
        ) {
            let _ = Wire { base64, status: true }.parse(&bytes.into());
        }
    }
}
