//! A connected client, seen from the shim: bytes in, frames out, nothing that blocks.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::protocol::{FRAME_BYTES_MAX, HEADER_BYTES, Message, Request, encode, frame_length};

/// Bytes that may wait for a client that does not read; one over it is dropped.
const WAITING_BYTES_MAX: usize = FRAME_BYTES_MAX + (64 << 10);

/// Bytes taken from a client at once.
const READ_BYTES: usize = 8 << 10;

pub(super) struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    pub greeted: bool,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Client> {
        stream.set_nonblocking(true)?;
        Ok(Client { stream, input: Vec::new(), output: Vec::new(), greeted: false })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    pub(super) fn interest(&self) -> libc::c_short {
        if self.output.is_empty() { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT }
    }

    /// Takes in what has come, up to a frame's bound. Tells whether the client is still there.
    pub(super) fn receive(&mut self) -> bool {
        let mut bytes = [0; READ_BYTES];
        while self.input.len() < FRAME_BYTES_MAX + HEADER_BYTES {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(length) => self.input.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The next whole request that has come.
    pub(super) fn next_request(&mut self) -> Result<Option<Request>, String> {
        let length =
            frame_length(&self.input).map_err(|length| format!("a frame of {length} bytes"))?;
        let Some(length) = length else { return Ok(None) };
        let end = HEADER_BYTES + length;
        let request = serde_json::from_slice(&self.input[HEADER_BYTES..end])
            .map_err(|error| error.to_string())?;
        self.input.drain(..end);
        if self.input.is_empty() {
            // A large request's room is not kept for small ones.
            self.input = Vec::new();
        }
        Ok(Some(request))
    }

    /// Sends a message, with descriptors. Tells whether the client can be kept.
    pub(super) fn send(&mut self, message: &Message, descriptors: &[OwnedFd]) -> bool {
        let Some(frame) = encode(message) else { return false };
        if !self.output.is_empty() {
            // Descriptors go with a frame's first bytes, and those wait.
            if !descriptors.is_empty() || self.output.len() + frame.len() > WAITING_BYTES_MAX {
                return false;
            }
            self.output.extend_from_slice(&frame);
            return true;
        }
        match self.send_now(&frame, descriptors) {
            Ok(sent) => {
                self.output.extend_from_slice(&frame[sent..]);
                true
            }
            Err(Errno::EAGAIN) if descriptors.is_empty() => {
                self.output = frame;
                true
            }
            Err(_) => false,
        }
    }

    fn send_now(&self, frame: &[u8], descriptors: &[OwnedFd]) -> nix::Result<usize> {
        let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let control = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<UnixAddr>(self.descriptor(), &[IoSlice::new(frame)], control, flags, None)
    }

    /// Sends what waits. Tells whether the client is still there.
    pub(super) fn flush(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return false,
                Ok(length) => drop(self.output.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.output = Vec::new();
        true
    }

    /// Sends what waits before the shim ends, and waits for that.
    pub(super) fn flush_last(mut self) {
        // The client that asked for the end reads its answer or is gone.
        let timeout = Some(std::time::Duration::from_secs(1));
        let blocking = self.stream.set_nonblocking(false);
        if blocking.and_then(|()| self.stream.set_write_timeout(timeout)).is_ok() {
            self.flush();
        }
    }
}
