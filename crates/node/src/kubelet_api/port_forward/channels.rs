//! The WebSocket protocol that came before the tunnel: one connection for each port that the
//! request names, all at once. Each port has two channels, for data and for what went wrong; both
//! begin with the port's number.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::inside;
use super::session::Target;

/// What is spoken, best first.
pub(super) const PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
/// Ports of one request: their channels are numbered by a byte.
pub(super) const PORTS_MAX: usize = 64;
/// What is read from the pod at a time.
const CHUNK_BYTES: usize = 32 * 1024;
/// Messages that wait for a slow client.
const OUTPUT_LEN_MAX: usize = 16;
/// Messages that wait for a slow connection.
const INPUT_LEN_MAX: usize = 2;

/// The ports of a request; the text says what is wrong with it.
pub(super) fn ports(query: &[(String, String)]) -> Result<Vec<u16>, String> {
    let named = query.iter().filter(|(key, _)| matches!(key.as_str(), "ports" | "port"));
    let words = named.flat_map(|(_, value)| value.split(',')).filter(|word| !word.is_empty());
    let parse = |word: &str| match word.parse::<u16>() {
        Ok(0) => Err("port must not be 0".to_owned()),
        Ok(port) => Ok(port),
        Err(error) => Err(format!("unable to parse {word:?} as a port: {error}")),
    };
    let ports: Vec<u16> = words.map(parse).collect::<Result<_, _>>()?;
    match ports.len() {
        0 => Err("query parameter \"port\" is required".to_owned()),
        1..=PORTS_MAX => Ok(ports),
        _ => Err(format!("at most {PORTS_MAX} ports can be forwarded at once")),
    }
}

/// Serves a client until it goes, or all connections have ended.
pub(super) async fn run(target: Target, ports: Vec<u16>, socket: WebSocket) {
    let base64 = socket.protocol().is_some_and(|name| name == PROTOCOLS[1]);
    let (mut sink, mut stream) = socket.split();
    let target = Arc::new(target);
    let (output, mut queue) = mpsc::channel::<(u8, Bytes)>(OUTPUT_LEN_MAX);
    let (mut inputs, mut running, mut reader) = (Vec::new(), JoinSet::new(), JoinSet::new());
    for (index, port) in ports.into_iter().enumerate() {
        let (sender, input) = mpsc::channel::<Bytes>(INPUT_LEN_MAX);
        inputs.push(sender);
        let data = u8::try_from(2 * index).expect("there are no more ports than that");
        running.spawn(forward(target.clone(), port, data, input, output.clone()));
    }
    drop(output);
    reader.spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let Some((channel, data)) = parse(message, base64) else { continue };
            let Some(input) = inputs.get(usize::from(channel / 2)) else { continue };
            // What a connection that has ended does not take is lost.
            if channel.is_multiple_of(2) {
                let _ = input.send(data).await;
            }
        }
    });
    loop {
        tokio::select! {
            next = queue.recv() => {
                let Some((channel, data)) = next else { break };
                if sink.send(message(channel, &data, base64)).await.is_err() {
                    return;
                }
            }
            _ = reader.join_next() => return,
        }
    }
    let close = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::default() };
    // A client that has gone need not hear it.
    let _ = sink.send(Message::Close(Some(close))).await;
}

fn message(channel: u8, data: &[u8], base64: bool) -> Message {
    if base64 {
        let mut text = char::from(b'0'.wrapping_add(channel)).to_string();
        text.push_str(&STANDARD.encode(data));
        return Message::Text(text.into());
    }
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(channel);
    bytes.extend(data);
    Message::Binary(bytes.into())
}

fn parse(message: Message, base64: bool) -> Option<(u8, Bytes)> {
    let bytes: Bytes = match message {
        Message::Binary(bytes) => bytes,
        Message::Text(text) => text.into(),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return None,
    };
    let channel = *bytes.first()?;
    match base64 {
        false => Some((channel, bytes.slice(1..))),
        true => Some((channel.checked_sub(b'0')?, STANDARD.decode(&bytes[1..]).ok()?.into())),
    }
}

/// One connection, from its beginning to its end.
async fn forward(
    target: Arc<Target>,
    port: u16,
    data: u8,
    input: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<(u8, Bytes)>,
) {
    let number = Bytes::copy_from_slice(&port.to_le_bytes());
    for channel in [data, data + 1] {
        if output.send((channel, number.clone())).await.is_err() {
            return;
        }
    }
    let ended = match inside::connect(&target.netns, port).await {
        Ok(pod) => {
            let (read, write) = pod.into_split();
            let mut writer = JoinSet::new();
            writer.spawn(to_pod(input, write));
            to_client(data, read, &output).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        let message = format!(
            "error forwarding port {port} to pod {}, uid {}: {error}",
            target.pod, target.uid
        );
        // A client that has gone need not hear it.
        let _ = output.send((data + 1, message.into())).await;
    }
}

async fn to_pod(mut input: mpsc::Receiver<Bytes>, mut write: OwnedWriteHalf) {
    while let Some(data) = input.recv().await {
        if write.write_all(&data).await.is_err() {
            return;
        }
    }
}

async fn to_client(
    channel: u8,
    mut read: OwnedReadHalf,
    output: &mpsc::Sender<(u8, Bytes)>,
) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK_BYTES);
        if read.read_buf(&mut buffer).await? == 0
            || output.send((channel, buffer.split().freeze())).await.is_err()
        {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &[(&str, &str)], expected: Result<Vec<u16>, &str>) {
        let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(ports(&query), expected.map_err(str::to_owned));
    }

    #[test]
    fn ports_are_named_in_the_query() {
        check(&[("ports", "80"), ("ports", "443,8080")], Ok(vec![80, 443, 8080]));
        check(&[("other", "1")], Err("query parameter \"port\" is required"));
        check(&[("ports", "0")], Err("port must not be 0"));
        check(
            &[("ports", "x")],
            Err("unable to parse \"x\" as a port: invalid digit found in string"),
        );
        let many = vec!["1"; PORTS_MAX + 1].join(",");
        check(&[("ports", &many)], Err("at most 64 ports can be forwarded at once"));
    }

    #[test]
    fn messages_carry_their_channel() {
        for base64 in [false, true] {
            let sent = message(3, b"abc", base64);
            assert_eq!(parse(sent, base64), Some((3, Bytes::from_static(b"abc"))));
        }
        assert_eq!(parse(Message::Text("0?".into()), true), None);
        assert_eq!(parse(Message::Binary(Bytes::new()), false), None);
    }
}
