//! A place for one test: run directory, image, containers to be.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sampan_container::{
    ContainerSpec, ContainerState, ExitStatus, LogSpec, Pod, PodSpec, RootFs, Runtime,
    RuntimeConfig, Status,
};
use tempfile::TempDir;

/// How long anything that must happen may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

pub struct World {
    pub cgroup_root: String,
    directory: TempDir,
    image: PathBuf,
    uppers: AtomicU32,
}

/// Compiles the program that containers run.
pub fn compile_helper() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods/helper.c");
    let compiled = Command::new("cc")
        .args(["-static", "-O1", "-o"])
        .arg(directory.path().join("helper"))
        .arg(source)
        .status()
        .expect("cc runs");
    assert!(compiled.success(), "the helper compiles");
    directory
}

impl World {
    pub fn new(name: &str, helper: &Path) -> World {
        let directory = tempfile::Builder::new().prefix("sampan-test-").tempdir().unwrap();
        let image = directory.path().join("image");
        for path in ["bin", "etc", "data"] {
            fs::create_dir_all(image.join(path)).unwrap();
        }
        fs::copy(helper.join("helper"), image.join("bin/helper")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n";
        fs::write(image.join("etc/passwd"), passwd).unwrap();
        fs::write(image.join("etc/group"), "app:x:1235:\nextra:x:77:app\n").unwrap();
        fs::write(image.join("etc/plain"), "not a program\n").unwrap();
        let mut short = name.to_owned();
        short.truncate(20);
        let cgroup_root = format!("sampan-test-{}-{short}", std::process::id());
        World { cgroup_root, directory, image, uppers: AtomicU32::new(0) }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn pod_directory(&self, pod: &str) -> PathBuf {
        self.path().join("run/pods").join(pod)
    }

    /// A new client, as a server that has just been started has one.
    pub fn runtime(&self) -> Runtime {
        Runtime::new(RuntimeConfig {
            run_dir: self.path().join("run"),
            cgroup_root: self.cgroup_root.clone(),
            shim_exe: std::env::current_exe().unwrap(),
        })
        .unwrap()
    }

    pub async fn pod(&self, id: &str) -> Pod {
        self.pod_of(PodSpec { id: id.into(), hostname: "box".into(), ..PodSpec::default() }).await
    }

    pub async fn pod_of(&self, spec: PodSpec) -> Pod {
        self.runtime().start_pod(spec).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// A container that runs the helper with these arguments.
    pub fn container(&self, id: &str, args: &[&str]) -> ContainerSpec {
        let number = self.uppers.fetch_add(1, Ordering::Relaxed);
        let place = self.path().join(format!("rw/{number}"));
        let rootfs = RootFs {
            lower: vec![self.image.clone()],
            upper: place.join("upper"),
            work: place.join("work"),
        };
        fs::create_dir_all(&rootfs.upper).unwrap();
        fs::create_dir_all(&rootfs.work).unwrap();
        let mut all = vec!["helper".to_owned()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        ContainerSpec {
            id: id.into(),
            rootfs,
            args: all,
            env: vec![("PATH".into(), "/bin".into())],
            log: LogSpec { path: self.log(id), max_bytes: 0, max_files: 1 },
            ..ContainerSpec::default()
        }
    }

    pub fn log(&self, id: &str) -> PathBuf {
        self.path().join(format!("logs/{id}/0.log"))
    }

    /// The lines of a container's log, as `stdout F text`.
    pub fn lines(&self, id: &str) -> Vec<String> {
        let text = fs::read_to_string(self.log(id)).unwrap_or_default();
        text.lines().map(|line| line.split_once(' ').expect("a stamp").1.to_owned()).collect()
    }

    /// Runs a container to its end; returns how it ended and its lines.
    pub async fn run(&self, pod: &Pod, spec: ContainerSpec) -> (ExitStatus, Vec<String>) {
        let id = spec.id.clone();
        let mut exits = pod.exits();
        pod.create(spec).await.unwrap_or_else(|error| panic!("{error}"));
        pod.start(&id).await.unwrap_or_else(|error| panic!("{error}"));
        let status = soon("the container ends", async {
            loop {
                let exit = exits.next().await.expect("the shim lives");
                if exit.container == id {
                    return exit.status;
                }
            }
        })
        .await;
        (status, self.lines(&id))
    }

    /// Starts a container and waits until it has written this line.
    pub async fn start(&self, pod: &Pod, spec: ContainerSpec, line: &str) {
        let id = spec.id.clone();
        pod.create(spec).await.unwrap_or_else(|error| panic!("{error}"));
        pod.start(&id).await.unwrap_or_else(|error| panic!("{error}"));
        self.wait_for_line(&id, line).await;
    }

    pub async fn wait_for_line(&self, id: &str, line: &str) {
        wait_for(&format!("{id} writes {line:?}"), || {
            self.lines(id).iter().any(|have| have.contains(line))
        })
        .await;
    }

    /// Prints what the shims complained about.
    pub fn tell_logs(&self) {
        for entry in fs::read_dir(self.path().join("run/pods")).into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(entry.path().join("shim.log"))
                && !text.is_empty()
            {
                println!("{}: {text}", entry.path().display());
            }
        }
    }
}

/// Waits for something that must happen soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {SOON:?}: {what}"),
    }
}

/// Waits for a condition that must hold soon.
pub async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The only container of a pod.
pub async fn only(pod: &Pod) -> ContainerState {
    let mut containers = pod.containers().await.unwrap();
    assert_eq!(containers.len(), 1);
    containers.remove(0)
}

/// The pid of the pod's only container, which runs.
pub async fn running_pid(pod: &Pod) -> i32 {
    match only(pod).await.status {
        Status::Running { pid, .. } => pid as i32,
        other => panic!("not running: {other:?}"),
    }
}
