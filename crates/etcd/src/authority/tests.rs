use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// The head of a request with this authority.
fn headers(authority: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x41, u8::try_from(authority.len()).unwrap()];
    block.extend(authority.as_bytes());
    frame(HEADERS, 0x4, &block)
}

fn http2(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &frames.concat()].concat()
}

/// What is read when the bytes come in pieces of this length.
async fn read(bytes: &[u8], piece: usize, buffer: usize) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(piece);
    let bytes = bytes.to_vec();
    let writing = tokio::spawn(async move { client.write_all(&bytes).await.unwrap() });
    let mut lenient = Lenient::new(server);
    let (mut all, mut some) = (Vec::new(), vec![0; buffer]);
    loop {
        let count = lenient.read(&mut some).await.unwrap();
        if count == 0 {
            break;
        }
        all.extend(&some[..count]);
    }
    writing.await.unwrap();
    all
}

async fn check(sent: &[u8], expected: &[u8]) {
    for (piece, buffer) in [(1, 64), (7, 3), (30, 1000), (1 << 16, 1 << 16)] {
        let found = read(sent, piece, buffer).await;
        assert_eq!(found, expected, "pieces of {piece}, read by {buffer}");
    }
}

#[tokio::test]
async fn authorities_that_are_no_hosts_are_replaced() {
    let data = frame(0, 0, &[7; 300]);
    let sent = http2(&[frame(4, 0, b""), headers("http://a:1"), data.clone(), headers("/b")]);
    let expected = http2(&[frame(4, 0, b""), headers("http---a-1"), data, headers("-b")]);
    check(&sent, &expected).await;
}

#[tokio::test]
async fn padding_and_priority_stay() {
    let block = |authority: &str| headers(authority)[HEAD_BYTES..].to_vec();
    let payload = |authority: &str| [&[3, 1, 2, 3, 4, 5][..], &block(authority), &[0; 3]].concat();
    let flags = 0x4 | PADDED | PRIORITY;
    let sent = http2(&[frame(HEADERS, flags, &payload("/x"))]);
    check(&sent, &http2(&[frame(HEADERS, flags, &payload("-x"))])).await;
}

#[tokio::test]
async fn all_else_passes_as_it_is() {
    let frames = [headers("127.0.0.1:2379"), frame(0, 1, &[1; 20_000]), frame(HEADERS, 0xff, &[9])];
    for same in [
        http2(&frames),
        http2(&[])[..10].to_vec(),
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"PRI".to_vec(),
        b"PUT / HTTP/1.1\r\n\r\n".to_vec(),
        Vec::new(),
        [http2(&[headers("/cut")]), vec![0, 0, 9, 1]].concat()[..30].to_vec(),
    ] {
        check(&same, &same).await;
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_of_what_has_no_heads_of_requests(
        payloads in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..12),
        piece in 1usize..50,
    ) {
        let kinds = payloads.iter().filter(|(kind, _)| *kind != HEADERS);
        let frames: Vec<_> = kinds.map(|(kind, payload)| frame(*kind, 0, payload)).collect();
        let sent = http2(&frames);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(read(&sent, piece, 16)), sent);
    }
}
