//! Writes a bbolt database: the file that etcd keeps its state in.
//!
//! Write-only and once through: buckets are filled in key order, and pages go to disk as they fill
//! up, so memory is one page per level of a tree, whatever the size. What bbolt needs for changing a
//! file in place (free pages, half-full nodes) is not here: there are no free pages.
//!
//! The format is bbolt's, version 2, little endian as every machine that runs etcd.

mod page;

use std::io::{self, Seek, SeekFrom, Write};

use page::{Kind, Page};

/// The unit of everything; bbolt takes it from the file.
pub(super) const PAGE_BYTES: usize = 4096;

/// The pages before the first one of a tree: two metas and the list of free pages.
const FIRST_TREE_PAGE: u64 = 3;
const FREE_LIST_PAGE: u64 = 2;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;

/// A database being written.
pub(super) struct Database<W> {
    out: W,
    /// The next page to be written.
    next: u64,
    /// The buckets that are finished: name and root page.
    buckets: Vec<(&'static str, u64)>,
}

impl<W: Write + Seek> Database<W> {
    /// Begins a database in an empty file.
    pub(super) fn new(mut out: W) -> io::Result<Database<W>> {
        out.seek(SeekFrom::Start(FIRST_TREE_PAGE * PAGE_BYTES as u64))?;
        Ok(Database { out, next: FIRST_TREE_PAGE, buckets: Vec::new() })
    }

    /// Begins a bucket. The one before it must be finished.
    pub(super) fn bucket(&mut self, name: &'static str) -> Bucket<'_, W> {
        Bucket { name, database: self, levels: vec![Page::new(Kind::Leaf)], last: Vec::new() }
    }

    /// Writes what leads to the buckets. The file is a database after this, and not before.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.sort_unstable();
        let mut root = Page::new(Kind::Leaf);
        for (name, page) in buckets {
            root.push_bucket(name, page);
        }
        let root = self.write(&root)?;
        self.out.seek(SeekFrom::Start(0))?;
        for id in 0..2 {
            self.out.write_all(&meta(id, root, self.next))?;
        }
        self.out.write_all(&page::empty_free_list(FREE_LIST_PAGE))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, page: &Page) -> io::Result<u64> {
        let id = self.next;
        let bytes = page.encode(id);
        self.out.write_all(&bytes)?;
        self.next += (bytes.len() / PAGE_BYTES) as u64;
        Ok(id)
    }
}

/// A bucket being written.
pub(super) struct Bucket<'a, W> {
    database: &'a mut Database<W>,
    name: &'static str,
    /// The page being filled of each level: the leaves first, the root last.
    levels: Vec<Page>,
    last: Vec<u8>,
}

impl<W: Write + Seek> Bucket<'_, W> {
    /// Adds a key behind all that are there.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        assert!(self.last.is_empty() || key > self.last.as_slice(), "keys come in order");
        self.last = key.to_vec();
        if !self.levels[0].has_room(key, value) {
            self.flush(0)?;
        }
        self.levels[0].push(key, value);
        Ok(())
    }

    /// Ends the bucket.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let mut level = 0;
        while level + 1 < self.levels.len() {
            self.flush(level)?;
            level += 1;
        }
        let root = self.database.write(&self.levels[level])?;
        self.database.buckets.push((self.name, root));
        Ok(())
    }

    /// Writes the page of a level and tells the level above.
    fn flush(&mut self, level: usize) -> io::Result<()> {
        let full = std::mem::replace(&mut self.levels[level], Page::new(Kind::of_level(level)));
        let id = self.database.write(&full)?;
        let above = level + 1;
        if above == self.levels.len() {
            self.levels.push(Page::new(Kind::Branch));
        }
        if !self.levels[above].has_room(full.first_key(), &[]) {
            self.flush(above)?;
        }
        self.levels[above].push_child(full.first_key(), id);
        Ok(())
    }
}

/// A meta page: where the root is, and how far the file goes.
fn meta(id: u64, root: u64, pages: u64) -> Vec<u8> {
    let mut bytes = page::header(id, page::META, 0, 0);
    let start = bytes.len();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((PAGE_BYTES as u32).to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    // The root bucket and its sequence, the list of free pages, the end, the transaction.
    for number in [root, 0, FREE_LIST_PAGE, pages, id] {
        bytes.extend(number.to_le_bytes());
    }
    let checksum = fnv64a(&bytes[start..]);
    bytes.extend(checksum.to_le_bytes());
    bytes.resize(PAGE_BYTES, 0);
    bytes
}

/// The 64-bit FNV-1a hash.
fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
