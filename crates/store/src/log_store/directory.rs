//! Files in a directory that one process owns.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;

use super::{LogFile, LogStore, Note};

const LOCK: &str = "lock";

/// What the blocks of a file are counted in, whatever the file system has.
const BLOCK_BYTES: u64 = 512;

/// Blocks are laid out for so many bytes at once.
const LAY_OUT_BYTES: u64 = 1 << 20;

/// A directory, locked against other processes (and other stores of this one) while this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Open for syncs.
    handle: File,
    _lock: File,
}

#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has the directory; its id, if it could be read.
    InUse(Option<u32>),
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> LockError {
        LockError::Io(error)
    }
}

impl Directory {
    /// Creates the directory if need be, and takes its lock.
    pub fn lock(path: &Path) -> Result<Directory, LockError> {
        create(path)?;
        let file = path.join(LOCK);
        let mut options = OpenOptions::new();
        let mut lock = options.read(true).write(true).create(true).truncate(false).open(file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse(owner(&mut lock))),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        note_owner(&mut lock);
        Ok(Directory { path: path.to_owned(), handle: File::open(path)?, _lock: lock })
    }
}

/// Creates a directory so that it survives a crash.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn owner(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The process id is for messages only: the lock is what counts, and a full disk must not keep the
/// store from being opened.
fn note_owner(lock: &mut File) {
    let noted = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::warn!(%error, "could not note the process id in the lock file");
    }
}

impl LogStore for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // Names of ours are ASCII: another kind of name is another's file.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self.path.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let path = self.path.join(name);
        drop(OpenOptions::new().write(true).create(true).truncate(true).open(&path)?);
        self.open(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        Ok(Box::new(Appended::at_end_of(file)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn note(&self, name: &str) -> io::Result<Box<dyn Note>> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn reserve(&self, name: &str, bytes: u64) -> io::Result<()> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
        if file.metadata()?.blocks() * BLOCK_BYTES >= bytes {
            return Ok(());
        }
        let allocated = allocate(&file, bytes).and_then(|()| file.sync_all());
        if allocated.is_err() {
            // What could not be laid must not take what room there is.
            fs::remove_file(&path)?;
        }
        allocated
    }

    fn room(&self) -> io::Result<u64> {
        let stat = fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Gives a file its blocks; where the file system cannot say so, by writing them.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            io::copy(&mut io::repeat(0).take(bytes), &mut &*file).map(drop)
        }
        other => Ok(other?),
    }
}

/// A file and where its end is. A sync of an append that makes the file longer also waits for the
/// file system's journal, which takes several times as long as the data alone; so the blocks of a
/// file that will grow are laid out ahead, a step at a time.
struct Appended {
    file: File,
    len: u64,
    /// Up to here there are blocks; not below `len`.
    laid_out: u64,
    will_grow: bool,
}

impl Appended {
    fn at_end_of(file: File) -> io::Result<Appended> {
        let len = file.metadata()?.len();
        Ok(Appended { file, len, laid_out: len, will_grow: false })
    }

    fn lay_out(&mut self, end: u64) {
        let to = end.next_multiple_of(LAY_OUT_BYTES);
        // Where there is no room for the whole step there may be room for what is appended.
        self.laid_out = match fallocate(&self.file, FallocateFlags::empty(), 0, to) {
            Ok(()) => to,
            Err(_) => end,
        };
    }
}

impl LogFile for Appended {
    fn will_grow(&mut self) {
        self.will_grow = true;
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.len + bytes.len() as u64;
        if self.will_grow && end > self.laid_out {
            self.lay_out(end);
        }
        self.file.write_all_at(bytes, self.len)?;
        self.len = end;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        (self.len, self.laid_out) = (len, len);
        Ok(())
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        if self.laid_out > self.len
            && let Err(error) = self.file.set_len(self.len)
        {
            tracing::debug!(%error, "could not give back the room behind the end of a file");
        }
    }
}

impl Note for File {
    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.write_all_at(content, 0)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::lock(dir.path()).expect("nobody else has it");
        (dir, directory)
    }

    #[test]
    fn a_note_is_written_over_and_kept() {
        let (dir, directory) = directory();
        for content in ["first", "again"] {
            let mut note = directory.note("note").expect("it opens");
            note.write(content.as_bytes()).expect("it writes");
            note.sync().expect("it syncs");
            let found = fs::read_to_string(dir.path().join("note")).expect("it is there");
            assert_eq!(found, content);
        }
    }

    #[test]
    fn a_file_that_grows_is_laid_out_ahead_and_cut_to_its_end_when_it_is_dropped() {
        let (dir, directory) = directory();
        let path = dir.path().join("log");
        let len = || fs::metadata(&path).expect("it is there").len();
        let mut file = directory.create("log").expect("it is made");
        file.append(b"head").expect("it is written");
        assert_eq!(len(), 4, "nothing said that it would grow");
        file.will_grow();
        file.append(b"one").expect("it is written");
        assert_eq!(len(), LAY_OUT_BYTES);
        file.truncate(4).expect("it is cut");
        file.append(b"two").expect("it is written");
        drop(file);
        assert_eq!(fs::read(&path).expect("it reads"), b"headtwo");
        let mut again = directory.open("log").expect("it opens");
        again.append(b"!").expect("it is written");
        drop(again);
        assert_eq!(fs::read(&path).expect("it reads"), b"headtwo!");
    }

    #[test]
    fn a_reserve_takes_its_blocks_and_one_that_does_not_fit_leaves_nothing() {
        let (dir, directory) = directory();
        directory.reserve("reserve", 1 << 20).expect("there is room");
        let found = fs::metadata(dir.path().join("reserve")).expect("it is there");
        assert!(found.blocks() * BLOCK_BYTES >= 1 << 20, "{} blocks", found.blocks());
        assert!(directory.room().expect("the file system says") > 0);
        directory.reserve("large", 1 << 62).expect_err("no disk has this much");
        assert!(!dir.path().join("large").exists());
    }
}
