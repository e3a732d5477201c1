//! An instance: everything that one data directory names.
//!
//! Its id goes into the names of cgroups, links, nft tables and run files, so that several
//! servers can live on one machine and each can clean up after itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where runtime state of all instances lives.
const RUN_DIR: &str = "/run/sampan";
/// The file in the data directory that says that objects are kept elsewhere.
pub const EXTERNAL_STORE: &str = "external-store.json";
/// Longer than what any server says of itself; the rest is blanks.
const ANNOUNCEMENT_LEN: usize = 1024;

/// One data directory and the names that follow from it.
#[derive(Debug, Clone)]
pub struct Instance {
    data_dir: PathBuf,
    id: String,
}

/// What a running server tells the other commands.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct RunningServer {
    pub pid: u32,
    pub api: SocketAddr,
    pub gateway: SocketAddr,
    /// The URL of the etcd API, when there is one.
    #[serde(default)]
    pub etcd: Option<String>,
    /// Seconds since 1970.
    pub started_at: i64,
    /// Is the API up, and everything behind it.
    pub ready: bool,
    /// What `sampan stop` needs to clean up.
    pub network: NetworkRanges,
}

/// The ranges that an instance was started with.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct NetworkRanges {
    pub pod_cidr: String,
    pub service_cidr: String,
}

impl Instance {
    /// The instance of `data_dir`, which is made when it is not there.
    pub fn create(data_dir: &Path) -> anyhow::Result<Self> {
        let attempt = || format!("create the data directory {}", data_dir.display());
        // It holds every Secret, and images with set-uid files: for root alone.
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).with_context(attempt)?;
        let data_dir = data_dir.canonicalize().with_context(attempt)?;
        let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        Ok(Self { data_dir, id: hex::encode(&digest[..3]) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn run_dir(&self) -> PathBuf {
        Path::new(RUN_DIR).join(&self.id)
    }

    /// Relative to the root of each cgroup hierarchy.
    pub fn cgroup_root(&self) -> String {
        format!("sampan-{}", self.id)
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir.join("kubeconfig")
    }

    pub fn images(&self) -> PathBuf {
        self.data_dir.join("images")
    }

    pub fn server_log(&self) -> PathBuf {
        self.data_dir.join("server.log")
    }

    fn lock_file(&self) -> PathBuf {
        self.data_dir.join("server.lock")
    }

    /// The server that uses this instance now, if one does and has said so.
    pub fn running(&self) -> anyhow::Result<Option<RunningServer>> {
        if !self.is_locked()? {
            return Ok(None);
        }
        // What a server left that was killed is not what the one that starts now says.
        Ok(self.last_server().filter(|server| lives(server.pid)))
    }

    /// Whether a process has this instance. To look takes nothing: who locks it at this
    /// moment is not disturbed.
    pub fn is_locked(&self) -> anyhow::Result<bool> {
        let file = match File::open(self.lock_file()) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).context("open the server's lock file"),
        };
        let mut found = whole_file(libc::F_WRLCK);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).context("look at the server's lock")?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }

    /// What the last server of this instance said of itself, whether or not it still runs.
    pub fn last_server(&self) -> Option<RunningServer> {
        let text = fs::read_to_string(self.lock_file()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Takes the instance for this process, which is a server.
    pub fn lock(&self) -> anyhow::Result<ServerLock> {
        let mut lock = ServerLock { file: self.take()? };
        if let Some(last) = self.last_server() {
            lock.announce(&RunningServer { pid: std::process::id(), ready: false, ..last })?;
        }
        Ok(lock)
    }

    /// Takes the instance for this process, which is no server and does not call itself one.
    pub fn lock_for_maintenance(&self) -> anyhow::Result<impl Sized> {
        self.take()
    }

    fn take(&self) -> anyhow::Result<File> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_WRLCK))) {
            Ok(_) => Ok(file),
            Err(Errno::EAGAIN | Errno::EACCES) => Err(self.in_use()),
            Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }

    fn in_use(&self) -> anyhow::Error {
        let data_dir = self.data_dir.display();
        match self.last_server().filter(|server| lives(server.pid)) {
            Some(server) => anyhow!(
                "the data directory {data_dir} is in use by another server (pid {})\n\
                 stop it with 'sampan stop --data-dir {data_dir}', or give this one its own --data-dir",
                server.pid
            ),
            None => anyhow!(
                "the data directory {data_dir} is in use by another sampan, \
                 such as a server that starts, a backup or a restore\n\
                 try again when that has ended, or give this one its own --data-dir"
            ),
        }
    }
}

fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// A lock on all of a file, which belongs to the open file and not to the process.
fn whole_file(kind: i32) -> libc::flock {
    let l_type = libc::c_short::try_from(kind).expect("kinds of locks are small numbers");
    let l_whence = libc::c_short::try_from(libc::SEEK_SET).expect("it is zero");
    libc::flock { l_type, l_whence, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Held as long as the server lives; the kernel lets it go when the process ends, however.
pub struct ServerLock {
    file: File,
}

impl ServerLock {
    /// Tells other commands about this server. In one write, of a length that never shrinks:
    /// whoever reads, and whoever comes after a kill, finds what was said before or this.
    pub fn announce(&mut self, server: &RunningServer) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(server).context("encode the server's description")?;
        text.resize(text.len().max(ANNOUNCEMENT_LEN), b' ');
        self.file.write_all_at(&text, 0).context("write the server's lock file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(pid: u32) -> RunningServer {
        RunningServer {
            pid,
            api: ([127, 0, 0, 1], 6443).into(),
            gateway: ([127, 0, 0, 1], 8080).into(),
            etcd: None,
            started_at: 0,
            ready: true,
            network: NetworkRanges {
                pod_cidr: "10.42.0.0/16".into(),
                service_cidr: "10.43.0.0/16".into(),
            },
        }
    }

    #[test]
    fn a_second_server_is_told_who_uses_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::create(dir.path()).unwrap();
        let mut lock = instance.lock().unwrap();
        let own = server(std::process::id());
        lock.announce(&own).unwrap();
        let refused = instance.lock().err().unwrap().to_string();
        let by = format!("in use by another server (pid {})", own.pid);
        assert!(refused.contains(&by), "{refused}");
        assert_eq!(instance.running().unwrap(), Some(own.clone()));
        drop(lock);
        assert_eq!(instance.running().unwrap(), None);
        assert_eq!(instance.last_server(), Some(own));
    }

    #[test]
    fn what_a_killed_server_said_does_not_count_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::create(dir.path()).unwrap();
        instance.lock().unwrap().announce(&server(u32::MAX)).unwrap();
        assert!(instance.last_server().unwrap().ready);
        let mut lock = instance.lock().unwrap();
        assert!(!instance.running().unwrap().unwrap().ready);
        // Even in the moment before the next has said anything.
        lock.announce(&server(u32::MAX)).unwrap();
        assert_eq!(instance.running().unwrap(), None);
        assert!(instance.is_locked().unwrap());
    }

    #[test]
    fn instances_are_told_apart_by_their_directories() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = |dir: &Path| Instance::create(dir).unwrap().id().to_owned();
        assert_eq!(
            id(one.path()),
            id(&one.path().join("../").join(one.path().file_name().unwrap()))
        );
        assert_ne!(id(one.path()), id(other.path()));
        assert_eq!(id(one.path()).len(), 6);
    }

    #[test]
    fn a_new_data_directory_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let instance = Instance::create(&parent.path().join("data")).unwrap();
        let mode = fs::metadata(instance.data_dir()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
