//! A frame: one stretch of bytes that is whole or is not there.
//!
//! `length u32 | crc32 of payload u32 | crc32 of these eight bytes u32 | payload`, little endian.
//! One group of transactions is one frame, written and synced before the next one is begun. So
//! only the last frame of a file can be torn by a crash, and a bad frame with good ones behind it
//! is damage. The header has its own checksum so that a damaged length is not mistaken for a tail
//! that was cut off.

use std::ops::Range;

pub(crate) const HEADER_BYTES: usize = 12;

/// A frame longer than this was not written by us.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// What a disk writes as one, or not at all.
const SECTOR_BYTES: usize = 512;

/// What lies at an offset of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Frame {
        payload: &'a [u8],
        /// Where the next frame begins.
        next: usize,
    },
    /// The end of what was written: the file's, or zeros up to there, which were laid out ahead.
    End,
    /// What a crash leaves of a frame that was being written: nobody was told of it.
    Torn,
    /// Something that was good once.
    Damaged(&'static str),
}

/// Frames what `write` appends to `out`, in place.
pub(crate) fn write(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    write(out);
    let header = header(&out[start + HEADER_BYTES..]);
    out[start..start + HEADER_BYTES].copy_from_slice(&header);
}

fn header(payload: &[u8]) -> [u8; HEADER_BYTES] {
    let len = u32::try_from(payload.len()).expect("a group is far smaller than 4 GiB");
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&len.to_le_bytes());
    header[4..8].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&header[..8]);
    header[8..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Length and checksum of the payload, if the header is good.
pub(crate) fn parse_header(header: &[u8; HEADER_BYTES]) -> Option<(usize, u32)> {
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    let len = usize::try_from(word(0)).ok()?;
    let good = word(8) == crc32fast::hash(&header[..8]) && len <= PAYLOAD_BYTES_MAX;
    good.then(|| (len, word(4)))
}

/// Looks at `offset`, which must be where a frame begins.
pub(crate) fn at(file: &[u8], offset: usize) -> Found<'_> {
    let rest = &file[offset..];
    if rest.iter().all(|byte| *byte == 0) {
        return Found::End;
    }
    let payload_at = offset + HEADER_BYTES;
    let Some(header) = rest.first_chunk() else { return Found::Torn };
    let Some((len, crc)) = parse_header(header) else {
        return torn_or(file, offset..payload_at, "the header of a frame has a wrong checksum");
    };
    let end = payload_at + len;
    let Some(payload) = file.get(payload_at..end) else { return Found::Torn };
    if crc32fast::hash(payload) != crc {
        return torn_or(file, offset..end, "a frame has a wrong checksum");
    }
    Found::Frame { payload, next: end }
}

/// A file can be longer than what reached the disk: sectors never written read as zeros. Only the
/// last frame can have such a hole.
fn torn_or<'a>(file: &[u8], frame: Range<usize>, damage: &'static str) -> Found<'a> {
    if has_hole(file, frame.clone()) && !any_frame_after(file, frame.start + 1) {
        Found::Torn
    } else {
        Found::Damaged(damage)
    }
}

fn has_hole(file: &[u8], frame: Range<usize>) -> bool {
    let mut start = frame.start;
    while start < frame.end {
        let end = ((start / SECTOR_BYTES + 1) * SECTOR_BYTES).min(frame.end);
        if file[start..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        start = end;
    }
    false
}

fn any_frame_after(file: &[u8], offset: usize) -> bool {
    (offset..file.len()).any(|at| {
        let header = file[at..].first_chunk().and_then(parse_header);
        header.is_some_and(|(len, crc)| {
            let start = at + HEADER_BYTES;
            file.get(start..start + len).is_some_and(|payload| crc32fast::hash(payload) == crc)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(payloads: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for payload in payloads {
            write(&mut file, |out| out.extend_from_slice(payload));
        }
        file
    }

    /// Reads to the first thing that is no frame: the payload count, its offset, and it.
    fn check(file: &[u8], frames: usize, expected: &Found<'_>) {
        let (mut offset, mut count) = (0, 0);
        let last = loop {
            match at(file, offset) {
                Found::Frame { next, .. } => (offset, count) = (next, count + 1),
                other => break other,
            }
        };
        assert_eq!((count, &last), (frames, expected));
    }

    #[test]
    fn frames_read_back_as_written() {
        let file = frames(&[b"one", b"", b"three"]);
        check(&file, 3, &Found::End);
        assert_eq!(at(&file, 0), Found::Frame { payload: b"one", next: 15 });
    }

    #[test]
    fn a_file_cut_anywhere_in_its_last_frame_is_torn() {
        let file = frames(&[b"one", b"two"]);
        for len in 16..file.len() {
            check(&file[..len], 1, &Found::Torn);
        }
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let file = frames(&[&[7; 700], &[8; 30]]);
        for bit in 0..file.len() * 8 {
            let mut bad = file.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let first = usize::from(bit / 8 >= 712);
            let found = at(&bad, first * 712);
            assert!(matches!(found, Found::Damaged(_)), "bit {bit}: {found:?}");
        }
    }

    #[test]
    fn a_sector_that_was_never_written_is_a_torn_tail() {
        let mut file = frames(&[&[7; 100], &[8; 1500]]);
        file[512..1024].fill(0);
        check(&file, 1, &Found::Torn);
        // The header alone was not written.
        let mut file = frames(&[&[7; 488], &[8; 1500]]);
        file[500..512].fill(0);
        check(&file, 1, &Found::Torn);
    }

    #[test]
    fn room_laid_out_ahead_is_the_end_and_no_excuse_for_damage() {
        let mut file = frames(&[&[7; 100], &[8; 1500]]);
        file.extend_from_slice(&[0; 4096]);
        check(&file, 2, &Found::End);
        file[700] ^= 1;
        check(&file, 1, &Found::Damaged("a frame has a wrong checksum"));
        file[113] ^= 1;
        check(&file, 1, &Found::Damaged("the header of a frame has a wrong checksum"));
    }

    #[test]
    fn a_hole_with_a_good_frame_behind_it_is_damage() {
        let mut file = frames(&[&[7; 100], &[8; 1500], &[9; 10]]);
        file[512..1024].fill(0);
        check(&file, 1, &Found::Damaged("a frame has a wrong checksum"));
    }
}
