//! One stream: what the client sends comes out of a bounded queue, what is sent goes into the
//! queue of the connection.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::frame::{ResetStatus, Sent};

/// What comes next on a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// The client sends no more.
    Fin,
}

/// The client or its connection is gone, or it has reset the stream.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Gone;

/// A stream that the client opened. Dropping it says nothing to the client: it is ended by
/// [`Writer::finish`] or [`Writer::reset`].
#[derive(Debug)]
pub(in super::super) struct Stream {
    pub(in super::super) reader: Reader,
    pub(in super::super) writer: Writer,
}

/// What the client sends.
#[derive(Debug)]
pub(in super::super) struct Reader {
    pub(super) queue: mpsc::Receiver<Piece>,
}

impl Reader {
    /// The next piece of data, or `None` when the client sends no more.
    pub(in super::super) async fn next(&mut self) -> Result<Option<Bytes>, Gone> {
        match self.queue.recv().await {
            Some(Piece::Data(data)) => Ok(Some(data)),
            Some(Piece::Fin) => Ok(None),
            None => Err(Gone),
        }
    }
}

/// What is sent to the client.
#[derive(Debug, Clone)]
pub(in super::super) struct Writer {
    pub(super) id: u32,
    pub(super) frames: mpsc::Sender<Sent>,
}

impl Writer {
    pub(in super::super) async fn accept(&self) -> Result<(), Gone> {
        self.put(Sent::Reply { stream: self.id }).await
    }

    pub(in super::super) async fn write(&self, data: Bytes) -> Result<(), Gone> {
        self.put(Sent::Data { stream: self.id, data, fin: false }).await
    }

    /// Nothing more will be sent.
    pub(in super::super) async fn finish(&self) -> Result<(), Gone> {
        self.put(Sent::Data { stream: self.id, data: Bytes::new(), fin: true }).await
    }

    /// The stream is not wanted.
    pub(in super::super) async fn refuse(&self) -> Result<(), Gone> {
        self.put(Sent::Reset { stream: self.id, status: ResetStatus::Refused }).await
    }

    /// The stream ends at once, in both directions.
    pub(in super::super) async fn reset(&self) -> Result<(), Gone> {
        self.put(Sent::Reset { stream: self.id, status: ResetStatus::Cancel }).await
    }

    async fn put(&self, frame: Sent) -> Result<(), Gone> {
        self.frames.send(frame).await.map_err(|_| Gone)
    }
}
