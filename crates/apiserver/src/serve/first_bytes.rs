//! A connection must say something. Which version of HTTP it speaks shows in its first bytes, and
//! until they are there no other timer runs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// HTTP/2's preface; no request is shorter by much.
const ENOUGH: usize = 24;

/// A stream whose reads fail when its first bytes take too long.
pub(super) struct FirstBytes<S> {
    stream: S,
    /// `None` once there were enough.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> FirstBytes<S> {
    pub(super) fn new(stream: S, within: Duration) -> Self {
        Self { stream, waiting: Some((Box::pin(tokio::time::sleep(within)), 0)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(done) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            let read = buffer.filled().len() - before;
            this.waiting.take_if(|(_, seen)| {
                *seen += read;
                *seen >= ENOUGH
            });
            return Poll::Ready(done);
        }
        match &mut this.waiting {
            Some((timer, _)) => {
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const WITHIN: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn who_says_nothing_or_too_little_is_cut_off() {
        for said in [&b""[..], b"PRI * HTTP"] {
            let (mut client, server) = tokio::io::duplex(64);
            let mut server = FirstBytes::new(server, WITHIN);
            client.write_all(said).await.unwrap();
            let error = server.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn who_has_begun_may_be_silent() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = FirstBytes::new(server, WITHIN);
        client.write_all(&[7; ENOUGH]).await.unwrap();
        server.read_exact(&mut [0; ENOUGH]).await.unwrap();
        let mut byte = [0];
        let silent = tokio::time::timeout(WITHIN * 3, server.read_exact(&mut byte)).await;
        assert!(silent.is_err(), "it still waits");
    }
}
