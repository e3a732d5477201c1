//! The file that a backup is written to: it gets its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A file that is being written under another name; dropped unfinished, it is removed.
pub struct NewFile {
    name: PathBuf,
    unfinished: PathBuf,
    file: File,
    finished: bool,
}

impl NewFile {
    /// Begins a file. One that is there is an error, unless it may be replaced.
    pub fn create(name: &Path, replace: bool) -> anyhow::Result<Self> {
        if !replace && name.symlink_metadata().is_ok() {
            bail!(
                "{} is there already\ngive another name, or --force to replace it",
                name.display()
            );
        }
        let mut unfinished = OsString::from(name);
        unfinished.push(".tmp");
        let unfinished = PathBuf::from(unfinished);
        // It holds every Secret: for its owner alone, from its first byte on.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", unfinished.display()));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&unfinished);
        let file = file.with_context(|| format!("create {}", unfinished.display()))?;
        Ok(Self { name: name.to_owned(), unfinished, file, finished: false })
    }

    /// Gives the file its name, once all of it is on disk.
    pub fn finish(mut self, replace: bool) -> anyhow::Result<()> {
        let attempt = || format!("write {}", self.name.display());
        self.file.sync_all().with_context(attempt)?;
        if replace {
            fs::rename(&self.unfinished, &self.name).with_context(attempt)?;
        } else {
            // Unlike a rename, a link never replaces what came there meanwhile.
            fs::hard_link(&self.unfinished, &self.name).with_context(attempt)?;
            fs::remove_file(&self.unfinished).with_context(attempt)?;
        }
        self.finished = true;
        let folder = self.name.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(attempt)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // It is of no use; whoever wanted the backup hears of the failure itself.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("b");
        let mut file = NewFile::create(&name, false).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!name.exists());
        file.finish(false).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"one");
        assert_eq!(names(dir.path()), ["b"]);
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(NewFile::create(&dir.path().join("b"), false).unwrap());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("b");
        fs::write(&name, "old").unwrap();
        let refused = NewFile::create(&name, false).err().unwrap().to_string();
        assert!(refused.contains("--force"), "{refused}");
        NewFile::create(&name, true).unwrap().finish(true).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"");
        // Nor when it came there meanwhile.
        let other = dir.path().join("c");
        let late = NewFile::create(&other, false).unwrap();
        fs::write(&other, "first").unwrap();
        assert!(late.finish(false).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"first");
        assert_eq!(names(dir.path()).len(), 2);
    }
}
