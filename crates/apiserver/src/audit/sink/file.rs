//! A file that is renamed when it is full; of the old ones the newest are kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::{AuditFile, SinkError};

/// The time in an old file's name, as upstream writes it.
const TIME: &str = "%Y-%m-%dT%H-%M-%S.%3f";
/// How long that is.
const TIME_CHARS: usize = 23;

pub(super) struct RotatedFile {
    options: AuditFile,
    /// `None` after a failure: it is opened again by the next write.
    open: Option<(File, u64)>,
    /// The time in the name that was last given to an old file: the next one is later, so that
    /// names sort as the files came even when many fill within a millisecond.
    last: Timestamp,
}

impl RotatedFile {
    pub(super) fn open(options: AuditFile) -> Result<Self, SinkError> {
        let opened = open(&options.path);
        let opened =
            opened.map_err(|source| SinkError::Open { path: options.path.clone(), source });
        Ok(Self { open: Some(opened?), options, last: Timestamp::MIN })
    }

    /// Writes whole lines, or none.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let (mut file, mut bytes) = match self.open.take() {
            Some(open) => open,
            None => open(&self.options.path)?,
        };
        if bytes > 0 && bytes + lines.len() as u64 > self.options.bytes_max {
            self.rotate()?;
            (file, bytes) = open(&self.options.path)?;
        }
        if let Err(error) = file.write_all(lines) {
            // Half a line would spoil the next one.
            file.set_len(bytes)?;
            return Err(error);
        }
        self.open = Some((file, bytes + lines.len() as u64));
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let after_last = later(self.last);
        let (at, name) = self.free_name(Timestamp::now().max(after_last));
        std::fs::rename(&self.options.path, name)?;
        self.last = at;
        if let Err(error) = self.prune(Timestamp::now()) {
            tracing::warn!(%error, "old audit logs were not removed; it is tried with the next one");
        }
        Ok(())
    }

    /// `audit-2026-11-21T00-00-00.000.log`, a free one, and the time in it.
    fn free_name(&self, mut at: Timestamp) -> (Timestamp, PathBuf) {
        let (stem, extension) = parts(&self.options.path);
        loop {
            let name = format!("{stem}-{}{extension}", at.strftime(TIME));
            let path = self.options.path.with_file_name(name);
            if !path.exists() {
                return (at, path);
            }
            at = later(at);
        }
    }

    fn prune(&self, now: Timestamp) -> io::Result<()> {
        let mut old = self.old_files()?;
        old.sort_by(|a, b| b.cmp(a));
        let days = SignedDuration::from_hours(24 * i64::from(self.options.days_max));
        let oldest = now.saturating_sub(days).unwrap_or(Timestamp::MIN).strftime(TIME).to_string();
        for (index, (time, path)) in old.iter().enumerate() {
            let too_many = self.options.backups_max > 0 && index >= self.options.backups_max;
            let too_old = self.options.days_max > 0 && *time < oldest;
            if too_many || too_old {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The times in their names, which sort as they are, and their paths.
    fn old_files(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let (stem, extension) = parts(&self.options.path);
        let folder = self.options.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let time = name.strip_prefix(&format!("{stem}-"));
            let time = time.and_then(|rest| rest.strip_suffix(&extension));
            if let Some(time) = time.filter(|time| is_time(time)) {
                found.push((time.to_owned(), path.clone()));
            }
        }
        Ok(found)
    }
}

/// The next time that has another name.
fn later(at: Timestamp) -> Timestamp {
    at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(at)
}

/// Only what we named is ours to remove.
fn is_time(text: &str) -> bool {
    text.len() == TIME_CHARS
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b'.'))
}

/// The name without its extension, and that with its dot.
fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let extension = text(path.extension());
    let extension = if extension.is_empty() { extension } else { format!(".{extension}") };
    (text(path.file_stem()), extension)
}

/// For its owner alone: it can hold what Secrets hold.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, bytes_max: u64, backups_max: usize) -> RotatedFile {
        let path = folder.join("audit.log");
        RotatedFile::open(AuditFile { path, bytes_max, backups_max, days_max: 1 }).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 2);
        for line in ["first\n", "second\n", "third\n", "fourth\n", "fifth\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 3, "{names:?}");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("audit.log"), "fifth\n");
        assert_eq!([read(&names[0]), read(&names[1])], ["third\n", "fourth\n"]);
        assert!(names[0].starts_with("audit-20"), "{names:?}");
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 0);
        for name in ["audit-2020-01-01T00-00-00.000.log", "audit-notes.log", "other.log"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        log.write(b"first one\n").unwrap();
        log.write(b"second one\n").unwrap();
        let names = names(folder.path());
        assert!(!names.contains(&"audit-2020-01-01T00-00-00.000.log".to_owned()), "{names:?}");
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn a_file_goes_on_after_a_restart_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 100, 0).write(b"one\n").unwrap();
        log(folder.path(), 100, 0).write(b"two\n").unwrap();
        let path = folder.path().join("audit.log");
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
