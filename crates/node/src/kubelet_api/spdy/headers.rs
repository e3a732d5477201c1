//! Header blocks: one zlib stream for each direction of a connection, begun with the protocol's
//! own dictionary (SPDY/3, section 2.6.10.1).

use bytes::{Buf, BufMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::SpdyError;

const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");
/// The most that the headers of one stream may be, unpacked.
const BLOCK_BYTES_MAX: usize = 64 * 1024;
/// The most headers of one stream.
const HEADERS_MAX: usize = 256;
/// What is unpacked at a time.
const STEP_BYTES: usize = 4096;

/// The headers of a stream. Names are in lower case on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a header; `name` in lower case.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        let (_, values) = self.0.iter().find(|(key, _)| key == name)?;
        values.split('\0').next()
    }

    fn parse(mut block: &[u8]) -> Result<Self, SpdyError> {
        let count = number(&mut block)?;
        if count > HEADERS_MAX {
            return Err(SpdyError::Protocol("too many headers"));
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push((text(&mut block)?.to_lowercase(), text(&mut block)?));
        }
        Ok(Self(headers))
    }

    fn to_block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        block.put_u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.0 {
            for part in [name, value] {
                block.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
                block.extend(part.as_bytes());
            }
        }
        block
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Headers {
    fn from(headers: [(&str, &str); N]) -> Self {
        Self(headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).into())
    }
}

fn number(block: &mut &[u8]) -> Result<usize, SpdyError> {
    let number = block.try_get_u32().map_err(|_| SpdyError::Protocol("headers cut off"))?;
    usize::try_from(number).map_err(|_| SpdyError::Protocol("headers too long"))
}

fn text(block: &mut &[u8]) -> Result<String, SpdyError> {
    let length = number(block)?;
    let (text, rest) =
        block.split_at_checked(length).ok_or(SpdyError::Protocol("headers cut off"))?;
    *block = rest;
    String::from_utf8(text.to_vec()).map_err(|_| SpdyError::Protocol("headers not in UTF-8"))
}

/// Reads the header blocks of a connection, in their order.
pub(super) struct Unpacker(Decompress);

impl Unpacker {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    pub(super) fn unpack(&mut self, packed: &[u8]) -> Result<Headers, SpdyError> {
        let mut block = Vec::new();
        let mut rest = packed;
        loop {
            if block.len() > BLOCK_BYTES_MAX {
                return Err(SpdyError::Protocol("headers too long"));
            }
            let (read, written) = self.step(rest, &mut block)?;
            rest = &rest[read..];
            if rest.is_empty() && written < STEP_BYTES {
                return Headers::parse(&block);
            }
            if read == 0 && written == 0 {
                return Err(SpdyError::Protocol("headers cut off"));
            }
        }
    }

    /// Unpacks a bounded piece: how much was read and written.
    fn step(&mut self, packed: &[u8], block: &mut Vec<u8>) -> Result<(usize, usize), SpdyError> {
        let mut piece = [0; STEP_BYTES];
        let (read, written) = (self.0.total_in(), self.0.total_out());
        match self.0.decompress(packed, &mut piece, FlushDecompress::Sync) {
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) => return Err(SpdyError::Protocol("headers ended")),
            Err(error) if error.needs_dictionary().is_some() => {
                // It fails for another dictionary than the protocol's.
                self.0
                    .set_dictionary(DICTIONARY)
                    .map_err(|_| SpdyError::Protocol("headers of another dictionary"))?;
            }
            Err(_) => return Err(SpdyError::Protocol("headers not in zlib")),
        }
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let read = count(self.0.total_in(), read);
        let written = count(self.0.total_out(), written);
        block.extend(&piece[..written]);
        Ok((read, written))
    }
}

/// Writes the header blocks of a connection, in their order.
pub(super) struct Packer(Compress);

impl Packer {
    pub(super) fn new() -> Self {
        let mut packer = Compress::new(Compression::fast(), true);
        packer.set_dictionary(DICTIONARY).expect("a fresh stream takes a dictionary");
        Self(packer)
    }

    pub(super) fn pack(&mut self, headers: &Headers) -> Vec<u8> {
        let block = headers.to_block();
        let mut packed = Vec::with_capacity(block.len() + STEP_BYTES);
        let began = self.0.total_in();
        loop {
            let read = usize::try_from(self.0.total_in() - began).unwrap_or(usize::MAX);
            self.0
                .compress_vec(&block[read..], &mut packed, FlushCompress::Sync)
                .expect("a stream that is never finished takes all input");
            if packed.len() < packed.capacity() {
                return packed;
            }
            packed.reserve(STEP_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header block as Go's spdystream sends it first: `port: 80`.
    fn packed_elsewhere() -> Vec<u8> {
        Packer::new().pack(&Headers::from([("port", "80")]))
    }

    #[test]
    fn the_dictionary_is_the_protocols() {
        // zlib's own words: deflate, a dictionary, and its checksum as in every SPDY/3 stream.
        let packed = packed_elsewhere();
        assert_eq!(packed[0] & 0x0f, 8);
        assert_eq!(packed[1] & 0x20, 0x20);
        assert_eq!(packed[2..6], [0xe3, 0xc6, 0xa7, 0xc2]);
    }

    #[test]
    fn blocks_are_read_in_their_order() {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
        for port in ["80", "443", "80"] {
            let headers = Headers::from([("streamType", "data"), ("port", port)]);
            let read = unpacker.unpack(&packer.pack(&headers)).unwrap();
            assert_eq!((read.get("port"), read.get("streamtype")), (Some(port), Some("data")));
            assert_eq!(read.get("nothing"), None);
        }
    }

    #[test]
    fn a_block_that_grows_beyond_all_bounds_is_refused() {
        let large = "x".repeat(BLOCK_BYTES_MAX * 4);
        let packed = Packer::new().pack(&Headers::from([("a", large.as_str())]));
        assert!(packed.len() < BLOCK_BYTES_MAX);
        assert!(Unpacker::new().unpack(&packed).is_err());
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            blocks in prop::collection::vec(
                prop::collection::vec(("[a-z]{1,9}", "\\PC{0,40}"), 0..8), 1..6)
        ) {
            let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
            for headers in blocks.into_iter().map(Headers) {
                prop_assert_eq!(unpacker.unpack(&packer.pack(&headers)).unwrap(), headers);
            }
        }

        #[test]
        fn nonsense_is_refused_and_no_more(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Unpacker::new().unpack(&bytes);
            let _ = Headers::parse(&bytes);
        }

        #[test]
        fn a_damaged_block_is_refused_and_no_more(at in 0usize..20, byte in any::<u8>()) {
            let mut packed = packed_elsewhere();
            let at = at % packed.len();
            packed[at] = byte;
            let _ = Unpacker::new().unpack(&packed);
        }
    }
}
