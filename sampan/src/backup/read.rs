//! Reading a backup, part by part, checking everything on the way.

use std::io::{self, Read};

use super::format::{FormatError, FrameReader, Kind};
use super::{About, Contents, Part};

/// Why a backup is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("the backup is damaged at byte {at}: {what}")]
    Order { at: u64, what: &'static str },
    #[error("the backup was given up while it was written: {0}")]
    GivenUp(String),
    #[error("the backup holds {0:?} at byte {1}, which this version of sampan does not know")]
    Unknown(String, u64),
}

/// A backup that is being read.
pub struct Backup<R> {
    frames: FrameReader<R>,
    about: About,
    contents: Contents,
    payload: Vec<u8>,
}

impl<R: Read> Backup<R> {
    /// Reads what stands at its head.
    pub fn begin(from: R) -> Result<Self, ReadError> {
        let mut frames = FrameReader::begin(from)?;
        let (at, mut payload) = (frames.at(), Vec::new());
        let kind = frames.frame(&mut payload)?;
        let about = match kind {
            Kind::About => json(&payload, at)?,
            Kind::Failed => return Err(given_up(&payload)),
            _ => return Err(ReadError::Order { at, what: "it does not say what it is" }),
        };
        Ok(Self { frames, about, contents: Contents::default(), payload })
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The next part, which has to be read to its end; None when the backup is whole.
    pub fn next_part(&mut self) -> Result<Option<PartReader<'_, R>>, ReadError> {
        let at = self.frames.at();
        match self.frames.frame(&mut self.payload)? {
            Kind::Part => {
                let part: Part = json(&self.payload, at)?;
                self.payload.clear();
                Ok(Some(PartReader { backup: self, part, bytes: 0, position: 0, ended: false }))
            }
            Kind::End => {
                self.contents.sha256 = hex::encode(&self.payload);
                self.contents.bytes = self.frames.at();
                Ok(None)
            }
            Kind::Failed => Err(given_up(&self.payload)),
            _ => Err(ReadError::Order { at, what: "no part begins here" }),
        }
    }

    /// Reads all that is left, only to check it.
    pub fn check(mut self) -> Result<Contents, ReadError> {
        while let Some(mut part) = self.next_part()? {
            part.skip()?;
        }
        Ok(self.contents)
    }

    /// What it held; whole once [`Backup::next_part`] has said None.
    pub fn contents(self) -> Contents {
        self.contents
    }
}

fn json<T: serde::de::DeserializeOwned>(payload: &[u8], at: u64) -> Result<T, ReadError> {
    serde_json::from_slice(payload)
        .map_err(|_| ReadError::Unknown(String::from_utf8_lossy(payload).into_owned(), at))
}

fn given_up(payload: &[u8]) -> ReadError {
    ReadError::GivenUp(String::from_utf8_lossy(payload).into_owned())
}

/// One part of a backup. It ends, as a reader, only when it is known to be whole.
pub struct PartReader<'a, R> {
    backup: &'a mut Backup<R>,
    part: Part,
    bytes: u64,
    position: usize,
    ended: bool,
}

impl<R: Read> PartReader<'_, R> {
    /// What it is.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Reads it to its end.
    pub fn skip(&mut self) -> Result<(), ReadError> {
        while self.next_piece()? {}
        Ok(())
    }

    /// Whether there is one more piece in the backup's payload.
    fn next_piece(&mut self) -> Result<bool, ReadError> {
        if self.ended {
            return Ok(false);
        }
        let backup = &mut *self.backup;
        let at = backup.frames.at();
        self.position = 0;
        match backup.frames.frame(&mut backup.payload)? {
            Kind::Data => {
                self.bytes += backup.payload.len() as u64;
                Ok(true)
            }
            Kind::PartEnd if backup.payload == self.bytes.to_le_bytes() => {
                self.ended = true;
                backup.contents.parts.push((self.part.clone(), self.bytes));
                backup.payload.clear();
                Ok(false)
            }
            Kind::PartEnd => Err(ReadError::Order { at, what: "a part is not as long as it says" }),
            Kind::Failed => Err(given_up(&backup.payload)),
            _ => Err(ReadError::Order { at, what: "a part does not end" }),
        }
    }
}

impl<R: Read> Read for PartReader<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.position == self.backup.payload.len() {
            if !self.next_piece().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let left = &self.backup.payload[self.position..];
        let count = left.len().min(to.len());
        to[..count].copy_from_slice(&left[..count]);
        self.position += count;
        Ok(count)
    }
}
