//! Debian's etcdctl and etcd: the clients and the server that ours is measured with.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::boat::{Boat, PATIENCE, eventually, has, is_root, pause, skip, texts};
use crate::port::free_port;

/// etcdctl with the endpoint of one server.
#[derive(Clone)]
pub struct Etcdctl {
    flags: Vec<String>,
    folder: PathBuf,
}

impl Etcdctl {
    /// For the etcd API of a boat.
    pub fn of(boat: &Boat) -> Self {
        Self::at(&boat.etcd_url())
    }

    pub fn at(url: &str) -> Self {
        Self { flags: vec![format!("--endpoints={url}")], folder: "/".into() }
    }

    /// For the unix socket of a boat. Debian's etcdctl names the whole path as the host that it
    /// asks for, which HTTP/2 does not allow; newer ones and a relative path are fine.
    pub fn of_socket(boat: &Boat) -> Self {
        Self { folder: boat.run_dir(), ..Self::at("unix://etcd.sock") }
    }

    /// The same with one more flag.
    pub fn with(&self, flag: impl Into<String>) -> Self {
        let mut more = self.clone();
        more.flags.push(flag.into());
        more
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(&self.flags).args(args).current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = self.command(args).spawn().expect("run etcdctl");
        let mut input = child.stdin.take().expect("its input");
        // One that has failed already does not read.
        input.write_all(stdin.as_bytes()).ok();
        drop(input);
        child.wait_with_output().expect("etcdctl ends")
    }

    /// Runs it and expects success. Returns what it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        self.ok_with(args, "")
    }

    #[track_caller]
    pub fn ok_with(&self, args: &[&str], stdin: &str) -> String {
        let output = self.run(args, stdin);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "etcdctl {args:?}: {out}{err}");
        // Some of what went well is told on standard error.
        out + &err
    }

    /// Runs it and expects failure. Returns what it complained of.
    #[track_caller]
    pub fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args, "");
        let (out, err) = texts(&output);
        assert!(!output.status.success(), "etcdctl {args:?} went well: {out}{err}");
        err
    }

    /// What it prints as JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let text = self.with("--write-out=json").ok(args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The value of a key; None when it is not there.
    #[track_caller]
    pub fn value(&self, key: &str) -> Option<String> {
        let text = self.ok(&["get", "--print-value-only", key]);
        (!text.is_empty()).then(|| text.trim_end_matches('\n').to_owned())
    }

    /// Grants a lease. Returns its id as etcdctl writes it.
    #[track_caller]
    pub fn grant(&self, seconds: u32) -> String {
        let said = self.ok(&["lease", "grant", &seconds.to_string()]);
        said.split(' ').nth(1).unwrap_or_else(|| panic!("no id: {said}")).to_owned()
    }

    /// Starts it and goes on.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::new(self.command(args).spawn().expect("run etcdctl"))
    }
}

/// A program that runs until it is dropped, and its lines.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines }
    }

    /// Writes to its standard input.
    pub fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input");
        input.write_all(text.as_bytes()).expect("write to it");
    }

    /// Its next line.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line in time")
    }

    /// That no line comes within this time.
    #[track_caller]
    pub fn silent_for(&self, time: Duration) {
        match self.lines.recv_timeout(time) {
            Ok(line) => panic!("it says {line:?}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A running etcd of Debian's, one member.
pub struct RealEtcd {
    child: Child,
    pub url: String,
    _data: tempfile::TempDir,
}

impl RealEtcd {
    pub fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let url = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let log = std::fs::File::create(data.path().join("log")).expect("a log file");
        let child = Command::new("etcd")
            .arg("--data-dir")
            .arg(data.path().join("member"))
            .args(["--name=one", &format!("--initial-cluster=one={peer}")])
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start etcd");
        let etcd = Self { child, url, _data: data };
        eventually("etcd answers", || {
            etcd.ctl().run(&["endpoint", "health"], "").status.success().then_some(())
        });
        etcd
    }

    pub fn ctl(&self) -> Etcdctl {
        Etcdctl::at(&self.url)
    }

    /// Lets it stand still, or go on.
    pub fn pause(&self, still: bool) {
        pause(self.child.id(), still);
    }
}

impl Drop for RealEtcd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A boat and an etcdctl for it, where there is one.
pub fn afloat(name: &str) -> Option<(Boat, Etcdctl)> {
    if !can_run(name) {
        return None;
    }
    let boat = Boat::afloat(name);
    let ctl = Etcdctl::of(&boat);
    Some((boat, ctl))
}

/// Whether a test with etcdctl can run here.
pub fn can_run(name: &str) -> bool {
    let can = is_root() && has("etcdctl");
    if !can {
        skip(name, "it needs root and etcdctl");
    }
    can
}

/// How long something takes until it is so.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> Duration {
    let began = Instant::now();
    eventually(what, ask);
    began.elapsed()
}
