//! What the node is given: its client, its engines, and the names and addresses of this box.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Everything a [`crate::Node`] needs. The engines come opened: the node owns no listener
/// and opens no store.
pub struct NodeConfig {
    /// The node's own client, which may do what a kubelet may; in the server its transport is the
    /// API's own router.
    pub client: kube::Client,
    /// The client of the data plane: Services and Ingresses of the whole cluster with what they lead
    /// to, and which ConfigMaps and Secrets have changed.
    pub routing: kube::Client,
    /// The name of the Node object and the value of its hostname label.
    pub name: String,
    /// Runs pods.
    pub runtime: container::Runtime,
    /// Holds images.
    pub images: image::ImageStore,
    /// Links pods and balances Services.
    pub network: net::Network,
    /// The addresses of pods, without the node's own.
    pub addresses: net::AddressPool,
    /// The range of Service addresses; DNS answers their reverse names.
    pub service_range: net::AddressRange,
    /// The table the DNS server answers from.
    pub dns_table: net::dns::Handle,
    /// Routes Ingresses.
    pub gateway: gateway::Gateway,
    /// The data directory: `pods/` and `logs/` below it are the node's.
    pub data_dir: PathBuf,
    /// The run directory. Memory-backed volumes live in `volumes/` below it, or below
    /// /dev/shm where the run directory is no tmpfs.
    pub run_dir: PathBuf,
    /// The node's address inside the pod range: InternalIP, hostIP and ingress address.
    pub node_address: Ipv4Addr,
    /// The cluster DNS address pods are given.
    pub dns_address: Ipv4Addr,
    /// The DNS domain of the cluster, `cluster.local` unless told otherwise.
    pub cluster_domain: String,
    /// The Kubernetes version that the Node object reports, such as `v1.36.0`.
    pub version: String,
}

/// Where the node keeps things below the data and run directories.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    data: PathBuf,
    memory: PathBuf,
}

/// A tmpfs that every Linux box has.
const SHM: &str = "/dev/shm";

impl Paths {
    pub(crate) fn new(data_dir: &Path, run_dir: &Path) -> Self {
        let memory = memory_dirs(run_dir);
        let tmpfs = |dir: &&PathBuf| dir.parent().is_some_and(is_tmpfs);
        let chosen = memory.iter().find(tmpfs).unwrap_or(&memory[0]).clone();
        Self { data: data_dir.to_owned(), memory: chosen }
    }

    /// Makes the directories of pods and logs, closed to everybody but root: secrets and what
    /// containers write, set-uid programs among it, are below.
    pub(crate) fn make(&self) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for dir in [self.pods(), self.logs()] {
            std::fs::create_dir_all(&dir)?;
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.data.join("pods")
    }

    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }

    pub(crate) fn volume(&self, uid: &str, name: &str) -> PathBuf {
        self.pod(uid).join("volumes").join(name)
    }

    pub(crate) fn memory_volumes(&self) -> PathBuf {
        self.memory.clone()
    }

    pub(crate) fn memory_volume(&self, uid: &str, name: &str) -> PathBuf {
        self.memory_volumes().join(uid).join(name)
    }

    pub(crate) fn container(&self, uid: &str, name: &str) -> PathBuf {
        self.pod(uid).join("containers").join(name)
    }

    /// The files the node itself puts into containers: hosts, hostname, resolv.conf.
    pub(crate) fn etc(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.data.join("logs").join("pods")
    }

    pub(crate) fn pod_logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.logs().join(format!("{namespace}_{name}_{uid}"))
    }

    pub(crate) fn log(&self, pod_logs: &Path, container: &str, attempt: u32) -> PathBuf {
        pod_logs.join(container).join(format!("{attempt}.log"))
    }
}

/// Where memory-backed volumes may live, best first.
pub(crate) fn memory_dirs(run_dir: &Path) -> [PathBuf; 2] {
    let instance = run_dir.file_name().unwrap_or_default().to_string_lossy();
    [run_dir.join("volumes"), Path::new(SHM).join(format!("sampan-{instance}"))]
}

/// Whether a directory, or the nearest one above it that is there, lies on a tmpfs.
fn is_tmpfs(dir: &Path) -> bool {
    let there = dir.ancestors().find(|dir| dir.exists());
    let found = there.and_then(|dir| nix::sys::statfs::statfs(dir).ok());
    found.is_some_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_volumes_are_named_by_the_instance() {
        assert_eq!(
            memory_dirs(Path::new("/run/sampan/abc123")),
            [PathBuf::from("/run/sampan/abc123/volumes"), PathBuf::from("/dev/shm/sampan-abc123")]
        );
    }

    #[test]
    fn only_root_looks_into_pods_and_logs() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path(), Path::new("/run/sampan/abc123"));
        paths.make().unwrap();
        paths.make().unwrap();
        for dir in [paths.pods(), paths.logs()] {
            assert_eq!(dir.metadata().unwrap().mode() & 0o7777, 0o700);
        }
    }

    #[test]
    fn memory_volumes_lie_on_a_tmpfs_where_there_is_one() {
        let paths = Paths::new(Path::new("/data"), Path::new("/run/sampan/abc123"));
        let any = is_tmpfs(Path::new("/run")) || is_tmpfs(Path::new(SHM));
        assert_eq!(is_tmpfs(&paths.memory_volumes()), any);
    }
}
