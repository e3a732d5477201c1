//! Sockets in, answers out.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::answer::{Answer, answer};
use super::forward::{Forwarder, Transport};
use super::message::{TCP_BYTES_MAX, authoritative, encode, reply, udp_limit};
use super::{Handle, Upstream};

/// Requests over UDP are small; longer datagrams are cut off and fail to parse.
const UDP_REQUEST_BYTES_MAX: usize = 4096;
/// Questions over UDP that wait for somebody; more are dropped, and asked again by the client.
const WAITING_MAX: usize = 1024;
/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 128;
/// A connection that asks nothing for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which is usually a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often a port is picked that must be free for UDP and TCP.
const PORT_TRIES_MAX: usize = 16;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("listen for DNS at {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// A DNS server on UDP and TCP.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    sockets: Vec<(UdpSocket, TcpListener)>,
    resolver: Arc<Resolver>,
}

impl Server {
    /// Listens at all the addresses. Port 0 picks a free port, the same for UDP and TCP.
    pub async fn bind(
        addresses: &[SocketAddr],
        table: Handle,
        upstream: Upstream,
    ) -> Result<Server, BindError> {
        let mut sockets = Vec::new();
        let mut bound = Vec::new();
        for &address in addresses {
            let fail = |source| BindError { address, source };
            let pair = bind_both(address).await.map_err(fail)?;
            bound.push(pair.0.local_addr().map_err(fail)?);
            sockets.push(pair);
        }
        let forwarder = Forwarder::new(upstream, bound.clone());
        let resolver = Arc::new(Resolver { table, forwarder, turn: AtomicUsize::new(0) });
        Ok(Server { addresses: bound, sockets, resolver })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers until `shutdown` is done; what is under way then is dropped.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for (udp, tcp) in self.sockets {
            tasks.spawn(serve_udp(Arc::new(udp), self.resolver.clone()));
            tasks.spawn(serve_tcp(tcp, self.resolver.clone()));
        }
        shutdown.await;
        tasks.shutdown().await;
    }
}

async fn bind_both(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let tries = if address.port() == 0 { PORT_TRIES_MAX } else { 1 };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..tries {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(socket: Arc<UdpSocket>, resolver: Arc<Resolver>) {
    let mut waiting = JoinSet::new();
    let mut buffer = vec![0; UDP_REQUEST_BYTES_MAX];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                debug!(%error, "receive a DNS request");
                continue;
            }
        };
        while waiting.try_join_next().is_some() {}
        match resolver.at_once(&buffer[..length], None) {
            Outcome::Done(Some(bytes)) => send(&socket, &bytes, peer).await,
            Outcome::Done(None) => {}
            Outcome::Ask(_) if waiting.len() >= WAITING_MAX => {}
            Outcome::Ask(question) => {
                let (socket, resolver) = (socket.clone(), resolver.clone());
                waiting.spawn(async move {
                    if let Some(bytes) = resolver.ask(*question).await {
                        send(&socket, &bytes, peer).await;
                    }
                });
            }
        }
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, peer).await {
        debug!(%error, %peer, "send a DNS answer");
    }
}

async fn serve_tcp(listener: TcpListener, resolver: Arc<Resolver>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let resolver = resolver.clone();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, &resolver).await {
                        debug!(%error, %peer, "DNS connection ended");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "accept a DNS connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection: length and message, any number of times.
async fn converse(mut stream: TcpStream, resolver: &Resolver) -> io::Result<()> {
    loop {
        let request = async {
            let mut request = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut request).await?;
            io::Result::Ok(request)
        };
        let request = match timeout(IDLE_TIMEOUT, request).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(request) => request?,
            Err(_) => return Ok(()),
        };
        let answer = match resolver.at_once(&request, Some(Transport::Tcp)) {
            Outcome::Done(answer) => answer,
            Outcome::Ask(question) => resolver.ask(*question).await,
        };
        let Some(answer) = answer else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), answer.as_slice()].concat();
        timeout(IDLE_TIMEOUT, stream.write_all(&framed)).await??;
    }
}

/// Where answers come from.
#[derive(Debug)]
struct Resolver {
    table: Handle,
    forwarder: Forwarder,
    turn: AtomicUsize,
}

enum Outcome {
    /// Answered, or not to be answered at all.
    Done(Option<Vec<u8>>),
    /// Others must be asked.
    Ask(Box<Question>),
}

/// A question that others must answer, wholly or in part.
struct Question {
    request: Message,
    bytes: Vec<u8>,
    transport: Transport,
    /// Our own part: an alias, and the name it leads to.
    alias: Option<(Answer, Name)>,
}

impl Resolver {
    /// Answers what needs nobody else. The transport is UDP, as far as the request allows, unless given.
    fn at_once(&self, bytes: &[u8], transport: Option<Transport>) -> Outcome {
        let Ok(request) = Message::from_vec(bytes) else {
            return Outcome::Done(malformed(bytes));
        };
        if request.metadata.message_type != MessageType::Query {
            return Outcome::Done(None);
        }
        let transport = transport.unwrap_or_else(|| Transport::Udp(udp_limit(&request)));
        let refuse = |code| Outcome::Done(encode(&reply(&request, code), transport.limit()));
        let query = match request.queries.as_slice() {
            _ if request.metadata.op_code != OpCode::Query => return refuse(ResponseCode::NotImp),
            [query] => query,
            _ => return refuse(ResponseCode::FormErr),
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let alias = match answer(&self.table.zone(), query, turn) {
            None => None,
            Some(mut answer) => match answer.elsewhere.take() {
                Some(name) => Some((answer, name)),
                None => {
                    let reply = authoritative(&request, answer);
                    return Outcome::Done(encode(&reply, transport.limit()));
                }
            },
        };
        Outcome::Ask(Box::new(Question { request, bytes: bytes.to_vec(), transport, alias }))
    }

    /// Answers with the help of others.
    async fn ask(&self, question: Question) -> Option<Vec<u8>> {
        let Question { request, bytes, transport, alias } = question;
        match alias {
            None => self.forwarder.answer(&request, &bytes, transport).await,
            Some((answer, name)) => self.follow(&request, transport, answer, name).await,
        }
    }

    /// Puts the records of the name that an alias leads to after the alias.
    async fn follow(
        &self,
        request: &Message,
        transport: Transport,
        mut answer: Answer,
        name: Name,
    ) -> Option<Vec<u8>> {
        let kind = request.queries.first()?.query_type();
        let mut onward = Message::query();
        onward.metadata.recursion_desired = true;
        onward.add_query(Query::query(name, kind));
        let bytes = onward.to_vec().ok()?;
        let found = self.forwarder.answer(&onward, &bytes, Transport::Tcp).await?;
        let found = Message::from_vec(&found).ok()?;
        answer.code = found.metadata.response_code;
        answer.answers.extend(found.answers);
        answer.authorities.extend(found.authorities);
        encode(&authoritative(request, answer), transport.limit())
    }
}

/// The answer to something that is no request, as far as it has a number to answer to.
fn malformed(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_request = bytes.len() <= TCP_BYTES_MAX && bytes.get(2)? & 0x80 == 0;
    let id = u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    let reply = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
    is_request.then(|| reply.to_vec().ok()).flatten()
}
