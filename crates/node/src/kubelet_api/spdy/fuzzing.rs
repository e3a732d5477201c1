//! For fuzzers: frames are the same however they come in.

use bytes::{Bytes, BytesMut};

use super::frame::{Decoder, Received};

/// Pieces are no longer than this.
const STEP_MAX: usize = 64;

/// Reads the bytes in one piece and in several; both must tell the same.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(*step) % STEP_MAX + 1);
    assert_eq!(whole, pieces, "however they are cut");
}

/// The frames, up to what is no frame; pieces of one frame's data are joined.
fn read(bytes: &[u8], step: usize) -> (Vec<Received>, bool) {
    let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::new());
    let mut frames: Vec<Received> = Vec::new();
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(frame)) => add(&mut frames, frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

fn add(frames: &mut Vec<Received>, frame: Received) {
    let Received::Data { stream, data, fin } = frame else { return frames.push(frame) };
    match frames.last_mut() {
        Some(Received::Data { stream: before, data: begun, fin: ended @ false })
            if *before == stream =>
        {
            *begun = Bytes::from([&begun[..], &data[..]].concat());
            *ended = fin;
        }
        // Data of nothing that ends nothing cannot be told from none.
        _ if data.is_empty() && !fin => {}
        _ => frames.push(Received::Data { stream, data, fin }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Headers;
    use super::super::frame::client::Client;

    proptest! {
        #[test]
        fn nonsense_is_the_same_however_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..400)
        ) {
            super::frames(&bytes);
        }

        #[test]
        fn damaged_frames_are_the_same_however_they_are_cut(
            step in any::<u8>(), at in 0usize..200, byte in any::<u8>(), fin in any::<bool>()
        ) {
            let mut client = Client::default();
            let mut bytes = vec![step];
            bytes.extend(client.open(1, &Headers::from([("streamType", "data"), ("port", "80")])));
            bytes.extend(client.data(1, &[7; 50], fin));
            bytes.extend(client.open(3, &Headers::from([("streamType", "error")])));
            bytes.extend(client.reset(1));
            if let Some(damaged) = bytes.get_mut(at) {
                *damaged = byte;
            }
            super::frames(&bytes);
        }
    }
}
