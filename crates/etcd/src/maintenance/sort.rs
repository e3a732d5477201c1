//! Puts more than memory should hold into order: sorted runs in a file without a name, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

/// What one run may hold in memory.
const RUN_BYTES_MAX: usize = 16 << 20;

/// What is counted for an item beside its bytes.
const ITEM_BYTES: usize = 80;

/// What is read of a run at once while merging.
const READ_BYTES: usize = 64 << 10;

/// Something with a place in the order. Two with the same place may come in any order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// What is looked at first.
    pub(super) number: u64,
    /// What decides between equal numbers.
    pub(super) key: Vec<u8>,
    /// What is carried along.
    pub(super) value: Vec<u8>,
}

impl Item {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len() + ITEM_BYTES
    }
}

/// Takes items in any order.
pub(super) struct Sorter {
    run: Vec<Item>,
    run_bytes: usize,
    run_bytes_max: usize,
    file: BufWriter<File>,
    written: u64,
    /// Where each run ends in the file.
    ends: Vec<u64>,
}

impl Sorter {
    /// A sorter that keeps in a directory what does not fit into memory.
    pub(super) fn new(dir: &Path) -> io::Result<Sorter> {
        Sorter::with_run_bytes(dir, RUN_BYTES_MAX)
    }

    fn with_run_bytes(dir: &Path, run_bytes_max: usize) -> io::Result<Sorter> {
        let file = BufWriter::with_capacity(READ_BYTES, tempfile::tempfile_in(dir)?);
        let (run, ends) = (Vec::new(), Vec::new());
        Ok(Sorter { run, run_bytes: 0, run_bytes_max, file, written: 0, ends })
    }

    pub(super) fn push(&mut self, item: Item) -> io::Result<()> {
        self.run_bytes += item.bytes();
        self.run.push(item);
        if self.run_bytes > self.run_bytes_max { self.spill() } else { Ok(()) }
    }

    /// All items, in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        if self.ends.is_empty() {
            self.run.sort_unstable();
            return Ok(Sorted::InMemory(self.run.into_iter()));
        }
        self.spill()?;
        let file = Arc::new(self.file.into_inner().map_err(io::IntoInnerError::into_error)?);
        let mut runs = Vec::with_capacity(self.ends.len());
        let mut at = 0;
        for end in self.ends {
            let run = Run { file: file.clone(), at, end };
            runs.push(BufReader::with_capacity(READ_BYTES, run));
            at = end;
        }
        Merge::new(runs).map(Sorted::Merged)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.run.sort_unstable();
        for item in self.run.drain(..) {
            for number in [item.number, item.key.len() as u64, item.value.len() as u64] {
                self.file.write_all(&number.to_le_bytes())?;
            }
            self.file.write_all(&item.key)?;
            self.file.write_all(&item.value)?;
            self.written += (24 + item.key.len() + item.value.len()) as u64;
        }
        self.run_bytes = 0;
        self.ends.push(self.written);
        Ok(())
    }
}

/// Items in order.
pub(super) enum Sorted {
    /// They fitted into memory.
    InMemory(std::vec::IntoIter<Item>),
    /// They did not.
    Merged(Merge),
}

impl Iterator for Sorted {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<io::Result<Item>> {
        match self {
            Sorted::InMemory(items) => items.next().map(Ok),
            Sorted::Merged(merge) => merge.next().transpose(),
        }
    }
}

/// Runs, and the first item of each that has one left.
pub(super) struct Merge {
    runs: Vec<BufReader<Run>>,
    firsts: BinaryHeap<Reverse<(Item, usize)>>,
}

impl Merge {
    fn new(runs: Vec<BufReader<Run>>) -> io::Result<Merge> {
        let mut merge = Merge { firsts: BinaryHeap::with_capacity(runs.len()), runs };
        for index in 0..merge.runs.len() {
            merge.refill(index)?;
        }
        Ok(merge)
    }

    fn next(&mut self) -> io::Result<Option<Item>> {
        let Some(Reverse((item, index))) = self.firsts.pop() else { return Ok(None) };
        self.refill(index)?;
        Ok(Some(item))
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        if let Some(item) = read_item(&mut self.runs[index])? {
            self.firsts.push(Reverse((item, index)));
        }
        Ok(())
    }
}

/// A stretch of a file.
struct Run {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Run {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let len = into.len().min(left);
        let read = self.file.read_at(&mut into[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn read_item(run: &mut BufReader<Run>) -> io::Result<Option<Item>> {
    if run.buffer().is_empty() && run.get_ref().at == run.get_ref().end {
        return Ok(None);
    }
    let [number, key, value] = [read_number(run)?, read_number(run)?, read_number(run)?];
    let mut item = Item { number, key: vec![0; key as usize], value: vec![0; value as usize] };
    run.read_exact(&mut item.key)?;
    run.read_exact(&mut item.value)?;
    Ok(Some(item))
}

fn read_number(run: &mut BufReader<Run>) -> io::Result<u64> {
    let mut bytes = [0; 8];
    run.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(items: Vec<Item>, run_bytes_max: usize) {
        let mut sorter = Sorter::with_run_bytes(&std::env::temp_dir(), run_bytes_max).unwrap();
        for item in &items {
            sorter.push(item.clone()).unwrap();
        }
        let sorted: Vec<Item> = sorter.finish().unwrap().collect::<io::Result<_>>().unwrap();
        let mut expected = items;
        expected.sort();
        assert_eq!(sorted, expected);
    }

    fn item(number: u64, key: &[u8], value: &[u8]) -> Item {
        Item { number, key: key.into(), value: value.into() }
    }

    #[test]
    fn nothing_is_in_order() {
        check(vec![], 1);
    }

    #[test]
    fn more_than_memory_is_put_in_order() {
        let large = |number: u64| item(number * 7 % 50, &number.to_le_bytes(), &[1; 70_000]);
        check((0..50).map(large).collect(), 1 << 20);
    }

    proptest! {
        #[test]
        fn any_items_are_put_in_order(
            items in prop::collection::vec((0..5_u64, any::<[u8; 2]>(), any::<u8>()), 0..40),
            run_bytes_max in prop_oneof![Just(0_usize), Just(300), Just(usize::MAX)],
        ) {
            let items = items.iter().map(|(number, key, value)| item(*number, key, &[*value]));
            check(items.collect(), run_bytes_max);
        }
    }
}
