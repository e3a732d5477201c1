//! A server that can be killed and started again on the same data.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::port::free_port;

/// What is put to trial.
pub trait Vessel: Send + 'static {
    /// Starts the process; it need not be ready when this returns.
    fn start(&mut self);
    /// `kill -9`; returns when the process is no more.
    fn kill(&mut self);
    /// Where its gRPC is, as `http://127.0.0.1:2379`.
    fn endpoint(&self) -> String;
    /// Where its data is: what is measured as its disk use.
    fn data_dir(&self) -> PathBuf;
    /// Why it is not well, for the report of a failed trial.
    fn log(&self) -> String;
    /// Whether the process ended without being killed.
    fn has_ended(&mut self) -> bool;
    fn pid(&self) -> Option<u32>;
}

/// A server that is one program with arguments.
pub struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Option<(&'static str, String)>,
    endpoint: String,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

fn temporary(name: &str) -> tempfile::TempDir {
    let builder = tempfile::Builder::new().prefix(&format!("sampan-trial-{name}-")).tempdir();
    builder.expect("a folder")
}

impl Process {
    /// Debian's etcd, alone in its cluster, if it is installed.
    pub fn etcd(extra: &[&str]) -> Option<Self> {
        let program = Path::new("/usr/bin/etcd");
        if !program.exists() {
            return None;
        }
        let directory = temporary("etcd");
        let (client, peer) = (free_port(), free_port());
        let endpoint = format!("http://127.0.0.1:{client}");
        let mut arguments = vec![
            format!("--data-dir={}", directory.path().join("data").display()),
            format!("--listen-client-urls={endpoint}"),
            format!("--advertise-client-urls={endpoint}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
            "--heartbeat-interval=10".into(),
            "--election-timeout=100".into(),
        ];
        arguments.extend(extra.iter().map(|argument| (*argument).to_owned()));
        Some(Self::new(program, arguments, endpoint, directory))
    }

    /// This very test program, which serves when it is told to: it runs only the test named, with
    /// the directory and the address in this environment variable.
    pub fn this_program(test: &str, told_by: &'static str) -> Self {
        let program = std::env::current_exe().expect("this test's path");
        let directory = temporary("serve");
        let address = format!("127.0.0.1:{}", free_port());
        let told = format!("{} {address}", directory.path().join("data").display());
        let endpoint = format!("http://{address}");
        let arguments = ["--exact", test, "--nocapture"].map(str::to_owned);
        let mut process = Self::new(&program, arguments.to_vec(), endpoint, directory);
        process.environment = Some((told_by, told));
        process
    }

    fn new(
        program: &Path,
        arguments: Vec<String>,
        endpoint: String,
        directory: tempfile::TempDir,
    ) -> Self {
        let program = program.to_owned();
        Process { program, arguments, environment: None, endpoint, directory, child: None }
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Vessel for Process {
    fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", self.program.display()));
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill the server");
            child.wait().expect("the server ends");
        }
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn has_ended(&mut self) -> bool {
        let ended = self.child.as_mut().map(|child| child.try_wait().expect("its state"));
        ended.flatten().is_some()
    }

    fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The bytes of all files under a folder. What goes while it is looked at is not counted.
pub fn disk_use(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => disk_use(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}
