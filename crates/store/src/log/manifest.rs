//! What files the log must have: written anew before one that was not there may be relied on.
//!
//! Segments in the middle are missed because revisions are. The newest segment and the newest
//! snapshot are missed because this says that there were such.
//!
//! `"sampanmf" | format u32 | newest snapshot u64 | first revision of the newest segment u64 |
//! crc32 u32`, a number being 0 where there is none.

use std::io::{self, Read};

use crate::Revision;
use crate::log_store::LogStore;

pub(super) const NAME: &str = "manifest";
const UNFINISHED: &str = "manifest.tmp";
const MAGIC: &[u8; 8] = b"sampanmf";
const FORMAT: u32 = 1;
const BYTES: usize = 32;

/// The files that must be there; newer ones may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// The newest snapshot; [`Revision::NONE`] when there was none.
    pub snapshot: Revision,
    /// The first revision of the newest segment; [`Revision::NONE`] when there was none.
    pub segment: Revision,
}

/// Why a manifest could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    Format(u32),
    Damaged,
}

impl Manifest {
    fn encode(self) -> [u8; BYTES] {
        let mut file = [0; BYTES];
        file[..8].copy_from_slice(MAGIC);
        file[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        file[12..20].copy_from_slice(&self.snapshot.0.to_le_bytes());
        file[20..28].copy_from_slice(&self.segment.0.to_le_bytes());
        let crc = crc32fast::hash(&file[..28]);
        file[28..].copy_from_slice(&crc.to_le_bytes());
        file
    }

    fn decode(file: &[u8]) -> Result<Manifest, ReadError> {
        let file: &[u8; BYTES] = file.try_into().map_err(|_| ReadError::Damaged)?;
        if file[..8] != *MAGIC || file[28..] != crc32fast::hash(&file[..28]).to_le_bytes() {
            return Err(ReadError::Damaged);
        }
        let format = u32::from_le_bytes(std::array::from_fn(|i| file[8 + i]));
        if format != FORMAT {
            return Err(ReadError::Format(format));
        }
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| file[at + i]));
        Ok(Manifest { snapshot: Revision(number(12)), segment: Revision(number(20)) })
    }

    /// The manifest of a log; `None` when it has none.
    pub(super) fn read(store: &dyn LogStore) -> Result<Option<Manifest>, ReadError> {
        let mut content = Vec::new();
        let read = store.read(NAME);
        match read.and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut content)) {
            Ok(_) => Manifest::decode(&content).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    /// Makes this the manifest, durably; on an error it may be or not.
    pub(crate) fn write(self, store: &dyn LogStore) -> io::Result<()> {
        self.prepare(store)?;
        Manifest::install(store)
    }

    /// Writes it down beside the manifest there is: what takes room.
    pub(super) fn prepare(self, store: &dyn LogStore) -> io::Result<()> {
        let mut file = store.create(UNFINISHED)?;
        file.append(&self.encode())?;
        file.sync()
    }

    /// Makes what was prepared last the manifest; on an error it may be or not.
    pub(super) fn install(store: &dyn LogStore) -> io::Result<()> {
        store.rename(UNFINISHED, NAME)?;
        store.sync_names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_store::Memory;

    const SOME: Manifest = Manifest { snapshot: Revision(5), segment: Revision(9) };

    #[test]
    fn it_reads_back_as_written() {
        let store = Memory::default();
        assert!(matches!(Manifest::read(&store), Ok(None)));
        Manifest::default().write(&store).expect("memory writes");
        SOME.write(&store).expect("memory writes");
        assert!(matches!(Manifest::read(&store), Ok(Some(SOME))));
        assert_eq!(store.list().expect("memory lists"), [NAME]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = SOME.encode();
        for len in 0..BYTES {
            assert!(matches!(Manifest::decode(&good[..len]), Err(ReadError::Damaged)));
        }
        for bit in 0..BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Manifest::decode(&bad), Err(ReadError::Damaged)), "bit {bit}");
        }
    }
}
