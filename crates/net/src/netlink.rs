//! Netlink sockets: requests, dumps and nftables batches.
//!
//! The kernel handles a netlink request inside `sendmsg` and has queued every reply when it returns, so
//! nothing here waits for anybody; callers still keep off async threads, because the kernel may hold
//! its own locks for a while.

mod batch;
mod message;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

pub(crate) use batch::Batch;
pub(crate) use message::{Message, Writer, attributes, find, ipv4, text, u16_be, u32_ne};

/// Replies are read into a buffer of this size; the kernel never makes a larger one for a dump.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// The kernel keeps so much of the socket buffer for itself, and compares with the rest.
const SEND_OVERHEAD_BYTES: usize = 64;
/// A dump that the kernel reports as torn by a concurrent change is asked for again so many times.
const DUMP_TRIES_MAX: usize = 8;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;
/// Fail when the object exists.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Replace the object when it exists.
pub(crate) const REPLACE: u16 = 0x100;
/// Make the object when it does not exist.
pub(crate) const CREATE: u16 = 0x400;
/// Add at the end (nftables rules).
pub(crate) const APPEND: u16 = 0x800;

/// What the kernel refused, and why.
#[derive(Debug, thiserror::Error)]
#[error("{attempted}")]
pub struct NetlinkError {
    attempted: String,
    source: Refusal,
}

/// The kernel's answer to a request it did not carry out.
#[derive(Debug)]
struct Refusal {
    errno: Errno,
    detail: Option<String>,
}

impl std::error::Error for Refusal {}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(out, "{} ({detail})", self.errno.desc()),
            None => out.write_str(self.errno.desc()),
        }
    }
}

impl NetlinkError {
    fn new(attempted: impl Into<String>, errno: Errno, detail: Option<String>) -> NetlinkError {
        NetlinkError { attempted: attempted.into(), source: Refusal { errno, detail } }
    }

    /// The error number.
    pub(crate) fn errno(&self) -> Errno {
        self.source.errno
    }

    /// Whether the thing acted on is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self.errno(), Errno::ENOENT | Errno::ENODEV | Errno::ESRCH | Errno::ENXIO)
    }
}

/// The part of the kernel a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Links, addresses, routes, neighbours.
    Route,
    /// nftables and connection tracking.
    Netfilter,
}

/// A netlink socket. It belongs for ever to the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open(family: Family) -> Result<Socket, NetlinkError> {
        let protocol = match family {
            Family::Route => SockProtocol::NetlinkRoute,
            Family::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .map_err(|errno| NetlinkError::new("open a netlink socket", errno, None))?;
        let socket = Socket { fd, sequence: 0, buffer: vec![0; REPLY_BYTES_MAX] };
        // Errors then carry the kernel's words and not a copy of the request.
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1)?;
        socket.set_option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        Ok(socket)
    }

    /// Sends one request and waits for its acknowledgement.
    pub(crate) fn request(&mut self, message: Message) -> Result<(), NetlinkError> {
        self.exchange(message, NLM_F_ACK, |_, _| ()).map(|_| ())
    }

    /// Sends one request that has one object as its answer.
    pub(crate) fn get<T>(
        &mut self,
        message: Message,
        mut parse: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, NetlinkError> {
        let mut found = None;
        self.exchange(message, NLM_F_ACK, |_, body| found = parse(body))?;
        Ok(found)
    }

    /// Asks for all objects of a kind; `parse` sees the body of each.
    pub(crate) fn dump<T>(
        &mut self,
        message: Message,
        mut parse: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let mut torn = Ok(());
        for _ in 0..DUMP_TRIES_MAX {
            let mut found = Vec::new();
            let attempt = message.clone();
            let whole = self.exchange(attempt, NLM_F_DUMP, |_, body| found.extend(parse(body)))?;
            if whole {
                return Ok(found);
            }
            torn = Err(NetlinkError::new(message.attempted(), Errno::EINTR, None));
        }
        torn.map(|()| Vec::new())
    }

    /// Sends and reads until the answer is complete. False: the answer was torn by a change.
    fn exchange(
        &mut self,
        message: Message,
        flags: u16,
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<bool, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let (bytes, attempted) = message.finish(NLM_F_REQUEST | flags, sequence);
        let fail = |errno| NetlinkError::new(attempted.as_str(), errno, None);
        self.send(&bytes).map_err(fail)?;
        let mut whole = true;
        loop {
            let length = self.receive(MsgFlags::empty()).map_err(fail)?;
            for reply in message::replies(&self.buffer[..length]) {
                if reply.sequence != sequence {
                    continue;
                }
                whole &= reply.flags & NLM_F_DUMP_INTR == 0;
                match reply.kind {
                    NLMSG_ERROR | NLMSG_DONE => {
                        return match refusal(&reply) {
                            None => Ok(whole),
                            Some((errno, detail)) => {
                                Err(NetlinkError::new(attempted.as_str(), errno, detail))
                            }
                        };
                    }
                    kind => each(kind, reply.body),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        sendto(self.fd.as_raw_fd(), bytes, &NetlinkAddr::new(0, 0), MsgFlags::empty()).map(|_| ())
    }

    fn receive(&mut self, flags: MsgFlags) -> Result<usize, Errno> {
        loop {
            match recv(self.fd.as_raw_fd(), &mut self.buffer, flags) {
                Err(Errno::EINTR) => continue,
                other => return other,
            }
        }
    }

    /// Makes room for a batch of this many bytes: a batch must go in one `sendmsg`.
    fn reserve(&self, bytes: usize) -> Result<(), NetlinkError> {
        let wanted = i32::try_from(bytes + SEND_OVERHEAD_BYTES)
            .map_err(|_| NetlinkError::new("send a batch", Errno::EMSGSIZE, None))?;
        self.set_option(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wanted)
    }

    fn set_option(&self, level: i32, option: i32, value: i32) -> Result<(), NetlinkError> {
        let length = size_of::<i32>() as libc::socklen_t;
        // SAFETY: the descriptor is open for as long as `self` lives, and the kernel reads `length` bytes
        // from a live i32 and keeps no pointer.
        let result = unsafe {
            libc::setsockopt(self.fd.as_raw_fd(), level, option, (&raw const value).cast(), length)
        };
        Errno::result(result)
            .map(|_| ())
            .map_err(|errno| NetlinkError::new("set a netlink socket option", errno, None))
    }
}

/// The error a reply carries, if it is one.
fn refusal(reply: &message::Reply<'_>) -> Option<(Errno, Option<String>)> {
    const ATTR_MESSAGE: u16 = 1;
    let code = i32::from_ne_bytes(reply.body.get(..4)?.try_into().ok()?);
    if code >= 0 {
        return None;
    }
    // An error repeats the header of the request (16 bytes); the end of a dump does not.
    let skip = if reply.kind == NLMSG_ERROR { 20 } else { 4 };
    let detail = (reply.body.get(skip..))
        .and_then(|rest| find(rest, ATTR_MESSAGE))
        .map(|bytes| text(bytes).to_owned());
    Some((Errno::from_raw(-code), detail))
}

impl From<NetlinkError> for io::Error {
    fn from(error: NetlinkError) -> io::Error {
        io::Error::new(io::Error::from(error.errno()).kind(), error)
    }
}
