//! A server of the release binary, with a data directory and ports of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use sha2::{Digest, Sha256};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where its etcd API listens.
pub const ETCD_ADDRESS: &str = "127.0.0.1:7379";

/// A running server; dropping it stops it and its pods.
pub struct Boat {
    binary: PathBuf,
    data: tempfile::TempDir,
    server: Option<Child>,
}

impl Boat {
    /// An instance without a server.
    pub fn new(binary: &Path) -> anyhow::Result<Self> {
        let data =
            tempfile::Builder::new().prefix("sampan-bench-").tempdir().context("make a folder")?;
        Ok(Self { binary: binary.to_owned(), data, server: None })
    }

    /// Starts the server. Returns how long it took until it was ready.
    pub fn start(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let child = Command::new(&self.binary)
            .args(["server", "--listen=127.0.0.1:7643", "--gateway-listen=127.0.0.1:7680"])
            .arg(format!("--etcd-listen={ETCD_ADDRESS}"))
            .args(["--pod-cidr=10.98.0.0/16", "--service-cidr=10.99.0.0/16", "--log-file"])
            .arg(self.data.path().join("server.log"))
            .arg("--data-dir")
            .arg(self.data.path())
            .stdin(Stdio::null())
            .spawn()
            .context("start the server")?;
        self.server = Some(child);
        wait("the server is ready", || self.about()["ready"] == true)?;
        Ok(began.elapsed())
    }

    /// What the server says of itself.
    fn about(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.data.path().join("server.lock")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().map_or(0, Child::id)
    }

    /// Runs a command of the binary on this instance.
    pub fn sampan(&self, args: &[&str]) -> anyhow::Result<Output> {
        let output = Command::new(&self.binary)
            .args(args)
            .arg("--data-dir")
            .arg(self.data.path())
            .output()
            .context("run sampan")?;
        if !output.status.success() {
            bail!("sampan {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }

    /// Runs kubectl on this instance.
    pub fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.data.path().join("kubeconfig"))
            .args(args)
            .output()
            .context("run kubectl")?;
        if !output.status.success() {
            bail!("kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where the shims of this instance live: the path says which instance they belong to.
    pub fn run_dir(&self) -> String {
        let path = self.data.path().canonicalize().unwrap_or_default();
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        format!("/run/sampan/{}/", hex::encode(&digest[..3]))
    }

    /// A client of this instance's API.
    pub async fn client(&self) -> anyhow::Result<kube::Client> {
        let kubeconfig = Kubeconfig::read_from(self.data.path().join("kubeconfig"))?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        kube::Client::try_from(config).context("make a client")
    }
}

impl Drop for Boat {
    fn drop(&mut self) {
        if let Err(error) = self.sampan(&["stop"]) {
            eprintln!("{error:#}");
        }
        if let Some(mut child) = self.server.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Asks every few milliseconds until it is true.
pub fn wait(what: &str, mut is: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        if Instant::now() >= deadline {
            bail!("never happened: {what}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
