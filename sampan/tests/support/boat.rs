//! One instance of the real binary, with a data directory, ports and ranges of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::port::free_port;

/// The real binary.
pub const SAMPAN: &str = env!("CARGO_BIN_EXE_sampan");
/// How long anything may take before the test says it never happens.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The second digits of the ranges that boats have.
const RANGES: std::ops::RangeInclusive<u8> = 130..=250;

/// The ranges of one boat, kept from all others on this machine.
struct Ranges {
    second: u8,
    _lock: fs::File,
}

impl Ranges {
    /// The first that nobody uses; the kernel frees them when the test ends, however.
    fn claim() -> Self {
        let claim = |second: u8| {
            let path = std::env::temp_dir().join(format!("sampan-test-range-{second}.lock"));
            let lock = fs::File::create(path).expect("a lock file");
            lock.try_lock().is_ok().then_some(Self { second, _lock: lock })
        };
        let linked = linked();
        let free = |second: &u8| !linked.contains(second);
        RANGES.filter(free).find_map(claim).expect("a free range")
    }
}

/// The second digits of the addresses 10.x that links of this machine have: those of a test that was killed stay.
fn linked() -> Vec<u8> {
    let links = nix::ifaddrs::getifaddrs().expect("the links of this machine");
    let address = |link: nix::ifaddrs::InterfaceAddress| Some(link.address?.as_sockaddr_in()?.ip());
    let digits = links.filter_map(address).map(|address| address.octets());
    digits.filter(|digits| digits[0] == 10).map(|digits| digits[1]).collect()
}

/// A sampan instance. Dropping it stops the server and removes everything.
pub struct Boat {
    data: tempfile::TempDir,
    ranges: Ranges,
    pub api_port: u16,
    pub gateway_port: u16,
    /// Any, unless [`Boat::keep_etcd_port`] was called.
    etcd_port: u16,
    more_flags: Vec<String>,
    server: Option<Child>,
}

/// Says that a test cannot run here. In CI that is a failure: it installs all that is needed.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} must not be skipped in CI: {why}");
    eprintln!("SKIPPED {test}: {why}");
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub fn has(program: &str) -> bool {
    let found =
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok()
}

/// The binary that boats run: that of another build when `SAMPAN_BIN` names it.
fn program() -> PathBuf {
    std::env::var_os("SAMPAN_BIN").map_or_else(|| SAMPAN.into(), PathBuf::from)
}

/// Asks until the answer is there; fails the test when it never comes.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lets a process stand still, or go on.
pub fn pause(pid: u32, still: bool) {
    use nix::sys::signal::{Signal, kill};
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    kill(pid, if still { Signal::SIGSTOP } else { Signal::SIGCONT }).expect("signal it");
}

impl Boat {
    /// A boat that is not on the water yet.
    pub fn new(name: &str) -> Self {
        let data = tempfile::Builder::new()
            .prefix(&format!("sampan-{name}-"))
            .tempdir()
            .expect("a folder");
        Self {
            data,
            ranges: Ranges::claim(),
            api_port: free_port(),
            gateway_port: free_port(),
            etcd_port: 0,
            more_flags: Vec::new(),
            server: None,
        }
    }

    /// A boat with a running server.
    pub fn afloat(name: &str) -> Self {
        let mut boat = Self::new(name);
        boat.start();
        boat
    }

    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// The flags that keep boats apart.
    pub fn server_flags(&self) -> Vec<String> {
        let second = self.ranges.second;
        let mut flags = vec![
            format!("--listen=127.0.0.1:{}", self.api_port),
            format!("--gateway-listen=127.0.0.1:{}", self.gateway_port),
            format!("--pod-cidr=10.{second}.0.0/17"),
            format!("--service-cidr=10.{second}.128.0/17"),
            format!("--etcd-listen=127.0.0.1:{}", self.etcd_port),
            "--node-name=box".into(),
        ];
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        flags.retain(|flag| !self.more_flags.iter().any(|more| name(more) == name(flag)));
        flags.extend(self.more_flags.iter().cloned());
        flags
    }

    /// Lets the etcd API listen at the same port each time that the server is started.
    pub fn keep_etcd_port(&mut self) {
        self.etcd_port = free_port();
    }

    /// Gives the server one more flag, or another value for one that it has.
    pub fn with_flag(&mut self, flag: impl Into<String>) {
        self.more_flags.push(flag.into());
    }

    /// Where the etcd API of the running server is, as a URL.
    pub fn etcd_url(&self) -> String {
        let etcd = &self.about()["etcd"];
        etcd.as_str().unwrap_or_else(|| panic!("no etcd API: {}", self.about())).to_owned()
    }

    /// Where the etcd API of the running server listens.
    pub fn etcd_address(&self) -> String {
        let url = self.etcd_url();
        url.split_once("://").expect("a URL").1.to_owned()
    }

    /// What is only there while a server runs or pods do.
    pub fn run_dir(&self) -> PathBuf {
        Path::new("/run/sampan").join(self.id())
    }

    /// What the server says of itself.
    fn about(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.data_dir().join("server.lock")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What the addresses of the first pods begin with.
    pub fn pod_prefix(&self) -> String {
        format!("10.{}.0.", self.ranges.second)
    }

    /// Starts the server in the foreground of a child process and waits until it is ready.
    pub fn start(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts the server in the foreground of a child process.
    pub fn launch(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data_dir().join("test-server.log"))
            .expect("a log file");
        let child = Command::new(program())
            .arg("server")
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(self.server_flags())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start the server");
        self.server = Some(child);
    }

    pub fn wait_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            assert!(!self.server_ended(), "the server ended: {}", self.server_log());
            assert!(Instant::now() < deadline, "the server is not ready: {}", self.server_log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the server that was started has ended by itself.
    pub fn server_ended(&mut self) -> bool {
        let ended = self.server.as_mut().and_then(|child| child.try_wait().expect("its state"));
        ended.is_some()
    }

    fn is_ready(&self) -> bool {
        let pid = self.server.as_ref().map(Child::id);
        let about = self.about();
        about["ready"] == true && pid.is_none_or(|pid| about["pid"] == pid)
    }

    pub fn server_log(&self) -> String {
        let read = |name| fs::read_to_string(self.data_dir().join(name)).unwrap_or_default();
        let log = read("test-server.log") + &read("server.log") + &read("server.out");
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    pub fn server_pid(&self) -> u32 {
        u32::try_from(self.about()["pid"].as_u64().expect("a pid")).expect("a pid")
    }

    /// Waits until the server, which was told to stop, has ended.
    pub fn wait_ended(&mut self) -> ExitStatus {
        let mut child = self.server.take().expect("a running server");
        child.wait().expect("the server ends")
    }

    /// Lets the server stand still, or go on.
    pub fn pause_server(&self, still: bool) {
        pause(self.server_pid(), still);
    }

    /// `kill -9` of the server; everything else goes on.
    pub fn kill_server(&mut self) {
        let mut child = self.server.take().expect("a running server");
        child.kill().expect("kill the server");
        child.wait().expect("the server ends");
    }

    /// Runs the binary with this boat's data directory.
    pub fn sampan(&self, args: &[&str]) -> Output {
        Command::new(program())
            .args(args)
            .arg("--data-dir")
            .arg(self.data_dir())
            .stdin(Stdio::null())
            .output()
            .expect("run sampan")
    }

    /// Runs the binary and expects success. Returns what it printed.
    pub fn sampan_ok(&self, args: &[&str]) -> String {
        let output = self.sampan(args);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "sampan {args:?}: {out}{err}\n{}", self.server_log());
        out
    }

    /// Runs the binary and expects failure. Returns what it complained of.
    pub fn sampan_fails(&self, args: &[&str]) -> String {
        let output = self.sampan(args);
        let (out, err) = texts(&output);
        assert!(!output.status.success(), "sampan {args:?} went well: {out}{err}");
        err
    }

    /// `sampan up DIR` with this boat's ports and ranges.
    pub fn up(&self, dir: &Path) -> Output {
        let flags = self.server_flags();
        let mut args = vec!["up", dir.to_str().expect("a path in UTF-8")];
        args.extend(flags.iter().map(String::as_str));
        self.sampan(&args)
    }

    pub fn up_ok(&self, dir: &Path) -> (String, String) {
        let output = self.up(dir);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "up: {out}{err}\n{}", self.server_log());
        (out, err)
    }

    pub fn up_fails(&self, dir: &Path) -> String {
        let output = self.up(dir);
        let (out, err) = texts(&output);
        assert!(!output.status.success(), "up went well: {out}{err}");
        err
    }

    /// Builds the tests' service as `echo:1`, `echo:2`, …: the versions differ by their tag only.
    pub fn load_echo(&self) {
        let source = fixture("echo");
        for tag in ["echo:1", "echo:2"] {
            self.sampan_ok(&["build", source.to_str().expect("a path"), "--tag", tag]);
        }
    }

    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_with(args, "")
    }

    pub fn kubectl_with(&self, args: &[&str], stdin: &str) -> Output {
        kubectl(self.data_dir(), args, stdin)
    }

    pub fn kubectl_ok(&self, args: &[&str]) -> String {
        self.kubectl_ok_with(args, "")
    }

    pub fn kubectl_ok_with(&self, args: &[&str], stdin: &str) -> String {
        let output = self.kubectl_with(args, stdin);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "kubectl {args:?}: {out}{err}\n{}", self.server_log());
        out
    }

    pub fn apply(&self, yaml: &str) {
        self.kubectl_ok_with(&["apply", "-f", "-"], yaml);
    }

    /// A field of an object, by kubectl's JSONPath.
    pub fn field(&self, object: &[&str], path: &str) -> String {
        let output = format!("jsonpath={{{path}}}");
        let mut args = vec!["get"];
        args.extend(object);
        args.extend(["-o", &output]);
        self.kubectl_ok(&args)
    }

    /// The six digits in the names of everything this boat has in the kernel.
    pub fn id(&self) -> String {
        use sha2::{Digest, Sha256};
        let path = self.data_dir().canonicalize().expect("the data directory");
        hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..3])
    }
}

impl Drop for Boat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.server_log());
        }
        let stopped = self.sampan(&["stop"]);
        if let Some(mut child) = self.server.take() {
            child.kill().ok();
            child.wait().ok();
        }
        if !stopped.status.success() && !std::thread::panicking() {
            panic!("stop: {}", texts(&stopped).1);
        }
    }
}

/// Runs kubectl against the instance in `data_dir`.
pub fn kubectl(data_dir: &Path, args: &[&str], stdin: &str) -> Output {
    let mut child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(data_dir.join("kubeconfig"))
        .arg("--cache-dir")
        .arg(data_dir.join("kubectl-cache"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run kubectl");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(stdin.as_bytes()).expect("write to kubectl");
    drop(input);
    child.wait_with_output().expect("kubectl ends")
}

pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
