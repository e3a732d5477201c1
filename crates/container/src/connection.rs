//! A client's connection to a shim.

mod frames;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;

use crate::error::Error;
use crate::pod::ContainerExit;
use crate::protocol::{Answer, Call, Message, Refusal, Request, VERSION, encode};

pub(crate) use frames::FrameReader;

/// Exits kept for a subscriber that is busy.
const EXITS_MAX: usize = 1024;

/// How long a shim may take to say hello.
const HELLO_MAX: Duration = Duration::from_secs(5);

/// What a shim says of itself.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub labels: BTreeMap<String, String>,
    pub pid: u32,
}

/// Connects to the shim of the pod in this directory.
///
/// By way of the directory's descriptor: a socket's path is bound to 107 bytes, ours is not.
async fn dial(directory: &Path) -> io::Result<UnixStream> {
    let directory = File::open(directory)?;
    UnixStream::connect(format!("/proc/self/fd/{}/shim.sock", directory.as_raw_fd())).await
}

/// A connection for one exec or attach: hello, one call, then its end.
pub(crate) async fn call_alone(
    pod: &str,
    directory: &Path,
    call: Call,
    limit: Duration,
) -> Result<(UnixStream, FrameReader, Answer, Vec<OwnedFd>), Error> {
    let name = call.name();
    let conversation = async {
        let mut stream = dial(directory).await?;
        let mut reader = FrameReader::new();
        let hello = Request { sequence: 0, call: Call::Hello { version: VERSION } };
        for request in [hello, Request { sequence: 1, call }] {
            let frame = encode(&request).ok_or_else(too_large)?;
            stream.write_all(&frame).await?;
        }
        loop {
            match reader.next(&stream).await? {
                Some(Message::Reply { sequence, result }) if sequence == 1 || result.is_err() => {
                    let descriptors = reader.take_descriptors();
                    return Ok((stream, reader, result, descriptors));
                }
                Some(_) => {}
                None => return Err(io::Error::from(ErrorKind::UnexpectedEof)),
            }
        }
    };
    let timed = tokio::time::timeout(limit, conversation).await;
    let (stream, reader, result, descriptors) = timed
        .map_err(|_| Error::Timeout { pod: pod.to_owned(), call: name, limit })?
        .map_err(|error: io::Error| lost(pod, &error))?;
    let answer = result.map_err(|refusal| refused(pod, refusal))?;
    Ok((stream, reader, answer, descriptors))
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "a request over the bound of a frame")
}

/// What a broken connection means.
fn lost(pod: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
            Error::Protocol { pod: pod.to_owned(), message: error.to_string() }
        }
        _ => Error::ShimGone(pod.to_owned()),
    }
}

/// A shim's refusal as the caller's error.
pub(crate) fn refused(pod: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Version { ours } => Error::Protocol {
            pod: pod.to_owned(),
            message: format!("it speaks version {ours}, we speak {VERSION}"),
        },
        Refusal::NoSuchContainer(container) => Error::NoSuchContainer(container),
        Refusal::WrongState { container, state } => Error::WrongState { container, state },
        Refusal::NotExecutable(message) => Error::NotExecutable(message),
        Refusal::Create { step, message } => Error::Failed(format!("{step}: {message}")),
        Refusal::Failed(message) => Error::Failed(message),
    }
}

/// The connection that a [`crate::Pod`] and its clones share.
#[derive(Debug)]
pub(crate) struct Connection {
    pod: String,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    shared: Arc<Shared>,
    sequence: AtomicU32,
    reader: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Pending>,
}

#[derive(Debug)]
struct Pending {
    replies: HashMap<u32, oneshot::Sender<Result<Answer, Refusal>>>,
    /// Gone when the connection has ended.
    exits: Option<broadcast::Sender<ContainerExit>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // What it guards is whole after every statement that changes it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Connects and says hello.
    pub(crate) async fn open(pod: &str, directory: &Path) -> Result<(Connection, Greeting), Error> {
        let stream = dial(directory).await.map_err(|error| lost(pod, &error))?;
        let connection = Connection::start(pod, stream);
        let hello = Call::Hello { version: VERSION };
        match connection.call(hello, HELLO_MAX).await?.map_err(|refusal| refused(pod, refusal))? {
            Answer::Hello { labels, pid, .. } => Ok((connection, Greeting { labels, pid })),
            other => Err(connection.nonsense(&other)),
        }
    }

    fn start(pod: &str, stream: UnixStream) -> Connection {
        let exits = Some(broadcast::channel(EXITS_MAX).0);
        let pending = Pending { replies: HashMap::new(), exits };
        let shared = Arc::new(Shared { inner: Mutex::new(pending) });
        let (read, writer) = stream.into_split();
        let task = tokio::spawn({
            let (shared, pod) = (Arc::clone(&shared), pod.to_owned());
            async move {
                if let Err(error) = listen(read.as_ref(), &shared).await {
                    tracing::warn!(pod, error = %error, "connection to a shim broke");
                }
                let mut pending = shared.lock();
                pending.replies.clear();
                pending.exits = None;
            }
        });
        Connection {
            pod: pod.to_owned(),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            shared,
            sequence: AtomicU32::new(0),
            reader: task.abort_handle(),
        }
    }

    /// Calls the shim.
    pub(crate) async fn call(
        &self,
        call: Call,
        limit: Duration,
    ) -> Result<Result<Answer, Refusal>, Error> {
        let name = call.name();
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let frame =
            encode(&Request { sequence, call }).ok_or_else(|| lost(&self.pod, &too_large()))?;
        let (sender, reply) = oneshot::channel();
        {
            let mut pending = self.shared.lock();
            if pending.exits.is_none() {
                return Err(self.gone());
            }
            pending.replies.insert(sequence, sender);
        }
        // Written by a task of its own: a caller that goes away must not leave half a frame.
        let writer = Arc::clone(&self.writer);
        let written = tokio::spawn(async move { writer.lock().await.write_all(&frame).await });
        let exchange = async {
            match written.await {
                Ok(Ok(())) => reply.await.map_err(|_| self.gone()),
                Ok(Err(_)) | Err(_) => Err(self.gone()),
            }
        };
        let result = tokio::time::timeout(limit, exchange).await;
        self.shared.lock().replies.remove(&sequence);
        result.map_err(|_| Error::Timeout { pod: self.pod.clone(), call: name, limit })?
    }

    /// Exits from now on; `None` when the connection has ended.
    pub(crate) fn exits(&self) -> Option<broadcast::Receiver<ContainerExit>> {
        self.shared.lock().exits.as_ref().map(broadcast::Sender::subscribe)
    }

    /// Whether the shim's end of the connection is there.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.lock().exits.is_some()
    }

    pub(crate) fn nonsense(&self, answer: &Answer) -> Error {
        Error::Protocol { pod: self.pod.clone(), message: format!("unexpected {answer:?}") }
    }

    fn gone(&self) -> Error {
        Error::ShimGone(self.pod.clone())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn listen(stream: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut reader = FrameReader::new();
    while let Some(message) = reader.next(stream).await? {
        let mut pending = shared.lock();
        match message {
            Message::Reply { sequence, result } => {
                if let Some(sender) = pending.replies.remove(&sequence) {
                    // A caller that has given up no longer cares.
                    let _ = sender.send(result);
                }
            }
            Message::Exit { container, status } => {
                if let Some(exits) = &pending.exits {
                    // Without subscribers nobody wants to know.
                    let _ = exits.send(ContainerExit { container, status });
                }
            }
            Message::Ended(_) => {}
        }
    }
    Ok(())
}
