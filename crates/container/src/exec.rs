//! The near end of an exec or an attach: asynchronous stdio and the exit.
//!
//! The descriptors are the process's own pipe ends and terminal, handed over by the shim: what
//! flows through them passes nobody in between.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use crate::connection::FrameReader;
use crate::error::Error;
use crate::protocol::{Message, Stdio};
use crate::spec::Size;
use crate::state::ExitStatus;

/// A process in a container, or an attachment to a container's own process.
///
/// Dropping it closes the stdio ends; the process goes on.
#[derive(Debug)]
pub struct Exec {
    /// Where to write its input, if wanted. Drop it to end the input.
    pub stdin: Option<StdioWriter>,
    /// Its output, if wanted.
    pub stdout: Option<StdioReader>,
    /// Its error output, if wanted and not on a terminal.
    pub stderr: Option<StdioReader>,
    /// Its terminal, if it has one.
    pub terminal: Option<Terminal>,
    /// The process's input goes on when this client's has ended: it is then over for the client.
    pub input_stays: bool,
    pod: String,
    stream: UnixStream,
    reader: FrameReader,
    status: Option<ExitStatus>,
}

/// Which of the stdio ends the caller wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub stdin: bool,
    pub stdout: bool,
}

impl Exec {
    /// Puts the descriptors of an answer where they belong.
    pub(crate) fn new(
        pod: &str,
        connection: (UnixStream, FrameReader),
        which: Stdio,
        descriptors: Vec<OwnedFd>,
        wanted: Wanted,
    ) -> io::Result<Exec> {
        let mut descriptors = descriptors.into_iter();
        let mut take = |announced: bool| -> io::Result<Option<OwnedFd>> {
            if !announced {
                return Ok(None);
            }
            let next = descriptors.next();
            next.map(Some).ok_or_else(|| io::Error::other("fewer descriptors than announced"))
        };
        let (stdin, stdout) = (take(which.stdin)?, take(which.stdout)?);
        let (stderr, terminal) = (take(which.stderr)?, take(which.terminal)?);
        let copy_if = |wish: bool| -> io::Result<Option<OwnedFd>> {
            terminal.as_ref().filter(|_| wish).map(OwnedFd::try_clone).transpose()
        };
        let stdin = if wanted.stdin && stdin.is_none() { copy_if(true)? } else { stdin };
        let stdout = if wanted.stdout && stdout.is_none() { copy_if(true)? } else { stdout };
        let (stream, reader) = connection;
        Ok(Exec {
            stdin: stdin.map(StdioWriter::new).transpose()?,
            stdout: stdout.map(StdioReader::new).transpose()?,
            stderr: stderr.map(StdioReader::new).transpose()?,
            terminal: terminal.map(|master| Terminal { master: Arc::new(master) }),
            input_stays: which.input_stays,
            pod: pod.to_owned(),
            stream,
            reader,
            status: None,
        })
    }

    /// Tells the terminal's size; without a terminal nothing happens.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        match &self.terminal {
            Some(terminal) => terminal.resize(size),
            None => Ok(()),
        }
    }

    /// Waits for the process to end; again after that, it tells the same. Cancel-safe.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        while self.status.is_none() {
            match self.reader.next(&self.stream).await {
                Ok(Some(Message::Ended(status))) => self.status = Some(status),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Err(Error::ShimGone(self.pod.clone())),
            }
        }
        Ok(self.status.expect("the loop ends when it is there"))
    }
}

/// A handle on a process's terminal.
#[derive(Clone, Debug)]
pub struct Terminal {
    master: Arc<OwnedFd>,
}

impl Terminal {
    /// Tells the terminal's size.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        set_size(&self.master, size)
    }
}

/// Sets a terminal's size, which signals the processes on it.
pub(crate) fn set_size(master: &OwnedFd, size: Size) -> io::Result<()> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open, and TIOCSWINSZ reads one winsize.
    match unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The reading end of a process's output.
#[derive(Debug)]
pub struct StdioReader {
    end: AsyncFd<std::fs::File>,
}

/// The writing end of a process's input.
#[derive(Debug)]
pub struct StdioWriter {
    end: AsyncFd<std::fs::File>,
}

fn nonblocking(descriptor: OwnedFd) -> io::Result<AsyncFd<std::fs::File>> {
    let flags = OFlag::from_bits_truncate(fcntl(&descriptor, FcntlArg::F_GETFL)?);
    fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    // SAFETY: a File keeps its one descriptor, open, until it is dropped, and so does the AsyncFd
    // that owns it: we never take it apart.
    Ok(unsafe { AsyncFd::register(descriptor.into()) }?)
}

impl StdioReader {
    fn new(descriptor: OwnedFd) -> io::Result<StdioReader> {
        Ok(StdioReader { end: nonblocking(descriptor)? })
    }
}

impl StdioWriter {
    fn new(descriptor: OwnedFd) -> io::Result<StdioWriter> {
        Ok(StdioWriter { end: nonblocking(descriptor)? })
    }
}

impl AsyncRead for StdioReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.end.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            match guard.try_io(|end| end.get_ref().read(unfilled)) {
                Ok(Ok(length)) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // How a terminal's master says that the last process on it has gone.
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => {
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for StdioWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.end.poll_write_ready(context))?;
            match guard.try_io(|end| end.get_ref().write(bytes)) {
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing: input ends when the writer is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
