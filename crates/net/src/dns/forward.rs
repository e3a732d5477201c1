//! Questions that others must answer.
//!
//! They are passed on as they came, under another number and from another port each, and so are the answers:
//! whatever an upstream server and a client have to say to each other, we are not in the way.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::cache::{Cache, Key};
use super::message::{
    TCP_BYTES_MAX, answers_request, encode, is_truncated, question, reply, set_id,
};
use super::resolv_conf::ResolvConf;

/// Questions under way at a time; more are answered "server failure" at once.
const UNDER_WAY_MAX: usize = 512;
/// How long one server may take. Clients ask again after five seconds; by then a second one has been asked.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many servers are asked one after the other.
const SERVERS_MAX: usize = 3;
/// An answer that our own EDNS limit allows, with room for servers that do not keep to it.
const UDP_ANSWER_BYTES_MAX: usize = 4096;

/// Who is asked what this server does not know.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// The name servers of a resolv.conf, read again when it changes; usually `/etc/resolv.conf`.
    ResolvConf(PathBuf),
    /// These, in this order.
    Addresses(Vec<SocketAddr>),
}

impl Upstream {
    /// The host's own name servers, from `/etc/resolv.conf`.
    pub fn system() -> Upstream {
        Upstream::ResolvConf(PathBuf::from("/etc/resolv.conf"))
    }
}

/// How a question came, and so how its answer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// With so many bytes at most.
    Udp(usize),
    Tcp,
}

impl Transport {
    pub(super) fn limit(self) -> usize {
        match self {
            Transport::Udp(limit) => limit,
            Transport::Tcp => TCP_BYTES_MAX,
        }
    }
}

/// Passes questions on.
#[derive(Debug)]
pub(super) struct Forwarder {
    source: Source,
    /// Our own addresses, which must never be asked.
    own: Vec<SocketAddr>,
    cache: Mutex<Cache>,
    permits: Semaphore,
}

#[derive(Debug)]
enum Source {
    Fixed(Vec<SocketAddr>),
    ResolvConf(ResolvConf),
}

impl Forwarder {
    pub(super) fn new(upstream: Upstream, own: Vec<SocketAddr>) -> Forwarder {
        let source = match upstream {
            Upstream::Addresses(addresses) => Source::Fixed(addresses),
            Upstream::ResolvConf(path) => Source::ResolvConf(ResolvConf::new(path)),
        };
        let permits = Semaphore::new(UNDER_WAY_MAX);
        Forwarder { source, own, cache: Mutex::default(), permits }
    }

    /// The answer's bytes; "server failure" when nobody gave one.
    pub(super) async fn answer(
        &self,
        request: &Message,
        bytes: &[u8],
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let key = cache_key(request, bytes);
        if let Some(mut cached) = key.as_ref().and_then(|key| self.cached(key)) {
            cached.metadata.id = request.metadata.id;
            return encode(&cached, transport.limit());
        }
        let Some(mut answer) = self.ask_all(bytes, transport).await else {
            return encode(&reply(request, ResponseCode::ServFail), transport.limit());
        };
        if let (Some(key), Ok(message)) = (key, Message::from_vec(&answer)) {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.put(key, message, Instant::now());
        }
        set_id(&mut answer, request.metadata.id);
        if answer.len() > transport.limit() {
            return encode(&Message::from_vec(&answer).ok()?, transport.limit());
        }
        Some(answer)
    }

    fn cached(&self, key: &Key) -> Option<Message> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(key, Instant::now())
    }

    fn servers(&self) -> Vec<SocketAddr> {
        let mut servers = match &self.source {
            Source::Fixed(addresses) => addresses.clone(),
            Source::ResolvConf(conf) => conf.servers(),
        };
        servers.retain(|server| !self.own.contains(server));
        servers.truncate(SERVERS_MAX);
        servers
    }

    /// One server after the other, until one answers.
    async fn ask_all(&self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let _permit = self.permits.try_acquire().ok()?;
        let mut request = bytes.to_vec();
        set_id(&mut request, rand::random());
        for server in self.servers() {
            match timeout(SERVER_TIMEOUT, ask(server, &request, transport)).await {
                Ok(Ok(answer)) => return Some(answer),
                Ok(Err(error)) => tracing::debug!(%server, %error, "name server failed"),
                Err(_) => tracing::debug!(%server, "name server silent"),
            }
        }
        None
    }
}

/// One server. A client that came by TCP gets what did not fit over UDP.
async fn ask(server: SocketAddr, request: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
    let answer = ask_udp(server, request).await?;
    if is_truncated(&answer) && transport == Transport::Tcp {
        return ask_tcp(server, request).await;
    }
    Ok(answer)
}

async fn ask_udp(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let local = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(request).await?;
    let mut buffer = vec![0; UDP_ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if answers_request(&buffer[..length], request) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn ask_tcp(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(request.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), request].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if answers_request(&answer, request) {
        Ok(answer)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to something else"))
    }
}

/// What an answer depends on. None: the request is out of the ordinary, and its answer is not kept.
fn cache_key(request: &Message, bytes: &[u8]) -> Option<Key> {
    let flags = request.metadata;
    if !flags.recursion_desired || flags.checking_disabled || request.signature.is_some() {
        return None;
    }
    let edns = match &request.edns {
        None => 0,
        Some(edns) if !edns.options().as_ref().is_empty() => return None,
        Some(edns) => 1 + u8::from(edns.flags().dnssec_ok),
    };
    let mut key = question(bytes)?.to_ascii_lowercase();
    key.extend([edns, u8::from(flags.authentic_data)]);
    Some(key)
}
