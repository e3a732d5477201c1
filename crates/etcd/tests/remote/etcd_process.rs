//! Real etcd members on loopback, to be killed, stopped and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use etcd::pb::etcdserverpb::RangeRequest;
use etcd::pb::etcdserverpb::kv_client::KvClient;
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::port::free_port;
use crate::support::until;

/// Whether tests can run; says so if not.
pub fn is_missing(test: &str) -> bool {
    let found = Command::new("etcd").arg("--version").stdout(Stdio::null()).status();
    let missing = found.is_err();
    if missing {
        println!("skipped {test}: there is no etcd on this machine");
    }
    missing
}

/// One member.
pub struct Member {
    child: Option<Child>,
    dir: TempDir,
    args: Vec<String>,
    pub url: String,
}

/// A cluster of so many members, all started.
pub async fn start(members: usize) -> Vec<Member> {
    start_with(members, "http", &[]).await
}

/// A cluster with more flags, whose clients use `scheme`.
pub async fn start_with(members: usize, scheme: &str, flags: &[&str]) -> Vec<Member> {
    let ports: Vec<_> = (0..members).map(|_| (free_port(), free_port())).collect();
    let peer = |n: usize| format!("http://127.0.0.1:{}", ports[n].1);
    let all: Vec<_> = (0..members).map(|n| format!("m{n}={}", peer(n))).collect();
    let mut started: Vec<_> = (0..members)
        .map(|n| {
            let url = format!("{scheme}://127.0.0.1:{}", ports[n].0);
            let settings = [
                ("name", format!("m{n}")),
                ("listen-client-urls", url.clone()),
                ("advertise-client-urls", url.clone()),
                ("listen-peer-urls", peer(n)),
                ("initial-advertise-peer-urls", peer(n)),
                ("initial-cluster", all.join(",")),
                ("initial-cluster-token", format!("t{}", ports[0].0)),
                ("heartbeat-interval", "50".into()),
                ("election-timeout", "500".into()),
                ("logger", "zap".into()),
                ("log-level", "fatal".into()),
            ];
            let settings = settings.into_iter().map(|(flag, value)| format!("--{flag}={value}"));
            let args = settings.chain(flags.iter().map(|flag| (*flag).to_owned())).collect();
            let dir = tempfile::tempdir().expect("a temporary directory");
            Member { child: None, dir, args, url }
        })
        .collect();
    started.iter_mut().for_each(Member::run);
    if scheme == "http" {
        for member in &started {
            member.ready().await;
        }
    }
    started
}

pub fn urls(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| member.url.clone()).collect()
}

impl Member {
    /// Starts it, again if it was killed.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let child = Command::new("etcd")
            .arg(format!("--data-dir={}", self.dir.path().join("data").display()))
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts");
        self.child = Some(child);
    }

    /// Waits until it answers for the whole cluster.
    pub async fn ready(&self) {
        until("etcd answers", async || {
            let Ok(mut client) = KvClient::connect(self.url.clone()).await else { return false };
            let range = RangeRequest { key: "x".into(), ..RangeRequest::default() };
            let answer = tokio::time::timeout(Duration::from_secs(2), client.range(range)).await;
            matches!(answer, Ok(Ok(_)))
        })
        .await;
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it ends");
        }
    }

    /// Forgets everything it has stored.
    pub fn wipe(&mut self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::remove_dir_all(self.dir.path().join("data")).expect("it has stored something");
    }

    /// Stops it where it is, or lets it go on.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let done = Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(done.success());
    }

    /// A client of its own, beside the store's.
    pub async fn client(&self) -> KvClient<Channel> {
        KvClient::connect(self.url.clone()).await.expect("etcd runs")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
