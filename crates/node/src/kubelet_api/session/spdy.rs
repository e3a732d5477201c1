//! Over SPDY/3.1: a stream for each of the process's ends, one for terminal sizes, and one that
//! tells how it ended.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use container::{Error, Exec, Terminal};
use futures::{Sink, Stream as Bytestream};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{
    ERROR, Ends, Output, Purpose, RESIZE, STDERR, STDIN, STDOUT, TerminalSize, feed, plain,
    success, told,
};
use crate::kubelet_api::spdy::{Connection, Open, Reader, Stream, Writer};

/// What is spoken, best first.
pub(in super::super) const PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
/// How long a client may take to open its streams.
const STREAMS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to let go of a connection that is over.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pieces of input that wait for a slow process.
const INPUT_LEN_MAX: usize = 2;
/// The longest message about a terminal's size.
const SIZE_BYTES_MAX: usize = 4096;

/// The streams of one session, by what they are for.
type Streams = HashMap<u8, Stream>;

/// Connects a client with a process until the process ends, the client goes, or its input is over and it leaves with
/// that.
pub(in super::super) async fn run(
    input: impl Bytestream<Item = std::io::Result<Bytes>> + Unpin + Send + 'static,
    output: impl Sink<Bytes, Error = std::io::Error> + Unpin + Send + 'static,
    protocol: Option<&'static str>,
    ends: Ends,
    purpose: Purpose,
    process: impl Future<Output = Result<Exec, Error>>,
) {
    let (connection, mut opened) = Connection::new(input, output);
    // All of them end with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection.run());
    let session = async {
        let wanted = wanted(ends, protocol);
        let Ok(Some(streams)) = timeout(STREAMS_TIMEOUT, gather(&mut opened, &wanted)).await else {
            tracing::debug!("a client did not open its streams");
            return;
        };
        let refuse = async {
            while let Some(open) = opened.recv().await {
                // A client that has gone need not hear it.
                let _ = open.stream.writer.refuse().await;
            }
        };
        let serve = serve(streams, protocol, purpose, process);
        tokio::select! {
            () = serve => {}
            () = async { refuse.await; std::future::pending().await } => {}
        }
    };
    tokio::select! {
        () = session => {}
        _ = driver.join_next() => return,
    }
    // It closes when it has read all.
    let _ = timeout(CLOSE_TIMEOUT, driver.join_next()).await;
}

fn wanted(ends: Ends, protocol: Option<&str>) -> Vec<u8> {
    let sizes = matches!(protocol, Some("v4.channel.k8s.io" | "v3.channel.k8s.io"));
    let all = [
        (ERROR, true),
        (STDIN, ends.stdin),
        (STDOUT, ends.stdout),
        (STDERR, ends.stderr && !ends.tty),
        (RESIZE, ends.tty && sizes),
    ];
    all.into_iter().filter_map(|(channel, wanted)| wanted.then_some(channel)).collect()
}

/// Takes the streams that are wanted, as the client opens them; `None` when it goes before.
async fn gather(opened: &mut mpsc::Receiver<Open>, wanted: &[u8]) -> Option<Streams> {
    let mut streams = Streams::new();
    while streams.len() < wanted.len() {
        let Open { headers, stream, .. } = opened.recv().await?;
        let channel = match headers.get("streamtype") {
            Some("error") => ERROR,
            Some("stdin") => STDIN,
            Some("stdout") => STDOUT,
            Some("stderr") => STDERR,
            Some("resize") => RESIZE,
            _ => u8::MAX,
        };
        if wanted.contains(&channel) && !streams.contains_key(&channel) {
            stream.writer.accept().await.ok()?;
            streams.insert(channel, stream);
        } else {
            stream.writer.refuse().await.ok()?;
        }
    }
    Some(streams)
}

async fn serve(
    mut streams: Streams,
    protocol: Option<&str>,
    purpose: Purpose,
    process: impl Future<Output = Result<Exec, Error>>,
) {
    // The client's own streams are not ended before the process is.
    let of_client = [STDIN, RESIZE].map(|channel| streams.get(&channel));
    let of_client: Vec<Writer> =
        of_client.into_iter().flatten().map(|stream| stream.writer.clone()).collect();
    let status = match process.await {
        Ok(exec) => connect(&mut streams, purpose, exec).await,
        Err(error) => Some(told(purpose, Err(error))),
    };
    let Some(status) = status else { return };
    let error = streams.remove(&ERROR).map(|stream| stream.writer);
    let rest = streams.into_iter().filter(|(channel, _)| matches!(*channel, STDOUT | STDERR));
    let rest = rest.map(|(_, stream)| stream.writer);
    for writer in rest.chain(of_client) {
        // A client that has gone need not hear it, here and below.
        let _ = writer.finish().await;
    }
    if let Some(error) = error {
        tell(&error, protocol, &status).await;
    }
}

async fn tell(error: &Writer, protocol: Option<&str>, status: &Value) {
    let text = match protocol {
        Some("v4.channel.k8s.io") => Some(status.to_string()),
        _ => plain(status),
    };
    if let Some(text) = text {
        let _ = error.write(text.into()).await;
    }
    let _ = error.finish().await;
}

/// Until the process has ended and all that it wrote is sent, or the client leaves; how that went. `None` when the
/// client has gone.
async fn connect(streams: &mut Streams, purpose: Purpose, mut exec: Exec) -> Option<Value> {
    let mut output = Output::of(&mut exec);
    let (mut writers, mut inputs) = (JoinSet::new(), JoinSet::new());
    if let (Some(stream), Some(stdin)) = (streams.remove(&STDIN), exec.stdin.take()) {
        let (sender, pieces) = mpsc::channel(INPUT_LEN_MAX);
        writers.spawn(feed(pieces, stdin));
        inputs.spawn(hand_on(stream.reader, sender));
    }
    if let (Some(stream), Some(terminal)) = (streams.remove(&RESIZE), exec.terminal.clone()) {
        inputs.spawn(follow_size(stream.reader, terminal));
    }
    let ended = loop {
        tokio::select! {
            ended = exec.wait() => break ended,
            Some(piece) = output.next() => put(streams, piece).await?,
            Some(_) = writers.join_next(), if exec.input_stays => return Some(success()),
        }
    };
    output.process_ended();
    while let Some(piece) = output.next().await {
        put(streams, piece).await?;
    }
    Some(told(purpose, ended))
}

/// `None` when the client has gone.
async fn put(streams: &mut Streams, (channel, data): (u8, Bytes)) -> Option<()> {
    if data.is_empty() {
        if let Some(stream) = streams.remove(&channel) {
            stream.writer.finish().await.ok()?;
        }
        return Some(());
    }
    match streams.get(&channel) {
        Some(stream) => stream.writer.write(data).await.ok(),
        None => Some(()),
    }
}

async fn hand_on(mut reader: Reader, pieces: mpsc::Sender<Bytes>) {
    while let Ok(Some(data)) = reader.next().await {
        if pieces.send(data).await.is_err() {
            return;
        }
    }
}

/// Sizes come as JSON documents one after the other.
async fn follow_size(mut reader: Reader, terminal: Terminal) {
    let mut text = BytesMut::new();
    while let Ok(Some(data)) = reader.next().await {
        text.extend(data);
        for size in take_sizes(&mut text) {
            if let Err(error) = terminal.resize(size.into()) {
                tracing::debug!(%error, "terminal not resized");
            }
        }
        if text.len() > SIZE_BYTES_MAX {
            return;
        }
    }
}

/// The whole sizes at the beginning of the text, which are taken off it.
fn take_sizes(text: &mut BytesMut) -> Vec<TerminalSize> {
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<TerminalSize>();
    let (mut sizes, mut taken) = (Vec::new(), 0);
    while let Some(Ok(size)) = documents.next() {
        sizes.push(size);
        taken = documents.byte_offset();
    }
    let _ = text.split_to(taken);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_taken_when_they_are_whole() {
        let mut text = BytesMut::from("{\"Width\":80,\"Height\":24}\n{\"Width\":1,\"Hei");
        let sizes = take_sizes(&mut text);
        assert_eq!(
            sizes.iter().map(|size| (size.width, size.height)).collect::<Vec<_>>(),
            [(80, 24)]
        );
        text.extend_from_slice(b"ght\":2}");
        assert_eq!(take_sizes(&mut text).len(), 1);
        assert!(take_sizes(&mut text).is_empty());
        let mut text = BytesMut::from("nonsense");
        assert!(take_sizes(&mut text).is_empty());
    }

    #[test]
    fn a_client_opens_what_it_wants() {
        let all = Ends { stdin: true, stdout: true, stderr: true, tty: false };
        assert_eq!(wanted(all, Some("v4.channel.k8s.io")), [ERROR, STDIN, STDOUT, STDERR]);
        let terminal = Ends { tty: true, ..all };
        assert_eq!(wanted(terminal, Some("v4.channel.k8s.io")), [ERROR, STDIN, STDOUT, RESIZE]);
        assert_eq!(wanted(terminal, None), [ERROR, STDIN, STDOUT]);
        assert_eq!(wanted(Ends::default(), None), [ERROR]);
    }
}
