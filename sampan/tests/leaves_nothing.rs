//! `sampan down` and `sampan stop` leave the machine as it was. Alone in its file: it compares
//! the whole machine, so no other instance may run beside it.

#[path = "support/boat.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
mod boat;
#[path = "../../crates/etcd/tests/support/port.rs"]
mod port;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use boat::{Boat, fixture, is_root, skip};

/// What Sampan could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    links: BTreeSet<String>,
    routes: BTreeSet<String>,
    rules: BTreeSet<String>,
    processes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    sysctls: BTreeSet<String>,
}

impl Machine {
    fn look() -> Self {
        Self {
            mounts: lines(&fs::read_to_string("/proc/self/mounts").expect("mounts")),
            cgroups: cgroups(Path::new("/sys/fs/cgroup"), 4),
            links: lines(&run("ip", &["-o", "address"])),
            routes: lines(&run("ip", &["route", "show", "table", "all"])),
            rules: lines(&run("nft", &["list", "tables"])),
            processes: processes(),
            namespaces: namespaces(),
            sysctls: ["ip_forward", "conf/all/forwarding", "conf/all/rp_filter"]
                .map(|name| {
                    fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default()
                })
                .into(),
        }
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("run {program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cgroups(at: &Path, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(entries) = fs::read_dir(at) else { return found };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        if depth > 0 && !entry.path().is_symlink() {
            found.extend(cgroups(&entry.path(), depth - 1));
        }
        found.insert(entry.path().display().to_string());
    }
    found
}

/// Every program that runs from our binary: servers and shims.
fn processes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let words = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        let second = words.split('\0').nth(1).unwrap_or_default();
        if matches!(second, "server" | "shim") {
            found.insert(format!("{} {}", process.path().display(), words.replace('\0', " ")));
        }
    }
    found
}

/// The namespaces that processes are in.
fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        for kind in ["net", "mnt", "uts", "ipc", "pid"] {
            if let Ok(namespace) = fs::read_link(process.path().join("ns").join(kind)) {
                found.insert(namespace.display().to_string());
            }
        }
    }
    found
}

const APP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  replicas: 3
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - {name: echo, image: 'echo:1', ports: [{name: http, containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  type: NodePort
  selector: {app: echo}
  ports: [{port: 80, targetPort: http}]
"#;

#[test]
fn down_and_stop_leave_the_machine_as_it_was() {
    if !is_root() || !boat::has("nft") || !boat::has("ip") {
        return skip("down_and_stop", "it needs root, and ip and nft to compare the machine");
    }
    let app = tempfile::tempdir().expect("a folder");
    fs::write(app.path().join("echo.yaml"), APP).expect("write it");
    let source = fixture("echo");
    let boat = Boat::new("nothing");
    let before = Machine::look();
    boat.sampan_ok(&["build", source.to_str().expect("a path"), "--tag", "echo:1"]);
    boat.up_ok(app.path());
    assert_ne!(Machine::look().links, before.links, "the comparison sees something");
    boat.sampan_ok(&["down", app.path().to_str().expect("a path")]);
    boat.sampan_ok(&["stop"]);
    assert_eq!(Machine::look(), before);
    // Again, but everything still runs, and the server is dead.
    boat.up_ok(app.path());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(boat.server_pid()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("kill the server");
    boat::eventually("the server is gone", || {
        nix::sys::signal::kill(pid, None).is_err().then_some(())
    });
    boat.sampan_ok(&["stop"]);
    assert_eq!(Machine::look(), before);
}
