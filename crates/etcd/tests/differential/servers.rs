//! A fresh etcd and a fresh server of ours.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use etcd::{Config, Server};
use store::{Options, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::asks::Ask;
use crate::peer::Peer;
use crate::port::free_port;
use crate::say::get;

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(30);
/// How long until we ask again whether it has.
const PAUSE: Duration = Duration::from_millis(10);

/// In memory where that is possible: it is not the disk that is compared.
pub fn folder(name: &str) -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(name);
    let made = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
    made.expect("a folder")
}

/// Debian's etcd.
pub struct Etcd {
    child: Child,
    pub endpoint: String,
    _data: TempDir,
}

impl Etcd {
    pub fn is_installed() -> bool {
        Path::new("/usr/bin/etcd").exists()
    }

    pub async fn start() -> Self {
        let data = folder("sampan-differential-etcd-");
        let endpoint = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let child = Command::new("/usr/bin/etcd")
            .arg(format!("--data-dir={}", data.path().display()))
            .args([format!("--listen-client-urls={endpoint}")])
            .args([format!("--advertise-client-urls={endpoint}")])
            .args([format!("--listen-peer-urls={peer}")])
            .args([format!("--initial-advertise-peer-urls={peer}")])
            .args([format!("--initial-cluster=default={peer}")])
            // The shortest lease follows from these: it is two seconds as by default.
            .args(["--heartbeat-interval=10", "--election-timeout=1000"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start etcd");
        let etcd = Etcd { child, endpoint, _data: data };
        etcd.is_ready().await;
        etcd
    }

    async fn is_ready(&self) {
        let deadline = Instant::now() + START_MAX;
        let peer = Peer::new(&self.endpoint);
        while let Err(status) = peer.ask(Ask::from(get("a"))).await {
            assert!(Instant::now() < deadline, "etcd does not start: {status}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A server of ours, in this process.
pub struct Ours {
    pub endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    _data: TempDir,
}

impl Ours {
    pub async fn start() -> Self {
        let data = folder("sampan-differential-ours-");
        let store = Store::open(data.path(), Options::default()).expect("a new store");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its number");
        let config = Config {
            store,
            name: "default".into(),
            client_urls: vec![format!("http://{address}")],
            quota_bytes: 2 << 30,
            client_cert_auth: false,
        };
        let server = Server::new(config).await.expect("a server");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async {
                stopped.await.ok();
            };
            server.serve(listener, None, stopped).await;
        });
        let endpoint = format!("http://{address}");
        Ours { endpoint, stop: Some(stop), serving: Some(serving), _data: data }
    }

    /// Ends the server. Streams of its clients end with it.
    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(serving) = self.serving.take() {
            serving.await.expect("the server does not panic");
        }
    }
}
