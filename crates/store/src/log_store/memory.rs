//! Files that live as long as the process.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{LogFile, LogStore, Note};

/// A file, whatever its name.
pub(super) type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Clone, Default)]
pub(crate) struct Memory {
    files: Arc<Mutex<BTreeMap<String, Content>>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds a file in memory")
}

impl Memory {
    pub(super) fn content(&self, name: &str) -> io::Result<Content> {
        let content = lock(&self.files).get(name).cloned();
        content.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// All files by their names.
    #[cfg(test)]
    pub(super) fn files(&self) -> BTreeMap<String, Content> {
        lock(&self.files).clone()
    }
}

impl LogStore for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let content = lock(&*self.content(name)?).clone();
        Ok(Box::new(Cursor::new(content)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let content = Content::default();
        lock(&self.files).insert(name.to_owned(), content.clone());
        Ok(Box::new(MemoryFile(content)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(MemoryFile(self.content(name)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = lock(&self.files).remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn note(&self, name: &str) -> io::Result<Box<dyn Note>> {
        let content = lock(&self.files).entry(name.to_owned()).or_default().clone();
        Ok(Box::new(MemoryFile(content)))
    }

    fn reserve(&self, name: &str, _bytes: u64) -> io::Result<()> {
        self.create(name).map(drop)
    }

    fn room(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }
}

struct MemoryFile(Content);

impl LogFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        lock(&self.0).resize(len, 0);
        Ok(())
    }
}

impl Note for MemoryFile {
    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        let mut file = lock(&self.0);
        let len = file.len().max(content.len());
        file.resize(len, 0);
        file[..content.len()].copy_from_slice(content);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
