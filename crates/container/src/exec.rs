//! The near end of an exec or an attach: asynchronous stdio and the exit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::Error;
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
}

impl Exec {
    /// Tells the terminal's size; without a terminal nothing happens.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        match &self.terminal {
            Some(terminal) => terminal.resize(size),
            None => Ok(()),
        }
    }

    /// Waits for the process to end. Cancel-safe.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        Err(Error::ShimGone(String::new()))
    }
}

/// A handle on a process's terminal.
#[derive(Clone, Debug)]
pub struct Terminal {}

impl Terminal {
    /// Tells the terminal's size.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let _ = size;
        Ok(())
    }
}

/// The reading end of a process's output.
#[derive(Debug)]
pub struct StdioReader {}

/// The writing end of a process's input.
#[derive(Debug)]
pub struct StdioWriter {}

impl AsyncRead for StdioReader {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StdioWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
