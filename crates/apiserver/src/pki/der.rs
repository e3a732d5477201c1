//! As much of DER as a certificate needs.

pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Two digits of a year stand for years before this one.
const UTC_TIME_END: i16 = 2050;

/// A value with its tag and length.
pub(super) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let first = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = &length[first..];
    if length.len() > 1 || length[0] >= 0x80 {
        out.push(0x80 | u8::try_from(length.len()).expect("a usize has eight bytes"));
    }
    out.extend_from_slice(length);
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(SEQUENCE, &parts.concat())
}

/// A number that is not negative, from its bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[first..];
    let sign: &[u8] = if bytes.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    tagged(INTEGER, &[sign, bytes].concat())
}

pub(super) fn object_id(arcs: &[u32]) -> Vec<u8> {
    let first = arcs.first().copied().unwrap_or(0) * 40 + arcs.get(1).copied().unwrap_or(0);
    let mut content = Vec::new();
    for arc in std::iter::once(first).chain(arcs.iter().skip(2).copied()) {
        let groups = (0..5).rev().map(|at| u8::try_from(arc >> (at * 7) & 0x7f).expect("7 bits"));
        let groups: Vec<u8> = groups.skip_while(|group| *group == 0).collect();
        let (last, more) = groups.split_last().unwrap_or((&0, &[]));
        content.extend(more.iter().map(|group| group | 0x80));
        content.push(*last);
    }
    tagged(OBJECT_ID, &content)
}

/// The named bits, of which the first is the highest.
pub(super) fn bits(set: &[u8]) -> Vec<u8> {
    let highest = set.iter().max().copied();
    let mut bytes = vec![0_u8; highest.map_or(0, |bit| usize::from(bit) / 8 + 1)];
    for bit in set {
        bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    let unused = highest.map_or(0, |bit| 7 - bit % 8);
    tagged(BIT_STRING, &[&[unused], bytes.as_slice()].concat())
}

pub(super) fn time(second: i64) -> Vec<u8> {
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    match time.year() < UTC_TIME_END {
        true => tagged(UTC_TIME, time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()),
        false => tagged(GENERALIZED_TIME, time.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()),
    }
}

/// An extension of a certificate.
pub(super) fn extension(id: &[u32], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tagged(BOOLEAN, &[0xff]) } else { Vec::new() };
    sequence(&[&object_id(id), &critical, &tagged(OCTET_STRING, value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(made: &[u8], expected: &str) {
        assert_eq!(hex::encode(made), expected);
    }

    #[test]
    fn values_are_written_in_the_shortest_form() {
        check(&integer(&[0, 0, 5]), "020105");
        check(&integer(&[0x80]), "02020080");
        check(&integer(&[]), "020100");
        check(&object_id(&[1, 2, 840, 10045, 4, 3, 2]), "06082a8648ce3d040302");
        check(&object_id(&[2, 5, 29, 15]), "0603551d0f");
        check(&bits(&[0, 2]), "030205a0");
        check(&bits(&[8]), "0303070080");
        check(&bits(&[]), "030100");
        check(&tagged(SEQUENCE, &[0; 200])[..3], "3081c8");
        check(&tagged(SEQUENCE, &[0; 300])[..4], "3082012c");
    }

    #[test]
    fn years_have_two_digits_until_they_cannot() {
        check(&time(0), &format!("170d{}", hex::encode("700101000000Z")));
        check(&time(2_524_608_000), &format!("180f{}", hex::encode("20500101000000Z")));
    }
}
