//! A container's stdio: pipes or a terminal, copied to its log and to whoever is attached.

use std::fs::File;
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use nix::unistd::pipe2;

use super::event_loop::poll;
use super::log::Lines;

/// Bytes copied at once.
const COPY_BYTES: usize = 16 << 10;

/// How far an attached client may be behind before it is cut off; the kernel's usual bound.
const ATTACHED_BYTES: i32 = 1 << 20;

/// How long the terminal of a started process may take to arrive.
const TERMINAL_MAX_MS: i32 = 5_000;

/// Which of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

impl Channel {
    pub(super) fn name(self) -> &'static str {
        match self {
            Channel::Stdout => "stdout",
            Channel::Stderr => "stderr",
        }
    }
}

/// The reading end of one output stream.
#[derive(Debug)]
pub(super) struct Output {
    pub channel: Channel,
    pub lines: Lines,
    end: File,
}

/// What one read brought.
pub(super) enum Piece {
    Bytes(usize),
    Nothing,
    End,
}

impl Output {
    pub(super) fn new(channel: Channel, end: OwnedFd) -> io::Result<Output> {
        set_nonblocking(&end)?;
        Ok(Output { channel, lines: Lines::default(), end: end.into() })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.end.as_raw_fd()
    }

    pub(super) fn read(&mut self, bytes: &mut [u8; COPY_BYTES]) -> Piece {
        loop {
            match self.end.read(bytes) {
                Ok(0) => return Piece::End,
                Ok(length) => return Piece::Bytes(length),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Piece::Nothing,
                // A terminal says EIO when the last process on it has gone.
                Err(_) => return Piece::End,
            }
        }
    }
}

/// Room for one copy; on the stack, so that an idle shim holds none.
pub(super) fn buffer() -> [u8; COPY_BYTES] {
    [0; COPY_BYTES]
}

/// A client that follows a container's output.
#[derive(Debug)]
pub(super) struct Attached {
    /// Who hears of the container's end.
    pub client: u32,
    stdout: Option<File>,
    stderr: Option<File>,
}

impl Attached {
    pub(super) fn new(client: u32, stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) -> Attached {
        Attached { client, stdout: stdout.map(File::from), stderr: stderr.map(File::from) }
    }

    /// Copies to the client; one that is too far behind, or gone, is cut off.
    pub(super) fn copy(&mut self, channel: Channel, bytes: &[u8]) {
        let end = match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr => &mut self.stderr,
        };
        if let Some(file) = end
            && !matches!(file.write(bytes), Ok(length) if length == bytes.len())
        {
            *end = None;
        }
    }
}

/// A pipe for an attached client: the shim's end never blocks, and holds a lot.
pub(super) fn attached_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    set_nonblocking(&write)?;
    // Over the user's bound the kernel refuses; the default size has to do then.
    let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(ATTACHED_BYTES));
    Ok((read, write))
}

pub(super) fn set_nonblocking(descriptor: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Where a process's terminal will be sent: made in the container, received here.
#[derive(Debug)]
pub(super) struct TerminalSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl TerminalSocket {
    /// Listens in the container's directory.
    pub(super) fn new(directory: &Path) -> io::Result<TerminalSocket> {
        let path = directory.join("terminal.sock");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let opened = File::open(directory)?;
        let short = format!("/proc/self/fd/{}/terminal.sock", opened.as_raw_fd());
        let listener = UnixListener::bind(short)?;
        listener.set_nonblocking(true)?;
        Ok(TerminalSocket { listener, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the terminal's master.
    pub(super) fn receive(self) -> io::Result<OwnedFd> {
        let (stream, _) = self.listener.accept()?;
        let ready = libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        if poll(&mut [ready], TERMINAL_MAX_MS)? == 0 {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut bytes = [0; 64];
        let mut control = nix::cmsg_space!([RawFd; 1]);
        let mut vectors = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<UnixAddr>(
            stream.as_raw_fd(),
            &mut vectors,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control
                && let Some(fd) = descriptors.first()
            {
                // SAFETY: the kernel has just made this descriptor for us.
                return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
            }
        }
        Err(io::Error::other("no terminal was sent"))
    }
}

impl Drop for TerminalSocket {
    fn drop(&mut self) {
        // The directory goes with the container in any case.
        let _ = std::fs::remove_file(&self.path);
    }
}
