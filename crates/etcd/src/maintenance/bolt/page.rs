//! One page of a tree: a header, elements of fixed size, then keys and values.

use super::PAGE_BYTES;

const HEADER_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 16;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
pub(super) const META: u16 = 0x04;
const FREE_LIST: u16 = 0x10;

/// Marks an element of a leaf whose value is a bucket.
const IS_BUCKET: u32 = 0x01;

/// Whether a page leads to values or to further pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Branch,
}

impl Kind {
    pub(super) fn of_level(level: usize) -> Kind {
        if level == 0 { Kind::Leaf } else { Kind::Branch }
    }
}

/// A page being filled.
pub(super) struct Page {
    kind: Kind,
    elements: Vec<Element>,
    /// Keys and values, one after the other.
    data: Vec<u8>,
}

struct Element {
    /// Where its key starts in the data.
    start: usize,
    key_len: usize,
    value_len: usize,
    /// Of a leaf: flags. Of a branch: the page it leads to.
    number: u64,
}

impl Page {
    pub(super) fn new(kind: Kind) -> Page {
        Page { kind, elements: Vec::new(), data: Vec::new() }
    }

    /// Whether one more element fits. A page takes one in any case and grows, if need be, beyond
    /// the usual size.
    pub(super) fn has_room(&self, key: &[u8], value: &[u8]) -> bool {
        self.elements.is_empty()
            || self.len() + ELEMENT_BYTES + key.len() + value.len() <= PAGE_BYTES
    }

    /// Adds a key and its value to a leaf.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.add(key, value, 0);
    }

    /// Adds a bucket to a leaf: its root, and its sequence, which nobody uses.
    pub(super) fn push_bucket(&mut self, name: &str, root: u64) {
        let mut value = root.to_le_bytes().to_vec();
        value.extend(0_u64.to_le_bytes());
        self.add(name.as_bytes(), &value, u64::from(IS_BUCKET));
    }

    /// Adds a page to a branch: by its first key.
    pub(super) fn push_child(&mut self, first_key: &[u8], page: u64) {
        self.add(first_key, &[], page);
    }

    /// The first key; pages that are asked have one.
    pub(super) fn first_key(&self) -> &[u8] {
        &self.data[..self.elements[0].key_len]
    }

    /// The page as it is on disk: one or more times the usual size.
    pub(super) fn encode(&self, id: u64) -> Vec<u8> {
        let pages = self.len().div_ceil(PAGE_BYTES);
        let flags = if self.kind == Kind::Leaf { LEAF } else { BRANCH };
        let mut bytes = header(id, flags, self.elements.len(), pages - 1);
        for (index, element) in self.elements.iter().enumerate() {
            // From where this element stands to its key.
            let behind = (self.elements.len() - index) * ELEMENT_BYTES + element.start;
            self.encode_element(&mut bytes, element, behind as u32);
        }
        bytes.extend(&self.data);
        bytes.resize(pages * PAGE_BYTES, 0);
        bytes
    }

    fn encode_element(&self, bytes: &mut Vec<u8>, element: &Element, position: u32) {
        let (key_len, value_len) = (element.key_len as u32, element.value_len as u32);
        match self.kind {
            Kind::Leaf => {
                for number in [element.number as u32, position, key_len, value_len] {
                    bytes.extend(number.to_le_bytes());
                }
            }
            Kind::Branch => {
                bytes.extend(position.to_le_bytes());
                bytes.extend(key_len.to_le_bytes());
                bytes.extend(element.number.to_le_bytes());
            }
        }
    }

    fn add(&mut self, key: &[u8], value: &[u8], number: u64) {
        let start = self.data.len();
        let (key_len, value_len) = (key.len(), value.len());
        self.elements.push(Element { start, key_len, value_len, number });
        self.data.extend(key);
        self.data.extend(value);
    }

    fn len(&self) -> usize {
        HEADER_BYTES + self.elements.len() * ELEMENT_BYTES + self.data.len()
    }
}

/// What every page begins with. `overflow` counts the pages it goes on for.
pub(super) fn header(id: u64, flags: u16, count: usize, overflow: usize) -> Vec<u8> {
    // A page of the usual size has room for a few hundred elements; a larger one has one.
    let count = u16::try_from(count).expect("a page has few elements");
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    bytes.extend(id.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((overflow as u32).to_le_bytes());
    bytes
}

/// The list of free pages of a file that has none.
pub(super) fn empty_free_list(id: u64) -> Vec<u8> {
    let mut bytes = header(id, FREE_LIST, 0, 0);
    bytes.resize(PAGE_BYTES, 0);
    bytes
}
