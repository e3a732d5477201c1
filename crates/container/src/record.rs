//! A pod's run directory: what is in it, and the records a shim leaves for whoever comes after.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup::annotate;
use crate::error::Error;
use crate::spec::PodSpec;
use crate::state::{ContainerState, PodRecord};

/// What the shim is told at its start, kept for adoption.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PodFile {
    pub spec: PodSpec,
    /// The pod's group, from the hierarchy's root.
    pub cgroup: String,
}

/// Who the shim is; the start time tells it from a later process of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShimProcess {
    pub pid: i32,
    /// Clock ticks after boot.
    pub started: u64,
}

/// The run directory of one pod.
#[derive(Clone, Debug)]
pub(crate) struct PodDirectory {
    path: PathBuf,
}

impl PodDirectory {
    pub(crate) fn new(path: PathBuf) -> PodDirectory {
        PodDirectory { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn pod_file(&self) -> PathBuf {
        self.path.join("pod.json")
    }

    pub(crate) fn process_file(&self) -> PathBuf {
        self.path.join("shim.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("shim.log")
    }

    /// A file system in memory that the shim alone sees, and that ends with it: for all that no
    /// other shim will ever need.
    pub(crate) fn private(&self) -> PathBuf {
        self.path.join("private")
    }

    pub(crate) fn shared_memory(&self) -> PathBuf {
        self.private().join("shm")
    }

    /// Where libcontainer keeps its state.
    pub(crate) fn libcontainer(&self) -> PathBuf {
        self.private().join("libcontainer")
    }

    /// Where a container's bundle and mount points are.
    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.private().join("containers").join(id)
    }

    /// The containers' records.
    pub(crate) fn records(&self) -> PathBuf {
        self.path.join("containers")
    }

    pub(crate) fn container_record(&self, id: &str) -> PathBuf {
        self.records().join(format!("{id}.json"))
    }

    fn pod_record(&self) -> PathBuf {
        self.path.join("record.json")
    }

    /// Leaves the pod's record, for the case that nobody hears the shim's last words.
    pub(crate) fn write_record(&self, record: &PodRecord) -> io::Result<()> {
        write_json(&self.pod_record(), record)
    }

    /// The pod's record as it was left, or made from those of its containers. `None` when the
    /// pod did not get as far as having a spec.
    pub(crate) fn read_record(&self) -> io::Result<Option<PodRecord>> {
        if let Some(record) = read_json(&self.pod_record())? {
            return Ok(Some(record));
        }
        let Some(pod) = read_json::<PodFile>(&self.pod_file())? else { return Ok(None) };
        let mut containers: Vec<ContainerState> = Vec::new();
        for name in names(&self.records(), false)? {
            // What has another ending was being written.
            if name.ends_with(".json") {
                containers.extend(read_json::<ContainerState>(&self.records().join(name))?);
            }
        }
        containers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Some(PodRecord { id: pod.spec.id, labels: pod.spec.labels, containers }))
    }
}

/// Names of the directories in a directory; none if it is not there.
pub(crate) fn directories(path: &Path) -> io::Result<Vec<String>> {
    names(path, true)
}

fn names(path: &Path, directories: bool) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(annotate(error, "list", path)),
        Ok(entries) => entries,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() == directories {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Makes a directory that only its owner may look into, with those above it.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a whole file or nothing: into a neighbour, then renamed.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    // Ids may have dots: the ending is added, not exchanged.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let attempt = || {
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        fs::rename(&temporary, path)
    };
    attempt().map_err(|error: io::Error| annotate(error, "write", path))
}

/// Reads a file; `None` if it is not there.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(annotate(error, "read", path)),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(annotate(error.into(), "read", path)),
        },
    }
}

/// Removes a file; to be without it already is fine.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(annotate(error, "remove", path)),
        _ => Ok(()),
    }
}

/// Removes a directory and all in it; to be without it already is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(annotate(error, "remove", path)),
        Ok(()) => Ok(()),
    }
}

impl ShimProcess {
    /// A process as it is now; `None` if there is none (or only its zombie).
    pub(crate) fn look(pid: i32) -> Option<ShimProcess> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything; what follows the last one does not.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(ShimProcess { pid, started })
    }

    /// Whether it still lives.
    pub(crate) fn lives(self) -> bool {
        ShimProcess::look(self.pid) == Some(self)
    }
}

/// Bound on an id's length: it is a path component and part of a cgroup's name.
const ID_LEN_MAX: usize = 64;

/// Ids become file names: letters, digits, `_`, `-`, `.`.
pub(crate) fn check_id(what: &'static str, id: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let why = if id.is_empty() || id == "." || id == ".." {
        "is no name"
    } else if id.len() > ID_LEN_MAX {
        "is longer than 64"
    } else if !id.chars().all(allowed) {
        "has other characters than letters, digits, '_', '-' and '.'"
    } else {
        return Ok(());
    };
    Err(Error::Invalid { what, value: id.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Status;

    fn check(id: &str, good: bool) {
        assert_eq!(check_id("id", id).is_ok(), good, "{id:?}");
    }

    #[test]
    fn ids_are_plain_names() {
        check("web-0", true);
        check("0f.b_c", true);
        check("", false);
        check(".", false);
        check("..", false);
        check("a/b", false);
        check("a b", false);
        check("ä", false);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }

    #[test]
    fn a_process_is_told_from_a_later_one_of_the_same_number() {
        let me = ShimProcess::look(std::process::id() as i32).unwrap();
        assert!(me.lives());
        assert!(!ShimProcess { started: me.started + 1, ..me }.lives());
        assert!(ShimProcess::look(i32::MAX).is_none());
    }

    #[test]
    fn a_record_is_made_from_what_the_containers_left() {
        let top = tempfile::tempdir().unwrap();
        let pod = PodDirectory::new(top.path().to_owned());
        assert!(pod.read_record().unwrap().is_none());
        let spec = PodSpec { id: "p".into(), ..PodSpec::default() };
        write_json(&pod.pod_file(), &PodFile { spec, cgroup: "/p".into() }).unwrap();
        make_private(&pod.records()).unwrap();
        for id in ["b", "a.b"] {
            let state =
                ContainerState { id: id.into(), status: Status::Created, warnings: Vec::new() };
            write_json(&pod.container_record(id), &state).unwrap();
        }
        fs::write(pod.records().join("c.json.tmp"), "{").unwrap();
        let record = pod.read_record().unwrap().unwrap();
        let ids: Vec<&str> = record.containers.iter().map(|state| state.id.as_str()).collect();
        assert_eq!((record.id.as_str(), ids), ("p", vec!["a.b", "b"]));
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_it() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("pod.json");
        fs::write(&path, "{").unwrap();
        let error = read_json::<PodFile>(&path).unwrap_err();
        assert!(error.to_string().contains("pod.json"), "{error}");
    }
}
