//! How far the log was acknowledged: a note beside it, written over after every append.
//!
//! A frame that is missing or bad at the end of the log is what a crash leaves of a write that
//! nobody was told of, or an acknowledged write that the disk has lost since. The two look alike;
//! this note tells them apart. It is written after the append it speaks of is durable, and is not
//! made durable itself, as that would double the cost of a write. So it may be late, never early:
//!
//! - After a crash of the process, or when the store was closed, it is exact: any loss is noticed.
//! - After a crash of the machine it may be as old as what the system had not written back yet,
//!   mostly 30 s. A loss of what was written after it cannot be told from a torn write.
//! - One that is damaged itself, or missing, says nothing.
//!
//! `"sampantl" | format u32 | first revision of the segment u64 | its length u64 | crc32 u32`

use std::io::{self, Read};

use crate::Revision;
use crate::log_store::{LogStore, Note};

pub(super) const NAME: &str = "tail";
const MAGIC: &[u8; 8] = b"sampantl";
const FORMAT: u32 = 1;
const BYTES: usize = 32;

/// Up to where the log was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The segment that was appended to.
    pub first: Revision,
    /// Its length.
    pub bytes: u64,
}

impl Acknowledged {
    fn encode(self) -> [u8; BYTES] {
        let mut note = [0; BYTES];
        note[..8].copy_from_slice(MAGIC);
        note[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        note[12..20].copy_from_slice(&self.first.0.to_le_bytes());
        note[20..28].copy_from_slice(&self.bytes.to_le_bytes());
        let crc = crc32fast::hash(&note[..28]);
        note[28..].copy_from_slice(&crc.to_le_bytes());
        note
    }

    fn decode(note: &[u8]) -> Option<Acknowledged> {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| note[at + i]));
        (note.len() == BYTES).then_some(())?;
        let found = Acknowledged { first: Revision(number(12)), bytes: number(20) };
        (found.encode() == *note).then_some(found)
    }
}

/// Reads the note; `None` when there is none that can be believed.
pub(super) fn read(store: &dyn LogStore) -> io::Result<Option<Acknowledged>> {
    let mut note = Vec::new();
    match store.read(NAME).and_then(|file| file.take(BYTES as u64 + 1).read_to_end(&mut note)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let found = Acknowledged::decode(&note);
    if found.is_none() && note.iter().any(|byte| *byte != 0) {
        tracing::warn!("the note of how far the log was acknowledged is damaged, and not used");
    }
    Ok(found)
}

/// Writes the note.
pub(super) struct Tail {
    note: Box<dyn Note>,
    /// It could not be written; said once.
    late: bool,
}

impl Tail {
    pub fn open(store: &dyn LogStore) -> io::Result<Tail> {
        Ok(Tail { note: store.note(NAME)?, late: false })
    }

    /// Says that the log is durable up to here. One that cannot be written stays late, which is
    /// no worse than a crash.
    pub fn advance(&mut self, to: Acknowledged) {
        let written = self.note.write(&to.encode());
        if let Err(error) = &written
            && !self.late
        {
            tracing::warn!(%error, "could not note how far the log was acknowledged");
        }
        self.late = written.is_err();
    }

    /// Takes back what was said of a segment, durably: it is about to become another.
    pub fn retract(&mut self) -> io::Result<()> {
        self.note.write(&[0; BYTES])?;
        self.note.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_store::Memory;

    const HERE: Acknowledged = Acknowledged { first: Revision(7), bytes: 1_000 };

    #[test]
    fn the_note_reads_back_as_it_was_written_last() {
        let store = Memory::default();
        assert_eq!(read(&store).expect("memory reads"), None);
        let mut tail = Tail::open(&store).expect("memory opens");
        tail.advance(Acknowledged { bytes: 999, ..HERE });
        tail.advance(HERE);
        assert_eq!(read(&store).expect("memory reads"), Some(HERE));
        tail.retract().expect("memory writes");
        assert_eq!(read(&store).expect("memory reads"), None);
    }

    #[test]
    fn a_damaged_note_says_nothing() {
        let good = HERE.encode();
        assert_eq!(Acknowledged::decode(&good), Some(HERE));
        for len in 0..BYTES {
            assert_eq!(Acknowledged::decode(&good[..len]), None);
        }
        for bit in 0..BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Acknowledged::decode(&bad), None, "bit {bit}");
        }
    }
}
