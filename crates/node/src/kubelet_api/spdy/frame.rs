//! Frames on the wire. What a client sends is read as it comes in: the data of a long frame is
//! handed on in pieces, a control frame is kept until it is whole.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::headers::{Packer, Unpacker};
use super::{Headers, SpdyError};

const VERSION: u16 = 3;
const CONTROL: u8 = 0x80;
const HEAD_BYTES: usize = 8;
/// The longest control frame that is taken; only headers make one long.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;

const FLAG_FIN: u8 = 1;
const STREAM_MASK: u32 = 0x7fff_ffff;

/// What a client sends, as far as it concerns a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Open {
        stream: u32,
        headers: Headers,
        fin: bool,
    },
    /// A piece of data, or the end of it, or both.
    Data {
        stream: u32,
        data: Bytes,
        fin: bool,
    },
    Reset {
        stream: u32,
    },
    Ping {
        id: u32,
    },
    /// The client opens no more streams.
    GoAway,
    /// Settings, windows, late headers: nothing to do.
    Other,
}

/// What a server sends.
#[derive(Debug)]
pub(super) enum Sent {
    Reply { stream: u32 },
    Data { stream: u32, data: Bytes, fin: bool },
    Reset { stream: u32, status: ResetStatus },
    Ping { id: u32 },
}

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResetStatus {
    /// It was not begun.
    Refused = 3,
    /// It is no longer of use.
    Cancel = 5,
}

/// The data frame that is coming in.
struct Body {
    stream: u32,
    fin: bool,
    left: usize,
}

/// Reads frames from bytes as they come.
pub(super) struct Decoder {
    unpacker: Unpacker,
    body: Option<Body>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { unpacker: Unpacker::new(), body: None }
    }

    /// The next frame or piece of one; `None` when more bytes are needed.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, SpdyError> {
        if let Some(body) = self.body.take() {
            return Ok(self.piece(body, buffer));
        }
        let Some(head) = buffer.first_chunk::<HEAD_BYTES>().copied() else {
            return Ok(None);
        };
        let [kind, flags_length] = [&head[..4], &head[4..]].map(|mut half| half.get_u32());
        let flags = head[4];
        let length = usize::try_from(flags_length & 0x00ff_ffff).unwrap_or(usize::MAX);
        if head[0] & CONTROL == 0 {
            buffer.advance(HEAD_BYTES);
            let fin = flags & FLAG_FIN != 0;
            return Ok(self.piece(Body { stream: kind, fin, left: length }, buffer));
        }
        if length > CONTROL_BYTES_MAX {
            return Err(SpdyError::Protocol("a control frame is too long"));
        }
        if buffer.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        let [_, version_low, type_high, type_low] = kind.to_be_bytes();
        if u16::from_be_bytes([head[0] & !CONTROL, version_low]) != VERSION {
            return Err(SpdyError::Protocol("another version"));
        }
        buffer.advance(HEAD_BYTES);
        let body = buffer.split_to(length).freeze();
        self.control(u16::from_be_bytes([type_high, type_low]), flags, body).map(Some)
    }

    /// As much of a data frame as is there.
    fn piece(&mut self, body: Body, buffer: &mut BytesMut) -> Option<Received> {
        let data = buffer.split_to(body.left.min(buffer.len())).freeze();
        let left = body.left - data.len();
        let whole = left == 0;
        let (stream, fin) = (body.stream, body.fin && whole);
        let nothing = data.is_empty() && !whole;
        if !whole {
            self.body = Some(Body { left, ..body });
        }
        (!nothing).then_some(Received::Data { stream, data, fin })
    }

    fn control(&mut self, kind: u16, flags: u8, mut body: Bytes) -> Result<Received, SpdyError> {
        let mut number =
            || body.try_get_u32().map_err(|_| SpdyError::Protocol("a control frame is cut off"));
        match kind {
            SYN_STREAM => {
                let stream = number()? & STREAM_MASK;
                number()?;
                body.try_get_u16().map_err(|_| SpdyError::Protocol("a stream is cut off"))?;
                let headers = self.unpacker.unpack(&body)?;
                Ok(Received::Open { stream, headers, fin: flags & FLAG_FIN != 0 })
            }
            RST_STREAM => Ok(Received::Reset { stream: number()? & STREAM_MASK }),
            PING => Ok(Received::Ping { id: number()? }),
            GOAWAY => Ok(Received::GoAway),
            // Every header block has to be read, for the next one builds on it.
            HEADERS => {
                number()?;
                self.unpacker.unpack(&body)?;
                Ok(Received::Other)
            }
            _ => Ok(Received::Other),
        }
    }
}

/// Writes frames to bytes.
pub(super) struct Encoder(Packer);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(Packer::new())
    }

    /// The frame's bytes: its head, and what follows.
    pub(super) fn encode(&mut self, frame: Sent) -> [Bytes; 2] {
        match frame {
            Sent::Data { stream, data, fin } => {
                let mut head = BytesMut::with_capacity(HEAD_BYTES);
                head.put_u32(stream & STREAM_MASK);
                head.put_u8(if fin { FLAG_FIN } else { 0 });
                head.put_uint(data.len() as u64, 3);
                [head.freeze(), data]
            }
            Sent::Reply { stream } => {
                let mut body = stream.to_be_bytes().to_vec();
                body.extend(self.0.pack(&Headers::default()));
                control(SYN_REPLY, &body)
            }
            Sent::Reset { stream, status } => {
                let body = [stream.to_be_bytes(), (status as u32).to_be_bytes()].concat();
                control(RST_STREAM, &body)
            }
            Sent::Ping { id } => control(PING, &id.to_be_bytes()),
        }
    }
}

fn control(kind: u16, body: &[u8]) -> [Bytes; 2] {
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + body.len());
    frame.put_u16(VERSION | u16::from(CONTROL) << 8);
    frame.put_u16(kind);
    frame.put_u8(0);
    frame.put_uint(body.len() as u64, 3);
    frame.put_slice(body);
    [frame.freeze(), Bytes::new()]
}

/// What a client would send; for tests.
#[cfg(test)]
pub(super) mod client {
    use super::*;

    #[derive(Default)]
    pub(in super::super) struct Client {
        packer: Option<Packer>,
    }

    impl Client {
        pub(in super::super) fn open(&mut self, stream: u32, headers: &Headers) -> Vec<u8> {
            let packer = self.packer.get_or_insert_with(Packer::new);
            let mut body = [stream.to_be_bytes(), [0; 4]].concat();
            body.extend([0; 2]);
            body.extend(packer.pack(headers));
            control(SYN_STREAM, &body)[0].to_vec()
        }

        pub(in super::super) fn data(&self, stream: u32, data: &[u8], fin: bool) -> Vec<u8> {
            let data = Bytes::copy_from_slice(data);
            Encoder::new().encode(Sent::Data { stream, data, fin }).concat()
        }

        pub(in super::super) fn reset(&self, stream: u32) -> Vec<u8> {
            let reset = Sent::Reset { stream, status: ResetStatus::Cancel };
            Encoder::new().encode(reset).concat()
        }

        pub(in super::super) fn ping(&self, id: u32) -> Vec<u8> {
            Encoder::new().encode(Sent::Ping { id }).concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::client::Client;
    use super::*;
    use proptest::prelude::*;

    /// All frames in `bytes`, which arrive in pieces of `step`; pieces of data are joined.
    fn read(bytes: &[u8], step: usize) -> Result<Vec<Received>, SpdyError> {
        let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
        let mut frames: Vec<Received> = Vec::new();
        for piece in bytes.chunks(step) {
            buffer.extend(piece);
            while let Some(frame) = decoder.next(&mut buffer)? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &[Received]) {
        assert_eq!(read(bytes, bytes.len()).unwrap(), expected);
    }

    #[test]
    fn frames_are_read() {
        let headers = Headers::from([("port", "80")]);
        let open = Client::default().open(1, &headers);
        check(&open, &[Received::Open { stream: 1, headers, fin: false }]);
        let client = Client::default();
        let data = Received::Data { stream: 3, data: "hi".into(), fin: true };
        check(&client.data(3, b"hi", true), &[data]);
        let end = Received::Data { stream: 3, data: Bytes::new(), fin: true };
        check(&client.data(3, b"", true), &[end]);
        check(&client.reset(5), &[Received::Reset { stream: 5 }]);
        check(&client.ping(7), &[Received::Ping { id: 7 }]);
        // Settings, with no entry.
        check(&[0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0], &[Received::Other]);
    }

    #[test]
    fn long_data_is_handed_on_before_it_is_whole() {
        let frame = Client::default().data(1, &[7; 100], true);
        let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::from(&frame[..58]));
        let first = decoder.next(&mut buffer).unwrap();
        let data = Bytes::from_static(&[7; 50]);
        assert_eq!(first, Some(Received::Data { stream: 1, data: data.clone(), fin: false }));
        assert_eq!(decoder.next(&mut buffer).unwrap(), None);
        buffer.extend(&frame[58..]);
        let second = decoder.next(&mut buffer).unwrap();
        assert_eq!(second, Some(Received::Data { stream: 1, data, fin: true }));
    }

    #[test]
    fn what_is_no_spdy_is_refused() {
        for bytes in [
            &[0x80, 2, 0, 1, 0, 0, 0, 0][..],
            &[0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff],
            &[0x80, 3, 0, 3, 0, 0, 0, 1, 9],
        ] {
            assert!(read(bytes, bytes.len()).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_frames_are_cut(
            data in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40
        ) {
            let mut client = Client::default();
            let headers = Headers::from([("streamType", "data")]);
            let mut bytes = client.open(1, &headers);
            bytes.extend(client.data(1, &data, true));
            bytes.extend(client.ping(9));
            let frames = read(&bytes, step).unwrap();
            prop_assert_eq!(&frames[0], &Received::Open { stream: 1, headers, fin: false });
            prop_assert_eq!(frames.last(), Some(&Received::Ping { id: 9 }));
            let mut joined: Vec<u8> = Vec::new();
            for frame in &frames[1..frames.len() - 1] {
                let Received::Data { stream: 1, data, .. } = frame else {
                    panic!("{frame:?}");
                };
                joined.extend(data);
            }
            prop_assert_eq!(joined, data);
            let ended = |frame: &&Received| matches!(frame, Received::Data { fin: true, .. });
            prop_assert_eq!(frames.iter().filter(ended).count(), 1);
        }

        #[test]
        fn nonsense_is_refused_and_no_more(
            bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..40
        ) {
            let _ = read(&bytes, step);
        }

        #[test]
        fn no_more_is_kept_than_the_longest_control_frame(
            head in any::<[u8; 6]>(), filler in any::<u8>(), step in 1usize..9000
        ) {
            // The beginning of a control frame, of any length that it says.
            let mut bytes = vec![CONTROL, 3];
            bytes.extend(head);
            bytes.resize(3 * CONTROL_BYTES_MAX, filler);
            let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
            for piece in bytes.chunks(step) {
                buffer.extend(piece);
                while let Ok(Some(_)) = decoder.next(&mut buffer) {}
                if decoder.next(&mut buffer).is_err() {
                    break;
                }
                prop_assert!(buffer.len() <= HEAD_BYTES + CONTROL_BYTES_MAX);
            }
        }

        #[test]
        fn a_damaged_stream_is_refused_and_no_more(at in 0usize..40, byte in any::<u8>()) {
            let mut bytes = Client::default().open(1, &Headers::from([("port", "80")]));
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes, 7);
        }
    }
}
