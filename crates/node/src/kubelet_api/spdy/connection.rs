//! A connection: reads frames and hands them to their streams, and writes what streams send.

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use futures::{Sink, SinkExt, StreamExt};
use tokio::sync::mpsc;

use super::frame::{Decoder, Encoder, Received, ResetStatus, Sent};
use super::stream::{Piece, Reader, Writer};
use super::{Headers, SpdyError, Stream};

/// Streams that are open at once; more are refused.
const STREAMS_MAX: usize = 2048;
/// Pieces of data that wait for the reader of a stream.
const PIECES_MAX: usize = 4;
/// Frames that wait for a slow client.
const FRAMES_MAX: usize = 32;
/// New streams that wait to be taken.
const OPEN_MAX: usize = 16;

/// A stream that the client wants, not yet accepted.
#[derive(Debug)]
pub(in super::super) struct Open {
    pub(in super::super) id: u32,
    pub(in super::super) headers: Headers,
    pub(in super::super) stream: Stream,
}

/// The server's end of a connection, over pieces of bytes.
pub(in super::super) struct Connection<I, O> {
    input: I,
    output: O,
    opened: mpsc::Sender<Open>,
}

impl<I, O> Connection<I, O>
where
    I: futures::Stream<Item = io::Result<Bytes>> + Unpin,
    O: Sink<Bytes, Error = io::Error> + Unpin,
{
    /// The connection, and the streams that the client will open on it.
    pub(in super::super) fn new(input: I, output: O) -> (Self, mpsc::Receiver<Open>) {
        let (opened, streams) = mpsc::channel(OPEN_MAX);
        (Self { input, output, opened }, streams)
    }

    /// Runs until the client goes, breaks the protocol, or nobody takes streams any more.
    pub(in super::super) async fn run(self) -> Result<(), SpdyError> {
        let (frames, queue) = mpsc::channel(FRAMES_MAX);
        let incoming = Incoming { opened: self.opened, frames, readers: HashMap::new() };
        tokio::select! {
            ended = incoming.read(self.input) => ended,
            ended = write(self.output, queue) => ended.map_err(SpdyError::Transport),
        }
    }
}

/// Writes what streams send, and flushes when there is nothing more for the moment.
async fn write(
    mut output: impl Sink<Bytes, Error = io::Error> + Unpin,
    mut queue: mpsc::Receiver<Sent>,
) -> io::Result<()> {
    let mut encoder = Encoder::new();
    while let Some(frame) = queue.recv().await {
        for part in encoder.encode(frame) {
            if !part.is_empty() {
                output.feed(part).await?;
            }
        }
        if queue.is_empty() {
            output.flush().await?;
        }
    }
    Ok(())
}

/// The reading half.
struct Incoming {
    opened: mpsc::Sender<Open>,
    frames: mpsc::Sender<Sent>,
    /// Streams on which the client may still send.
    readers: HashMap<u32, mpsc::Sender<Piece>>,
}

impl Incoming {
    async fn read(
        mut self,
        mut input: impl futures::Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> Result<(), SpdyError> {
        let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
        while let Some(bytes) = input.next().await {
            buffer.extend(bytes.map_err(SpdyError::Transport)?);
            while let Some(frame) = decoder.next(&mut buffer)? {
                if !self.take(frame).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Says whether to go on.
    async fn take(&mut self, frame: Received) -> Result<bool, SpdyError> {
        match frame {
            Received::Open { stream, headers, fin } => self.open(stream, headers, fin).await,
            Received::Data { stream, data, fin } => {
                self.data(stream, data, fin).await;
                Ok(true)
            }
            Received::Reset { stream } => {
                self.readers.remove(&stream);
                Ok(true)
            }
            // A client counts its pings in odd numbers; others answer ours, and we send none.
            Received::Ping { id } if id % 2 == 1 => Ok(self.send(Sent::Ping { id }).await),
            Received::Ping { .. } | Received::GoAway | Received::Other => Ok(true),
        }
    }

    async fn open(&mut self, id: u32, headers: Headers, fin: bool) -> Result<bool, SpdyError> {
        if id.is_multiple_of(2) || self.readers.contains_key(&id) {
            return Err(SpdyError::Protocol("a stream's number is not the client's to choose"));
        }
        self.readers.retain(|_, reader| !reader.is_closed());
        if self.readers.len() >= STREAMS_MAX {
            let refused = Sent::Reset { stream: id, status: ResetStatus::Refused };
            return Ok(self.send(refused).await);
        }
        let (pieces, queue) = mpsc::channel(PIECES_MAX);
        self.readers.insert(id, pieces);
        let writer = Writer { id, frames: self.frames.clone() };
        let stream = Stream { reader: Reader { queue }, writer };
        if fin {
            self.data(id, Bytes::new(), true).await;
        }
        Ok(self.opened.send(Open { id, headers, stream }).await.is_ok())
    }

    /// Data of a stream that is no more is dropped: it was under way when the stream ended.
    async fn data(&mut self, id: u32, data: Bytes, fin: bool) {
        let Some(reader) = self.readers.get(&id) else { return };
        let mut there = data.is_empty() || reader.send(Piece::Data(data)).await.is_ok();
        if there && fin {
            there = reader.send(Piece::Fin).await.is_ok();
        }
        if !there {
            self.readers.remove(&id);
        }
    }

    async fn send(&self, frame: Sent) -> bool {
        self.frames.send(frame).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::client::Client;
    use super::super::stream::Gone;
    use super::*;
    use futures::channel::mpsc as pipe;
    use proptest::prelude::*;
    use tokio::task::JoinHandle;

    /// A client's end: what it sends, what it receives, and the streams that the server sees.
    struct Harness {
        client: Client,
        input: pipe::UnboundedSender<io::Result<Bytes>>,
        output: pipe::UnboundedReceiver<Bytes>,
        streams: mpsc::Receiver<Open>,
        running: JoinHandle<Result<(), SpdyError>>,
    }

    impl Harness {
        fn new() -> Self {
            let (input, from_client) = pipe::unbounded();
            let (to_client, output) = pipe::unbounded();
            let to_client = to_client.sink_map_err(io::Error::other);
            let (connection, streams) = Connection::new(from_client, to_client);
            let running = tokio::spawn(connection.run());
            Self { client: Client::default(), input, output, streams, running }
        }

        fn send(&self, bytes: Vec<u8>) {
            self.input.unbounded_send(Ok(bytes.into())).unwrap();
        }

        async fn open(&mut self, id: u32) -> Open {
            let bytes = self.client.open(id, &Headers::from([("port", "80")]));
            self.send(bytes);
            self.streams.recv().await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_stream_carries_data_both_ways_and_ends_by_halves() {
        let mut harness = Harness::new();
        let Open { id, headers, mut stream } = harness.open(1).await;
        assert_eq!((id, headers.get("port")), (1, Some("80")));
        harness.send(harness.client.data(1, b"ask", true));
        assert_eq!(stream.reader.next().await, Ok(Some("ask".into())));
        assert_eq!(stream.reader.next().await, Ok(None));
        stream.writer.accept().await.unwrap();
        assert_eq!(harness.output.next().await.unwrap()[..4], [0x80, 3, 0, 2]);
        stream.writer.write("answer".into()).await.unwrap();
        assert_eq!(harness.output.next().await.unwrap()[..], [0, 0, 0, 1, 0, 0, 0, 6]);
        assert_eq!(harness.output.next().await.unwrap(), "answer");
        stream.writer.finish().await.unwrap();
        assert_eq!(harness.output.next().await.unwrap()[..], [0, 0, 0, 1, 1, 0, 0, 0]);
    }

    #[tokio::test]
    async fn a_reset_stream_is_gone_and_the_others_stay() {
        let mut harness = Harness::new();
        let mut first = harness.open(1).await.stream;
        let mut second = harness.open(3).await.stream;
        harness.send(harness.client.reset(1));
        harness.send(harness.client.data(1, b"late", false));
        harness.send(harness.client.data(3, b"here", false));
        assert_eq!(first.reader.next().await, Err(Gone));
        assert_eq!(second.reader.next().await, Ok(Some("here".into())));
    }

    #[tokio::test]
    async fn pings_are_answered() {
        let mut harness = Harness::new();
        harness.send(harness.client.ping(5));
        assert_eq!(harness.output.next().await.unwrap()[8..], [0, 0, 0, 5]);
    }

    #[tokio::test]
    async fn streams_without_end_are_refused() {
        let mut harness = Harness::new();
        let mut held = Vec::new();
        for n in 0..STREAMS_MAX {
            held.push(harness.open(u32::try_from(2 * n + 1).unwrap()).await);
        }
        let bytes = harness.client.open(99_999, &Headers::default());
        harness.send(bytes);
        assert_eq!(harness.output.next().await.unwrap()[..4], [0x80, 3, 0, 3]);
        // Those that were let go make room.
        held.clear();
        harness.open(100_001).await;
    }

    #[tokio::test]
    async fn the_connection_ends_with_its_client_or_its_sense() {
        let harness = Harness::new();
        harness.input.close_channel();
        assert!(harness.running.await.unwrap().is_ok());
        let mut harness = Harness::new();
        let bytes = harness.client.open(2, &Headers::default());
        harness.send(bytes);
        assert!(harness.running.await.unwrap().is_err());
    }

    /// What a client may do, well or badly.
    fn act(client: &mut Client, (kind, stream, data): &(u8, u32, Vec<u8>)) -> Vec<u8> {
        match kind {
            0 => client.open(*stream, &Headers::from([("port", "80")])),
            1 => client.data(*stream, data, false),
            2 => client.data(*stream, data, true),
            3 => client.reset(*stream),
            4 => client.ping(*stream),
            _ => data.clone(),
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_client_sends_disturbs_more_than_its_connection(
            acts in prop::collection::vec(
                (0u8..6, 1u32..9, prop::collection::vec(any::<u8>(), 0..60)), 0..40),
            damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let ended = runtime.block_on(async {
                let mut harness = Harness::new();
                let mut bytes = Vec::new();
                for act in &acts {
                    bytes.extend(self::act(&mut harness.client, act));
                }
                if let Some((at, byte)) = damage && !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                harness.send(bytes);
                harness.input.close_channel();
                // Streams are taken and let go.
                let taken = tokio::spawn(async move { while harness.streams.recv().await.is_some() {} });
                let ended = harness.running.await;
                taken.await.unwrap();
                ended
            });
            prop_assert!(ended.is_ok(), "it ends, without a panic");
        }
    }
}
