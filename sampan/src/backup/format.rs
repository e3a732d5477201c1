//! How a backup lies in a file: a magic, a version, and frames with a checksum each.
//!
//! A frame is its kind (1 byte), the length of its payload (4 bytes, little endian), the CRC-32 of kind,
//! length and payload (4 bytes), and the payload.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// What every backup begins with.
pub const MAGIC: &[u8; 8] = b"SAMPANBK";
/// The version of the format that is written here, and the newest that is read.
pub const VERSION: u32 = 1;
/// The longest payload. What is longer is cut into several frames.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// The bytes of a frame before its payload.
const HEAD_BYTES: usize = 9;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON: [`About`](super::About). The first frame.
    About = 1,
    /// JSON: the [`Part`](super::Part) that begins.
    Part = 2,
    /// A piece of the part.
    Data = 3,
    /// The part is whole. Its payload is the number of its bytes, 8 bytes little endian.
    PartEnd = 4,
    /// The writer gave up; its payload says why.
    Failed = 5,
    /// The backup is whole. Its payload is the SHA-256 of everything before this frame.
    End = 6,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::About, Self::Part, Self::Data, Self::PartEnd, Self::Failed, Self::End]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Why a file is not read as a backup.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("this is no backup: it does not begin as one")]
    Foreign,
    #[error(
        "this backup has format version {found}, and this sampan knows version {VERSION} at most: \
         use the version of sampan that wrote it, or a newer one"
    )]
    Newer { found: u32 },
    #[error("the backup is damaged at byte {at}: {what}")]
    Damaged { at: u64, what: &'static str },
    #[error("the backup is cut off at byte {at}: it was not written or copied to its end")]
    Cut { at: u64 },
    #[error("read at byte {at}")]
    Io { at: u64, source: io::Error },
}

/// Writes frames and sums up all that it wrote.
pub struct FrameWriter<W> {
    to: W,
    sum: Sha256,
    bytes: u64,
}

impl<W: Write> FrameWriter<W> {
    /// Writes the magic and the version.
    pub fn begin(to: W) -> io::Result<Self> {
        let mut writer = Self { to, sum: Sha256::new(), bytes: 0 };
        writer.put(MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        Ok(writer)
    }

    /// Writes one frame, whose payload is no longer than [`PAYLOAD_BYTES_MAX`].
    pub fn frame(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).expect("payloads are cut to their maximum");
        let len = len.to_le_bytes();
        self.put(&[kind as u8])?;
        self.put(&len)?;
        self.put(&crc(kind as u8, len, payload).to_le_bytes())?;
        self.put(payload)
    }

    /// Writes the last frame. Returns the sum in it, all bytes written, and where they went.
    pub fn end(mut self) -> io::Result<(String, u64, W)> {
        let sum = self.sum.clone().finalize();
        self.frame(Kind::End, &sum)?;
        self.to.flush()?;
        Ok((hex::encode(sum), self.bytes, self.to))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

fn crc(kind: u8, len: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&len);
    crc.update(payload);
    crc.finalize()
}

/// Reads frames, checks each, and sums up all that it read.
pub struct FrameReader<R> {
    from: R,
    sum: Sha256,
    bytes: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads the magic and the version.
    pub fn begin(from: R) -> Result<Self, FormatError> {
        let mut reader = Self { from, sum: Sha256::new(), bytes: 0 };
        let magic: [u8; 8] = reader.take_head()?;
        if magic != *MAGIC {
            return Err(FormatError::Foreign);
        }
        match u32::from_le_bytes(reader.take_head()?) {
            0 => {
                Err(FormatError::Damaged { at: MAGIC.len() as u64, what: "there is no version 0" })
            }
            VERSION => Ok(reader),
            found if found > VERSION => Err(FormatError::Newer { found }),
            _ => unreachable!("there is no version between 0 and 1"),
        }
    }

    /// Where the next frame begins.
    pub fn at(&self) -> u64 {
        self.bytes
    }

    /// Reads one frame into `payload`. The last one is checked against all before it, and
    /// nothing may follow it.
    pub fn frame(&mut self, payload: &mut Vec<u8>) -> Result<Kind, FormatError> {
        let at = self.bytes;
        let damaged = |what| FormatError::Damaged { at, what };
        let sum_before = self.sum.clone();
        let head: [u8; HEAD_BYTES] = self.take()?;
        let len: [u8; 4] = head[1..5].try_into().expect("four bytes");
        let given = u32::from_le_bytes(head[5..9].try_into().expect("four bytes"));
        let size = u32::from_le_bytes(len) as usize;
        if size > PAYLOAD_BYTES_MAX {
            return Err(damaged("the length of a frame cannot be"));
        }
        payload.resize(size, 0);
        self.fill(payload)?;
        if crc(head[0], len, payload) != given {
            return Err(damaged("the checksum of a frame is wrong"));
        }
        let kind = Kind::of(head[0]).ok_or_else(|| damaged("a frame has an unknown kind"))?;
        if kind == Kind::End {
            if payload.as_slice() != sum_before.finalize().as_slice() {
                return Err(damaged("the SHA-256 of the whole is wrong"));
            }
            self.nothing_follows()?;
        }
        Ok(kind)
    }

    fn nothing_follows(&mut self) -> Result<(), FormatError> {
        let at = self.bytes;
        let mut one = [0];
        match self.from.read(&mut one) {
            Ok(0) => Ok(()),
            Ok(_) => Err(FormatError::Damaged { at, what: "something follows its end" }),
            Err(source) => Err(FormatError::Io { at, source }),
        }
    }

    /// Of the head of the file: what is shorter was never a backup.
    fn take_head<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take().map_err(|error| match error {
            FormatError::Cut { .. } => FormatError::Foreign,
            other => other,
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FormatError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.from.read(&mut buffer[filled..]) {
                Ok(0) => return Err(FormatError::Cut { at: self.bytes + filled as u64 }),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(FormatError::Io { at: self.bytes, source }),
            }
        }
        self.sum.update(&*buffer);
        self.bytes += filled as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: &[(Kind, &[u8])]) -> Vec<u8> {
        let mut writer = FrameWriter::begin(Vec::new()).unwrap();
        for (kind, payload) in frames {
            writer.frame(*kind, payload).unwrap();
        }
        writer.end().unwrap().2
    }

    fn read(file: &[u8]) -> Result<Vec<(Kind, Vec<u8>)>, FormatError> {
        let mut reader = FrameReader::begin(file)?;
        let (mut frames, mut payload) = (Vec::new(), Vec::new());
        loop {
            let kind = reader.frame(&mut payload)?;
            if kind == Kind::End {
                return Ok(frames);
            }
            frames.push((kind, payload.clone()));
        }
    }

    fn check(file: &[u8], expected: &str) {
        let error = read(file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }

    #[test]
    fn frames_come_back_as_they_were() {
        let file = file(&[(Kind::About, b"{}"), (Kind::Data, b"")]);
        assert_eq!(read(&file).unwrap(), [(Kind::About, b"{}".to_vec()), (Kind::Data, vec![])]);
    }

    #[test]
    fn a_file_cut_anywhere_is_told() {
        let whole = file(&[(Kind::About, b"{}"), (Kind::Data, b"abc")]);
        for cut in 0..MAGIC.len() + 4 {
            check(&whole[..cut], "no backup");
        }
        for cut in MAGIC.len() + 4..whole.len() {
            check(&whole[..cut], "cut off at byte");
        }
    }

    #[test]
    fn a_bit_flipped_anywhere_is_told() {
        let whole = file(&[(Kind::About, b"{}"), (Kind::Data, b"abc")]);
        for byte in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[byte] ^= 1 << bit;
                assert!(read(&changed).is_err(), "bit {bit} of byte {byte}");
            }
        }
    }

    #[test]
    fn frames_taken_out_or_put_behind_the_end_are_told() {
        let whole = file(&[(Kind::Data, b"abc"), (Kind::Data, b"xyz")]);
        let mut less = whole.clone();
        less.drain(12..12 + HEAD_BYTES + 3);
        check(&less, "SHA-256");
        check(&[whole.as_slice(), b"x"].concat(), "something follows");
    }

    #[test]
    fn foreign_files_and_newer_formats_are_told_apart() {
        check(b"", "no backup");
        check(b"PK\x03\x04 and so on and on", "no backup");
        let mut newer = file(&[]);
        newer[8] = 2;
        check(&newer, "format version 2");
    }
}
