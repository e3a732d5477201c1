//! Kernel switches, and what they were before us.
//!
//! Several instances share them. A file beside the instances' run directories says which instances need
//! them and what the values were before the first; the last instance to leave puts those back. The
//! directory is locked while the file is read and written, and while an instance is set up or removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

const IPV4: &str = "/proc/sys/net/ipv4";
const NOTES: &str = "sysctls.json";

/// Why a kernel switch or the notes about it could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{attempted} {}", path.display())]
pub struct SysctlError {
    attempted: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Keeps other instances from changing the box at the same time.
#[derive(Debug)]
pub(crate) struct Shared {
    dir: PathBuf,
    _lock: Flock<File>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Notes {
    /// Who needs the switches as they are.
    instances: BTreeSet<String>,
    /// What they were, by file.
    former: BTreeMap<PathBuf, String>,
}

impl Shared {
    /// Waits for the lock on the directory that holds the instances' run directories.
    pub(crate) fn lock(run_dir: &Path) -> Result<Shared, SysctlError> {
        let dir = run_dir.parent().unwrap_or(run_dir).to_owned();
        let fail = |source| SysctlError { attempted: "lock", path: dir.clone(), source };
        fs::create_dir_all(&dir).map_err(fail)?;
        let file = File::open(&dir).map_err(fail)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| fail(io::Error::from(errno)))?;
        Ok(Shared { dir, _lock: lock })
    }

    /// Turns forwarding on for an instance and notes what was before.
    pub(crate) fn acquire(&self, instance: &str) -> Result<(), SysctlError> {
        self.acquire_in(Path::new(IPV4), instance)
    }

    /// Takes an instance off the list; the last one puts the former values back. Instances that nothing is
    /// left of do not count: somebody removed their files without destroying them.
    pub(crate) fn release(
        &self,
        instance: &str,
        exists: impl Fn(&str) -> bool,
    ) -> Result<(), SysctlError> {
        let mut notes = self.read_notes()?;
        notes.instances.retain(|other| other != instance && exists(other));
        if !notes.instances.is_empty() {
            return self.write_notes(&notes);
        }
        for (path, value) in restore_order(&notes.former) {
            restore(path, value)?;
        }
        self.remove_notes()
    }

    fn acquire_in(&self, ipv4: &Path, instance: &str) -> Result<(), SysctlError> {
        let mut notes = self.read_notes()?;
        let forward = ipv4.join("ip_forward");
        if read(&forward)? != "1" {
            // Turning forwarding on changes every link's own switch and a few others with it. Values
            // noted by an instance that is still there are older, so they are the true ones.
            for path in switches(ipv4)? {
                let value = read(&path)?;
                notes.former.entry(path).or_insert(value);
            }
        }
        notes.instances.insert(instance.to_owned());
        // First the notes, then the change: a crash between leaves nothing unknown.
        self.write_notes(&notes)?;
        if read(&forward)? == "1" { Ok(()) } else { write(&forward, "1") }
    }

    fn notes_path(&self) -> PathBuf {
        self.dir.join(NOTES)
    }

    fn read_notes(&self) -> Result<Notes, SysctlError> {
        let path = self.notes_path();
        let fail = |source| SysctlError { attempted: "read", path: path.clone(), source };
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Notes::default()),
            Err(error) => Err(fail(error)),
        }
    }

    fn write_notes(&self, notes: &Notes) -> Result<(), SysctlError> {
        let path = self.notes_path();
        let fail = |source| SysctlError { attempted: "write", path: path.clone(), source };
        let bytes = serde_json::to_vec(notes).map_err(|error| fail(error.into()))?;
        let new = path.with_extension("new");
        fs::write(&new, bytes).map_err(fail)?;
        fs::rename(&new, &path).map_err(fail)
    }

    fn remove_notes(&self) -> Result<(), SysctlError> {
        let path = self.notes_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SysctlError { attempted: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }
}

/// Everything that turning forwarding on changes: the switch, its copy per link, and what follows it.
fn switches(ipv4: &Path) -> Result<Vec<PathBuf>, SysctlError> {
    let mut found = vec![ipv4.join("ip_forward"), ipv4.join("conf/all/accept_redirects")];
    let conf = ipv4.join("conf");
    let fail = |source| SysctlError { attempted: "list", path: conf.clone(), source };
    for entry in fs::read_dir(&conf).map_err(fail)? {
        found.push(entry.map_err(fail)?.path().join("forwarding"));
    }
    Ok(found)
}

/// The main switch first: writing it overwrites the others.
fn restore_order(former: &BTreeMap<PathBuf, String>) -> Vec<(&PathBuf, &String)> {
    let mut order: Vec<_> = former.iter().collect();
    order.sort_by_key(|(path, _)| !path.ends_with("ip_forward"));
    order
}

/// A link that is gone has no switch any more, and needs none.
fn restore(path: &Path, value: &str) -> Result<(), SysctlError> {
    if !path.exists() || read(path)? == value {
        return Ok(());
    }
    write(path, value)
}

fn read(path: &Path) -> Result<String, SysctlError> {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(|source| SysctlError {
        attempted: "read",
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, value: &str) -> Result<(), SysctlError> {
    fs::write(path, value).map_err(|source| SysctlError {
        attempted: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for /proc/sys/net/ipv4 with one link, and a directory for two instances.
    fn machine(forwarding: &str) -> (tempfile::TempDir, PathBuf, Shared) {
        let dir = tempfile::tempdir().unwrap();
        let ipv4 = dir.path().join("ipv4");
        for link in ["all", "eth0"] {
            fs::create_dir_all(ipv4.join("conf").join(link)).unwrap();
            fs::write(ipv4.join("conf").join(link).join("forwarding"), forwarding).unwrap();
        }
        fs::write(ipv4.join("conf/all/accept_redirects"), "1\n").unwrap();
        fs::write(ipv4.join("ip_forward"), forwarding).unwrap();
        let shared = Shared::lock(&dir.path().join("run/one")).unwrap();
        (dir, ipv4, shared)
    }

    fn forwarding(ipv4: &Path) -> String {
        read(&ipv4.join("ip_forward")).unwrap()
    }

    #[test]
    fn the_last_instance_puts_the_values_back() {
        let (_dir, ipv4, shared) = machine("0\n");
        shared.acquire_in(&ipv4, "one").unwrap();
        shared.acquire_in(&ipv4, "two").unwrap();
        assert_eq!(shared.read_notes().unwrap().instances.len(), 2);
        shared.release("one", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "1");
        shared.release("two", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "0");
        assert!(!shared.notes_path().exists());
    }

    #[test]
    fn values_that_were_right_before_are_left_alone() {
        let (_dir, ipv4, shared) = machine("1\n");
        shared.acquire_in(&ipv4, "one").unwrap();
        shared.release("one", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "1");
    }

    #[test]
    fn reopening_keeps_the_first_notes_even_when_somebody_interfered() {
        let (_dir, ipv4, shared) = machine("0\n");
        shared.acquire_in(&ipv4, "one").unwrap();
        shared.acquire_in(&ipv4, "one").unwrap();
        fs::write(ipv4.join("ip_forward"), "0").unwrap();
        fs::write(ipv4.join("conf/all/accept_redirects"), "0").unwrap();
        shared.acquire_in(&ipv4, "one").unwrap();
        shared.release("one", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "0");
        assert_eq!(read(&ipv4.join("conf/all/accept_redirects")).unwrap(), "1");
    }

    #[test]
    fn a_link_that_is_gone_is_no_obstacle() {
        let (_dir, ipv4, shared) = machine("0\n");
        shared.acquire_in(&ipv4, "one").unwrap();
        fs::remove_dir_all(ipv4.join("conf/eth0")).unwrap();
        shared.release("one", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "0");
    }

    #[test]
    fn an_instance_that_nothing_is_left_of_does_not_count() {
        let (_dir, ipv4, shared) = machine("0\n");
        shared.acquire_in(&ipv4, "one").unwrap();
        shared.acquire_in(&ipv4, "lost").unwrap();
        shared.release("one", |other| other != "lost").unwrap();
        assert_eq!(forwarding(&ipv4), "0");
    }

    #[test]
    fn releasing_what_was_never_acquired_changes_nothing() {
        let (_dir, ipv4, shared) = machine("1\n");
        shared.release("one", |_| true).unwrap();
        assert_eq!(forwarding(&ipv4), "1");
    }
}
