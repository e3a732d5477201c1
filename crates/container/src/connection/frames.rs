//! Frames as they come in, with the descriptors that come with them.

use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, UnixAddr};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::protocol::{DESCRIPTORS_MAX, HEADER_BYTES, Message, frame_length};

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 16 << 10;

/// Reads frames, and keeps what came of the next one: dropping a pending `next` loses nothing.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl FrameReader {
    pub(crate) fn new() -> FrameReader {
        FrameReader { buffer: Vec::new(), descriptors: Vec::new() }
    }

    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self, stream: &UnixStream) -> io::Result<Option<Message>> {
        loop {
            let length = frame_length(&self.buffer).map_err(|length| {
                io::Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes"))
            })?;
            if let Some(length) = length {
                let end = HEADER_BYTES + length;
                let message = serde_json::from_slice(&self.buffer[HEADER_BYTES..end])?;
                self.buffer.drain(..end);
                return Ok(Some(message));
            }
            if stream.async_io(Interest::READABLE, || self.receive(stream)).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The descriptors that came so far. They come with their frame's first byte or before it:
    /// the kernel glues them to bytes that were sent earlier and not yet read.
    pub(super) fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    fn receive(&mut self, stream: &UnixStream) -> io::Result<usize> {
        let mut bytes = [0; READ_BYTES];
        let mut control = nix::cmsg_space!([i32; DESCRIPTORS_MAX]);
        let mut vectors = [IoSliceMut::new(&mut bytes)];
        let received = socket::recvmsg::<UnixAddr>(
            stream.as_raw_fd(),
            &mut vectors,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = message {
                // SAFETY: the kernel has just made these descriptors for us; nobody else owns
                // them.
                let owned = descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                self.descriptors.extend(owned);
            }
        }
        let length = received.bytes;
        self.buffer.extend_from_slice(&bytes[..length]);
        Ok(length)
    }
}
