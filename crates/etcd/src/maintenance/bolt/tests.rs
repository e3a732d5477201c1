//! Databases are read back by a reader that knows the format from bbolt's documents only.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn write(buckets: &[(&'static str, Pairs)]) -> Vec<u8> {
    let mut database = Database::new(Cursor::new(Vec::new())).unwrap();
    for (name, pairs) in buckets {
        let mut bucket = database.bucket(name);
        for (key, value) in pairs {
            bucket.put(key, value).unwrap();
        }
        bucket.finish().unwrap();
    }
    database.finish().unwrap().into_inner()
}

/// Reads a database and checks, as bbolt does, that every page is used exactly once.
struct Reader<'a> {
    file: &'a [u8],
    used: BTreeMap<u64, &'static str>,
}

impl<'a> Reader<'a> {
    fn u16(bytes: &[u8], at: usize) -> usize {
        u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()).into()
    }

    fn u32(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    fn u64(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    fn page(&mut self, id: u64, what: &'static str) -> &'a [u8] {
        let start = id as usize * PAGE_BYTES;
        let page = &self.file[start..];
        assert_eq!(Self::u64(page, 0), id);
        let overflow = Self::u32(page, 12) as u64;
        for used in id..=id + overflow {
            assert_eq!(self.used.insert(used, what), None, "page {used} is used twice");
        }
        &page[..(overflow as usize + 1) * PAGE_BYTES]
    }

    /// All leaf elements under a page: flags, key, value.
    fn elements(&mut self, id: u64) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
        let page = self.page(id, "tree");
        let (flags, count) = (Self::u16(page, 8), Self::u16(page, 10));
        let mut all = Vec::new();
        for at in (0..count).map(|index| 16 + index * 16) {
            if flags == 1 {
                let (key, len) = (at + Self::u32(page, at), Self::u32(page, at + 4));
                let below = self.elements(Self::u64(page, at + 8));
                assert_eq!(below[0].1, page[key..key + len], "a branch says the first key below");
                all.extend(below);
            } else {
                assert_eq!(flags, 2);
                let key = at + Self::u32(page, at + 4);
                let value = key + Self::u32(page, at + 8);
                let end = value + Self::u32(page, at + 12);
                all.push((Self::u32(page, at), page[key..value].into(), page[value..end].into()));
            }
        }
        all
    }

    fn meta(&mut self, id: u64) -> [u64; 5] {
        let page = self.page(id, "meta");
        let meta = &page[16..80];
        assert_eq!(Self::u32(meta, 0), MAGIC as usize);
        assert_eq!(Self::u32(meta, 8), PAGE_BYTES);
        assert_eq!(Self::u64(meta, 56), fnv64a(&meta[..56]));
        std::array::from_fn(|index| Self::u64(meta, 16 + index * 8))
    }
}

fn read(file: &[u8]) -> Vec<(String, Pairs)> {
    let mut reader = Reader { file, used: BTreeMap::new() };
    let first = reader.meta(0);
    let [root, _, free, pages, transaction] = reader.meta(1);
    assert_eq!((first[0], first[4], transaction), (root, 0, 1));
    let free = reader.page(free, "free list");
    assert_eq!((Reader::u16(free, 8), Reader::u16(free, 10)), (0x10, 0));
    let buckets = reader.elements(root).into_iter().map(|(flags, name, header)| {
        assert_eq!(flags, 1);
        let pairs = reader.elements(Reader::u64(&header, 0));
        let pairs = pairs.into_iter().map(|(_, key, value)| (key, value)).collect();
        (String::from_utf8(name).unwrap(), pairs)
    });
    let buckets: Vec<_> = buckets.collect();
    assert_eq!(file.len() as u64, pages * PAGE_BYTES as u64);
    assert_eq!(reader.used.len() as u64, pages, "every page is used");
    buckets
}

fn check(mut buckets: Vec<(&'static str, Pairs)>) {
    let file = write(&buckets);
    buckets.sort();
    let expected: Vec<_> =
        buckets.into_iter().map(|(name, pairs)| (name.to_owned(), pairs)).collect();
    assert!(read(&file) == expected, "what was written is read back");
}

fn numbered(count: u64, value: impl Fn(u64) -> Vec<u8>) -> Pairs {
    (0..count).map(|number| (number.to_be_bytes().to_vec(), value(number))).collect()
}

#[test]
fn an_empty_database_has_a_root() {
    check(vec![]);
    check(vec![("empty", vec![]), ("also", vec![])]);
}

#[test]
fn buckets_come_in_any_order_and_are_found_in_theirs() {
    check(vec![
        ("b", numbered(3, |n| vec![n as u8])),
        ("a", numbered(1, |_| vec![])),
        ("c", vec![]),
    ]);
}

#[test]
fn a_tree_grows_to_several_levels() {
    check(vec![("key", numbered(100_000, |n| n.to_le_bytes().to_vec()))]);
}

#[test]
fn a_value_larger_than_a_page_takes_several() {
    for len in [4063, 4064, 4065, 4066, 9000, 1 << 20] {
        check(vec![("key", numbered(3, |n| vec![n as u8; len]))]);
    }
}

#[test]
fn the_checksum_is_fnv_1a() {
    assert_eq!(fnv64a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv64a(b"foobar"), 0x8594_4171_f739_67e8);
}

proptest! {
    #[test]
    fn any_keys_and_values_are_read_back(
        pairs in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 1..600),
            prop::collection::vec(any::<u8>(), 0..3000),
            0..60,
        ),
    ) {
        check(vec![("key", pairs.into_iter().collect())]);
    }
}
