//! Header blocks of HTTP/2 (RFC 7541), as far as is needed to find one field and replace its value
//! without knowing the others.

/// The index of `:authority` in the static table.
const AUTHORITY: usize = 1;

/// The block with an authority that a host could have, where it has another one; None when there is
/// nothing to replace, or the block cannot be read.
///
/// The new value is as long as the old: both sides count the lengths of the fields that they
/// remember, and must come to the same sum.
pub(super) fn with_valid_authority(block: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    while let Some(first) = block.get(at) {
        let prefix = match first {
            0x80.. => {
                at = integer(block, at, 7)?.1;
                continue;
            }
            0x20..=0x3f => {
                at = integer(block, at, 5)?.1;
                continue;
            }
            0x40..=0x7f => 6,
            0x00..=0x1f => 4,
        };
        let (name, mut next) = integer(block, at, prefix)?;
        if name == 0 {
            next = string(block, next)?.end;
        }
        let value = string(block, next)?;
        if name == AUTHORITY {
            let text = value.decode(block)?;
            let valid = valid(&text)?;
            let mut new = block[..next].to_vec();
            put_string(&mut new, &valid);
            new.extend_from_slice(&block[value.end..]);
            return Some(new);
        }
        at = value.end;
    }
    None
}

/// A URL or a path made into what could be a host's name; None when it is one already.
fn valid(text: &[u8]) -> Option<Vec<u8>> {
    let in_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_host = !text.contains(&b'/');
    (!is_host).then(|| text.iter().map(|byte| if in_host(byte) { *byte } else { b'-' }).collect())
}

/// An integer whose first byte has `prefix` bits of it, and where what follows it begins.
fn integer(block: &[u8], at: usize, prefix: u32) -> Option<(usize, usize)> {
    let max = (1 << prefix) - 1;
    let mut value = usize::from(*block.get(at)?) & max;
    let mut next = at + 1;
    if value < max {
        return Some((value, next));
    }
    // Three more bytes are more than any header block is long.
    for shift in [0, 7, 14] {
        let byte = usize::from(*block.get(next)?);
        next += 1;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, next));
        }
    }
    None
}

/// Where a string lies in the block.
struct Literal {
    start: usize,
    end: usize,
    huffman: bool,
}

fn string(block: &[u8], at: usize) -> Option<Literal> {
    let huffman = block.get(at)? & 0x80 != 0;
    let (len, start) = integer(block, at, 7)?;
    let end = start.checked_add(len).filter(|end| *end <= block.len())?;
    Some(Literal { start, end, huffman })
}

impl Literal {
    fn decode(&self, block: &[u8]) -> Option<Vec<u8>> {
        let bytes = &block[self.start..self.end];
        if self.huffman { huffman(bytes) } else { Some(bytes.to_vec()) }
    }
}

fn put_string(block: &mut Vec<u8>, text: &[u8]) {
    const MAX: usize = 0x7f;
    if text.len() < MAX {
        block.push(u8::try_from(text.len()).expect("less than 7 bits"));
    } else {
        block.push(0x7f);
        let mut rest = text.len() - MAX;
        while rest >= 0x80 {
            block.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
            rest >>= 7;
        }
        block.push(u8::try_from(rest).expect("seven bits"));
    }
    block.extend_from_slice(text);
}

/// Decodes what has printable characters only.
fn huffman(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut text, mut code, mut len) = (Vec::new(), 0u32, 0u8);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            len += 1;
            if let Some(found) = CODES.iter().position(|known| *known == (len, code)) {
                text.push(FIRST + u8::try_from(found).expect("there are fewer than 128"));
                (code, len) = (0, 0);
            } else if len > LEN_MAX {
                return None;
            }
        }
    }
    // What fills the last byte is ones.
    (len < 8 && code == (1 << len) - 1).then_some(text)
}

/// The character that the first of the codes is for.
const FIRST: u8 = b' ';
/// The length of the longest of the codes.
const LEN_MAX: u8 = 19;
/// Length and bits of the codes of the characters from the space to the tilde (RFC 7541, appendix B).
#[rustfmt::skip]
const CODES: [(u8, u32); 95] = [
    (6, 0x14), (10, 0x3f8), (10, 0x3f9), (12, 0xffa), (13, 0x1ff9), (6, 0x15), (8, 0xf8),
    (11, 0x7fa), (10, 0x3fa), (10, 0x3fb), (8, 0xf9), (11, 0x7fb), (8, 0xfa), (6, 0x16),
    (6, 0x17), (6, 0x18), (5, 0x0), (5, 0x1), (5, 0x2), (6, 0x19), (6, 0x1a),
    (6, 0x1b), (6, 0x1c), (6, 0x1d), (6, 0x1e), (6, 0x1f), (7, 0x5c), (8, 0xfb),
    (15, 0x7ffc), (6, 0x20), (12, 0xffb), (10, 0x3fc), (13, 0x1ffa), (6, 0x21), (7, 0x5d),
    (7, 0x5e), (7, 0x5f), (7, 0x60), (7, 0x61), (7, 0x62), (7, 0x63), (7, 0x64),
    (7, 0x65), (7, 0x66), (7, 0x67), (7, 0x68), (7, 0x69), (7, 0x6a), (7, 0x6b),
    (7, 0x6c), (7, 0x6d), (7, 0x6e), (7, 0x6f), (7, 0x70), (7, 0x71), (7, 0x72),
    (8, 0xfc), (7, 0x73), (8, 0xfd), (13, 0x1ffb), (19, 0x7fff0), (13, 0x1ffc), (14, 0x3ffc),
    (6, 0x22), (15, 0x7ffd), (5, 0x3), (6, 0x23), (5, 0x4), (6, 0x24), (5, 0x5),
    (6, 0x25), (6, 0x26), (6, 0x27), (5, 0x6), (7, 0x74), (7, 0x75), (6, 0x28),
    (6, 0x29), (6, 0x2a), (5, 0x7), (6, 0x2b), (7, 0x76), (6, 0x2c), (5, 0x8),
    (5, 0x9), (6, 0x2d), (7, 0x77), (7, 0x78), (7, 0x79), (7, 0x7a), (7, 0x7b),
    (15, 0x7ffe), (11, 0x7fc), (14, 0x3ffd), (13, 0x1ffd),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 7541, C.4.1: `GET / http www.example.com`, the authority in Huffman's code.
    const REQUEST: [u8; 17] = [
        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90,
        0xf4, 0xff,
    ];

    fn plain(authority: &str) -> Vec<u8> {
        let mut block = vec![0x82, 0x41];
        put_string(&mut block, authority.as_bytes());
        block.extend([0x86, 0x40, 1, b'a', 1, b'b']);
        block
    }

    #[track_caller]
    fn check(authority: &str, expected: Option<&str>) {
        assert_eq!(with_valid_authority(&plain(authority)), expected.map(plain), "{authority}");
    }

    #[test]
    fn urls_and_paths_become_hosts_of_the_same_length() {
        check("127.0.0.1:2379", None);
        check("", None);
        check("[::1]:2379", None);
        check("http://127.0.0.1:2379", Some("http---127.0.0.1-2379"));
        check("/run/sampan/etcd.sock", Some("-run-sampan-etcd.sock"));
        let long = "/".repeat(300);
        check(&long, Some(&"-".repeat(300)));
    }

    #[test]
    fn huffmans_code_is_read() {
        assert_eq!(huffman(&REQUEST[5..]).as_deref(), Some(&b"www.example.com"[..]));
        assert_eq!(with_valid_authority(&REQUEST), None);
        let encoded = encode("http://127.0.0.1:2379");
        let mut block = vec![0x41, 0x80 | u8::try_from(encoded.len()).unwrap()];
        block.extend(encoded);
        let mut expected = vec![0x41];
        put_string(&mut expected, b"http---127.0.0.1-2379");
        assert_eq!(with_valid_authority(&block), Some(expected));
    }

    fn encode(text: &str) -> Vec<u8> {
        let mut bits = String::new();
        for byte in text.bytes() {
            let (len, code) = CODES[usize::from(byte - FIRST)];
            bits += &format!("{code:0width$b}", width = usize::from(len));
        }
        bits += &"1".repeat((8 - bits.len() % 8) % 8);
        let bytes = bits.as_bytes().chunks(8);
        bytes.map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap()).collect()
    }

    #[test]
    fn every_code_is_found_and_no_code_begins_another() {
        for (number, (len, code)) in CODES.iter().enumerate() {
            assert!(*len <= LEN_MAX && *code < 1 << len);
            for (other_len, other) in CODES.iter().skip(number + 1) {
                let shorter = (*len).min(*other_len);
                assert_ne!(code >> (len - shorter), other >> (other_len - shorter));
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(block in proptest::collection::vec(any::<u8>(), 0..80)) {
            with_valid_authority(&block);
        }
    }
}
