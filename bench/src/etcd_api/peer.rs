//! A server of the etcd API: ours inside a boat, or Debian's etcd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::boat::{self, Boat, ETCD_ADDRESS};

/// Where Debian's etcd listens.
const THEIR_CLIENTS: &str = "127.0.0.1:7389";
const THEIR_PEERS: &str = "http://127.0.0.1:7390";

/// One that is running; dropping it ends it.
pub struct Peer {
    url: String,
    data: PathBuf,
    process: Process,
}

enum Process {
    Boat(Boat),
    Etcd { child: Child, _data: tempfile::TempDir },
}

impl Peer {
    /// The whole of Sampan, of which the API is a part.
    pub fn ours(binary: &Path) -> anyhow::Result<Self> {
        let mut boat = Boat::new(binary)?;
        boat.start()?;
        let data = boat.data().join("etcd");
        Ok(Self { url: format!("http://{ETCD_ADDRESS}"), data, process: Process::Boat(boat) })
    }

    /// Debian's etcd as it is without a configuration, or nothing where it is not installed.
    pub fn debian() -> anyhow::Result<Option<Self>> {
        let data =
            tempfile::Builder::new().prefix("sampan-bench-").tempdir().context("make a folder")?;
        let url = format!("http://{THEIR_CLIENTS}");
        let started = Command::new("etcd")
            .arg("--data-dir")
            .arg(data.path())
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", THEIR_PEERS, "--log-level", "error"])
            .args(["--initial-advertise-peer-urls", THEIR_PEERS])
            .args(["--initial-cluster", &format!("default={THEIR_PEERS}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("etcd is not installed: measured without it");
            return Ok(None);
        };
        let path = data.path().to_owned();
        let peer = Self { url, data: path, process: Process::Etcd { child, _data: data } };
        boat::wait("etcd listens", || std::net::TcpStream::connect(THEIR_CLIENTS).is_ok())?;
        Ok(Some(peer))
    }

    /// Where its clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Boat(boat) => boat.pid(),
            Process::Etcd { child, .. } => child.id(),
        }
    }

    /// What its files take on the disk, in bytes: blocks, not lengths.
    pub fn disk_bytes(&self) -> u64 {
        blocks(&self.data) * 512
    }
}

fn blocks(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => blocks(&entry.path()),
        Ok(about) => about.blocks(),
        // It was removed between the listing and now.
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Process::Etcd { child, .. } = &mut self.process {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
