//! A client's session: each of its connections is a pair of streams, one for data and one that says
//! what went wrong.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Sink, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::inside;
use crate::kubelet_api::spdy::{self, Connection, Open};

/// How long the second stream of a pair may take.
const PAIR_TIMEOUT: Duration = Duration::from_secs(30);
/// How often pairs that never became whole are looked for.
const PAIR_CHECK: Duration = Duration::from_secs(5);
/// What is read from the pod at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// A pod to which connections go.
#[derive(Debug)]
pub(super) struct Target {
    /// `name_namespace`, for messages.
    pub(super) pod: String,
    pub(super) uid: String,
    pub(super) netns: PathBuf,
}

/// Serves a client until it goes.
pub(super) async fn run(
    target: Target,
    input: impl Stream<Item = io::Result<Bytes>> + Unpin + Send + 'static,
    output: impl Sink<Bytes, Error = io::Error> + Unpin + Send + 'static,
) {
    let (connection, mut streams) = Connection::new(input, output);
    // All of them end with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection.run());
    let mut session =
        Session { target: Arc::new(target), waiting: HashMap::new(), running: JoinSet::new() };
    let mut check = tokio::time::interval(PAIR_CHECK);
    loop {
        tokio::select! {
            ended = driver.join_next() => {
                if let Some(Ok(Err(error))) = ended {
                    tracing::debug!(%error, pod = session.target.pod, "port-forward ended");
                }
                return;
            }
            Some(open) = streams.recv() => session.take(open).await,
            _ = check.tick() => session.give_up_halves().await,
            Some(_) = session.running.join_next() => {}
        }
    }
}

/// Which of a pair a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Data,
    Error,
}

/// A stream as its headers describe it.
#[derive(Debug, PartialEq, Eq)]
struct Described {
    part: Part,
    port: u16,
    request: String,
}

impl Described {
    fn parse(open: &Open) -> Result<Self, String> {
        let header = |name: &str| open.headers.get(name).filter(|value| !value.is_empty());
        let port = header("port").ok_or("\"port\" header is required")?;
        let number: u16 =
            port.parse().map_err(|error| format!("unable to parse {port:?} as a port: {error}"))?;
        if number == 0 {
            return Err(format!("port {port:?} must be > 0"));
        }
        let part = match header("streamtype") {
            Some("data") => Part::Data,
            Some("error") => Part::Error,
            Some(other) => return Err(format!("invalid stream type {other:?}")),
            None => return Err("\"streamType\" header is required".to_owned()),
        };
        // The oldest clients do not number their requests; they open the error stream just before.
        let request = header("requestid").map_or_else(
            || match part {
                Part::Error => open.id.to_string(),
                Part::Data => open.id.saturating_sub(2).to_string(),
            },
            str::to_owned,
        );
        Ok(Self { part, port: number, request })
    }
}

struct Waiting {
    part: Part,
    stream: spdy::Stream,
    since: Instant,
}

struct Session {
    target: Arc<Target>,
    /// Streams whose other half has not come yet, by request.
    waiting: HashMap<String, Waiting>,
    running: JoinSet<()>,
}

impl Session {
    async fn take(&mut self, open: Open) {
        let described = match Described::parse(&open) {
            Ok(described) => described,
            Err(error) => {
                tracing::debug!(error, "port-forward stream refused");
                // A client that has gone need not hear it.
                let _ = open.stream.writer.refuse().await;
                return;
            }
        };
        let Described { part, port, request } = described;
        if open.stream.writer.accept().await.is_err() {
            return;
        }
        match self.waiting.remove(&request) {
            Some(other) if other.part != part => {
                let (data, error) = match part {
                    Part::Data => (open.stream, other.stream),
                    Part::Error => (other.stream, open.stream),
                };
                let target = self.target.clone();
                self.running.spawn(async move { forward(&target, port, data, error).await });
            }
            Some(other) => {
                // The same half twice.
                let _ = open.stream.writer.reset().await;
                self.waiting.insert(request, other);
            }
            None => {
                let waiting = Waiting { part, stream: open.stream, since: Instant::now() };
                self.waiting.insert(request, waiting);
            }
        }
    }

    async fn give_up_halves(&mut self) {
        let late: Vec<_> =
            self.waiting.extract_if(|_, half| half.since.elapsed() > PAIR_TIMEOUT).collect();
        for (request, half) in late {
            tracing::debug!(request, "a port-forward stream never found its other half");
            let _ = half.stream.writer.reset().await;
        }
    }
}

/// One connection, from its beginning to its end.
async fn forward(target: &Target, port: u16, data: spdy::Stream, error: spdy::Stream) {
    let writer = data.writer.clone();
    if let Err(cause) = carry(target, port, data).await {
        let Target { pod, uid, .. } = target;
        let message = format!("error forwarding port {port} to pod {pod}, uid {uid}: {cause}");
        // A client that has gone need not hear it.
        let _ = error.writer.write(message.into()).await;
    }
    let _ = error.writer.finish().await;
    let _ = writer.finish().await;
}

/// Carries bytes until the pod's side has ended, or the client lets go.
async fn carry(target: &Target, port: u16, data: spdy::Stream) -> io::Result<()> {
    let pod = inside::connect(&target.netns, port).await.map_err(|error| {
        let message =
            format!("failed to connect to localhost:{port} inside the pod's network: {error}");
        io::Error::new(error.kind(), message)
    })?;
    let (read, write) = pod.into_split();
    let spdy::Stream { reader, writer } = data;
    let down = to_client(read, writer);
    tokio::pin!(down);
    tokio::select! {
        ended = &mut down => return ended,
        up = to_pod(reader, write) => match up {
            Up::Ended => {}
            Up::Gone => return Ok(()),
        },
    }
    down.await
}

/// How the client's side of a connection came to its end.
enum Up {
    /// It sends no more, and may still receive.
    Ended,
    Gone,
}

async fn to_pod(mut reader: spdy::Reader, mut write: OwnedWriteHalf) -> Up {
    loop {
        match reader.next().await {
            // What the pod does not take is lost, as on any connection; its answer still counts.
            Ok(Some(data)) => {
                if write.write_all(&data).await.is_err() {
                    return Up::Ended;
                }
            }
            Ok(None) => {
                // A connection that is closed already needs no end.
                let _ = write.shutdown().await;
                return Up::Ended;
            }
            Err(spdy::Gone) => return Up::Gone,
        }
    }
}

async fn to_client(mut read: OwnedReadHalf, writer: spdy::Writer) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK_BYTES);
        if read.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if writer.write(buffer.split().freeze()).await.is_err() {
            return Ok(());
        }
    }
}
