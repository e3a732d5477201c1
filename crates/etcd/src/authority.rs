//! Requests whose `:authority` is no host are let in, as etcd lets them in.
//!
//! Go's gRPC before 1.40, which Debian's etcdctl has, names what it was told to connect to: for
//! `endpoint status`, `defrag`, `snapshot save` and for unix sockets that is a URL or a path. `h2`
//! refuses such a request before we see it. So the bytes of a connection are looked through on
//! their way to it, and the value, which nobody here uses, is replaced by one that a host could have.
//! Only the heads of requests are looked at; all else passes where it lies.

mod hpack;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The bytes of a frame before its payload.
const HEAD_BYTES: usize = 9;
/// The longest payload of a frame that we let clients send.
const PAYLOAD_BYTES_MAX: usize = 16 << 10;
/// The type of frames with the head of a request, and their flags.
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The bytes of a priority in such a frame.
const PRIORITY_BYTES: usize = 5;

/// A stream of a client, lenient about authorities.
pub(crate) struct Lenient<S> {
    stream: S,
    scanner: Scanner,
    /// Looked through, and not handed out yet.
    ready: BytesMut,
}

/// Where in the frames of a connection its bytes are.
enum Scanner {
    /// At the beginning: which HTTP it is, is not known.
    Begin(BytesMut),
    /// Not HTTP/2: all passes.
    Plain,
    /// So many bytes of a payload pass; then comes a frame.
    Frames { skip: usize, held: BytesMut },
}

impl<S> Lenient<S> {
    pub(crate) fn new(stream: S) -> Lenient<S> {
        let scanner = Scanner::Begin(BytesMut::new());
        Lenient { stream, scanner, ready: BytesMut::new() }
    }
}

impl Scanner {
    /// How many of these bytes can pass as they are, because nothing before them is held back and
    /// nothing in them is replaced.
    fn passes(&mut self, bytes: &[u8]) -> usize {
        let (skip, held) = match self {
            Scanner::Plain => return bytes.len(),
            Scanner::Begin(_) => return 0,
            Scanner::Frames { skip, held } => (skip, held),
        };
        if !held.is_empty() {
            return 0;
        }
        let mut at = 0;
        loop {
            let passed = (*skip).min(bytes.len() - at);
            *skip -= passed;
            at += passed;
            match next(&bytes[at..]) {
                Next::Pass(count) => *skip = count,
                Next::Incomplete | Next::Replace { .. } => return at,
            }
        }
    }

    /// Takes bytes that do not simply pass; what is ready of them goes to `ready`.
    fn take(&mut self, bytes: &[u8], ready: &mut BytesMut) {
        match self {
            Scanner::Plain => ready.put_slice(bytes),
            Scanner::Begin(begun) => {
                begun.put_slice(bytes);
                let known = begun.len().min(PREFACE.len());
                if begun[..known] != PREFACE[..known] {
                    ready.put_slice(begun);
                    *self = Scanner::Plain;
                } else if known == PREFACE.len() {
                    let held = std::mem::take(begun);
                    *self = Scanner::Frames { skip: PREFACE.len(), held: BytesMut::new() };
                    self.take(&held, ready);
                }
            }
            Scanner::Frames { skip, held } => {
                held.put_slice(bytes);
                release(skip, held, ready);
                if held.is_empty() {
                    // A connection that is silent holds no memory.
                    *held = BytesMut::new();
                }
            }
        }
    }

    /// The stream has ended: what was held back goes as it is.
    fn end(&mut self, ready: &mut BytesMut) {
        if let Scanner::Begin(held) | Scanner::Frames { held, .. } = self {
            ready.put_slice(held);
            held.clear();
        }
    }
}

/// Moves what is complete from `held` to `ready`.
fn release(skip: &mut usize, held: &mut BytesMut, ready: &mut BytesMut) {
    loop {
        let passed = (*skip).min(held.len());
        ready.put_slice(&held[..passed]);
        held.advance(passed);
        *skip -= passed;
        match next(held) {
            Next::Pass(count) => *skip = count,
            Next::Replace { old, new } => {
                held.advance(old);
                ready.put_slice(&new);
            }
            Next::Incomplete => return,
        }
    }
}

/// What is to be done with the frame at the beginning of some bytes.
enum Next {
    /// It passes, with so many bytes.
    Pass(usize),
    /// It has `old` bytes, and these take their place.
    Replace { old: usize, new: Vec<u8> },
    /// There is too little of it to say.
    Incomplete,
}

fn next(bytes: &[u8]) -> Next {
    let Some(head) = bytes.get(..HEAD_BYTES) else { return Next::Incomplete };
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let all = HEAD_BYTES + len;
    // One that is too long is refused by whoever reads it.
    if head[3] != HEADERS || len > PAYLOAD_BYTES_MAX {
        return Next::Pass(all);
    }
    let Some(frame) = bytes.get(..all) else { return Next::Incomplete };
    match replaced(frame) {
        Some(new) => Next::Replace { old: all, new },
        None => Next::Pass(all),
    }
}

/// The frame with a valid authority, when it has another one.
fn replaced(frame: &[u8]) -> Option<Vec<u8>> {
    let (flags, payload) = (frame[4], &frame[HEAD_BYTES..]);
    let padded = flags & PADDED != 0;
    let padding = if padded { usize::from(*payload.first()?) } else { 0 };
    let before = usize::from(padded) + if flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
    let block = payload.get(before..payload.len().checked_sub(padding)?)?;
    let block = hpack::with_valid_authority(block)?;
    let len = before + block.len() + padding;
    if len > PAYLOAD_BYTES_MAX {
        return None;
    }
    let mut new = u32::try_from(len).ok()?.to_be_bytes()[1..].to_vec();
    new.extend_from_slice(&frame[3..HEAD_BYTES]);
    new.extend_from_slice(&payload[..before]);
    new.extend_from_slice(&block);
    new.resize(HEAD_BYTES + len, 0);
    Some(new)
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let count = this.ready.len().min(to.remaining());
                to.put_slice(&this.ready[..count]);
                this.ready.advance(count);
                if this.ready.is_empty() {
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            let before = to.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, to))?;
            let read = &to.filled()[before..];
            if read.is_empty() {
                this.scanner.end(&mut this.ready);
                if this.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let passed = this.scanner.passes(read);
            if passed < read.len() {
                this.scanner.take(&read[passed..], &mut this.ready);
                to.set_filled(before + passed);
            }
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
