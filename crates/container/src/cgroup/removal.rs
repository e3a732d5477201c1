//! Killing what is in a group, and taking the group away.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::layout::Version;
use super::{Group, annotate};

/// How long the killed may take to go: the kernel has to take their memory back first.
const DEATH_MAX: Duration = Duration::from_secs(10);

/// How long a group may stay busy after its last process went.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// First and longest pause between two looks.
const PAUSE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_millis(20);

impl Group {
    /// Sends a signal to every process of the group and those below it.
    pub(crate) fn signal(&self, number: i32) -> io::Result<()> {
        for pid in self.processes()? {
            send(pid, number)?;
        }
        Ok(())
    }

    /// Kills every process of the group and those below it, once, without waiting.
    pub(crate) fn strike(&self) -> io::Result<()> {
        if self.version == Version::V2
            && let Some(directory) = self.directories.first()
            && fs::write(directory.path().join("cgroup.kill"), "1").is_ok()
        {
            return Ok(());
        }
        self.signal(Signal::SIGKILL as i32)
    }

    /// Kills every process until there is none. Tells whether that succeeded in time.
    pub(crate) fn kill(&self) -> io::Result<bool> {
        let deadline = Instant::now() + DEATH_MAX;
        let mut pause = *PAUSE.start();
        while !self.processes()?.is_empty() {
            if Instant::now() > deadline {
                return Ok(false);
            }
            // Once is enough for all but those that fork faster than we read: hold these still.
            let held = pause > *PAUSE.start() && self.freeze(true);
            let struck = self.strike();
            if held {
                self.freeze(false);
            }
            struck?;
            thread::sleep(pause);
            pause = (pause * 2).min(*PAUSE.end());
        }
        Ok(true)
    }

    /// Stops or lets go all processes, where that is needed to kill them (v1). Tells whether it
    /// could: a group that is only half there has nothing that could run away.
    fn freeze(&self, freeze: bool) -> bool {
        let state = if freeze { "FROZEN" } else { "THAWED" };
        self.version == Version::V1 && self.write("freezer", "freezer.state", state).is_ok()
    }

    /// Removes the group and those below it; to be without it already is fine.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for directory in &self.directories {
            let mut groups = tree(&directory.path())?;
            groups.reverse();
            for group in groups {
                remove_one(&group)?;
            }
        }
        Ok(())
    }
}

fn send(pid: i32, number: i32) -> io::Result<()> {
    // SAFETY: kill takes no pointers; the numbers come from the kernel and the caller.
    match unsafe { nix::libc::kill(pid, number) } {
        0 => Ok(()),
        _ => match Errno::last() {
            Errno::ESRCH => Ok(()),
            errno => Err(errno.into()),
        },
    }
}

/// The group's directory and all below it, parents first; none if it is not there.
pub(super) fn tree(top: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(annotate(error, "list", &path)),
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
        found.push(path);
    }
    Ok(found)
}

fn remove_one(path: &Path) -> io::Result<()> {
    let deadline = Instant::now() + BUSY_MAX;
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(*PAUSE.start());
            }
            Err(error) => return Err(annotate(error, "remove", path)),
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_lists_parents_before_children() {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("a/b")).unwrap();
        fs::create_dir_all(top.path().join("c")).unwrap();
        let found = tree(top.path()).unwrap();
        assert_eq!(found.len(), 4);
        let at = |name: &str| found.iter().position(|path| path.ends_with(name)).unwrap();
        assert!(at("a") < at("a/b"));
        assert_eq!(found[0], top.path());
    }

    #[test]
    fn a_tree_that_is_not_there_is_empty() {
        assert!(tree(Path::new("/nonexistent/group")).unwrap().is_empty());
    }
}
