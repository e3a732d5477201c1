//! The runtime: where pods are made, found again and destroyed.

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::cgroup::{Group, Layout};
use crate::error::Error;
use crate::pod::Pod;
use crate::record::{
    PodDirectory, PodFile, ShimProcess, check_id, directories, make_private, read_json,
    remove_tree, write_json,
};
use crate::spec::PodSpec;
use crate::state::{ExitStatus, PodRecord, Status};

/// How long a shim may take from its start to its being ready.
const START_MAX: Duration = Duration::from_secs(10);

/// How long a shim that lives may take to answer at adoption.
const ADOPT_MAX: Duration = Duration::from_secs(30);

/// Bound on what a shim says while it starts.
const START_BYTES_MAX: u64 = 4 << 10;

/// Pause between two looks at a shim that does not answer yet, or at one that was killed.
const PAUSE: Duration = Duration::from_millis(10);

/// Where an instance keeps its pods.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Run files: `<run_dir>/pods/<pod id>/`.
    pub run_dir: PathBuf,
    /// Name of the cgroup above all pods, relative to the hierarchy's root.
    pub cgroup_root: String,
    /// The program that calls [`crate::shim_main`] when its first argument is `shim`.
    pub shim_exe: PathBuf,
}

/// Makes pods and finds them again. Clones are the same runtime.
#[derive(Clone, Debug)]
pub struct Runtime {
    config: RuntimeConfig,
    root: Group,
    /// Pods that are being started: not to be taken for remains.
    starting: Arc<Mutex<HashSet<String>>>,
}

/// Keeps a pod's id among those that are being started.
struct Starting<'a> {
    runtime: &'a Runtime,
    id: String,
}

impl<'a> Starting<'a> {
    fn new(runtime: &'a Runtime, id: &str) -> Option<Starting<'a>> {
        let fresh = runtime.starting().insert(id.to_owned());
        fresh.then(|| Starting { runtime, id: id.to_owned() })
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.runtime.starting().remove(&self.id);
    }
}

/// What [`Runtime::adopt`] found of a pod.
#[derive(Debug)]
pub enum Found {
    /// Its shim lives; it is connected.
    Running(Pod),
    /// Its shim had gone: what was left of it has been killed and removed.
    Ended(PodRecord),
}

impl Runtime {
    /// Prepares the run directory. Touches no pod.
    pub fn new(config: RuntimeConfig) -> Result<Runtime, Error> {
        check_id("cgroup root", &config.cgroup_root)?;
        let pods = config.run_dir.join("pods");
        make_private(&pods).map_err(|source| file_error("make", &pods, source))?;
        let layout = Layout::detect()
            .map_err(|source| file_error("read", Path::new("/proc/self/mountinfo"), source))?;
        let root = layout.group(&config.cgroup_root);
        Ok(Runtime { config, root, starting: Arc::default() })
    }

    /// Starts a pod: its shim, its namespaces, its cgroup. No container yet.
    pub async fn start_pod(&self, spec: PodSpec) -> Result<Pod, Error> {
        check_id("pod id", &spec.id)?;
        let id = spec.id.clone();
        let Some(_starting) = Starting::new(self, &id) else { return Err(Error::PodExists(id)) };
        let (directory, group) = (self.directory(&id), self.root.child(&id));
        self.prepare(spec, &directory, &group)?;
        let started = match self.spawn_shim(&id, &directory).await {
            Ok(()) => Pod::connect(&id, directory.clone(), group.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            // What could not start must not stay; that it did not start is the news.
            if let Err(error) = sweep(move || clear(&directory, &group).map(drop)).await {
                tracing::warn!(pod = id, error = %error, "clean up after a failed start");
            }
            return Err(error);
        }
        started
    }

    fn prepare(&self, spec: PodSpec, directory: &PodDirectory, group: &Group) -> Result<(), Error> {
        let path = directory.path();
        match fs::create_dir(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::PodExists(spec.id));
            }
            Err(source) => return Err(file_error("make", path, source)),
            Ok(()) => {}
        }
        let cgroup = group.name().to_string_lossy().into_owned();
        write_json(&directory.pod_file(), &PodFile { spec, cgroup })
            .map_err(|source| file_error("write", path, source))
    }

    /// Runs the shim until it says that it is ready.
    async fn spawn_shim(&self, pod: &str, directory: &PodDirectory) -> Result<(), Error> {
        let failed = |message: String| Error::ShimStart { pod: pod.to_owned(), message };
        let mut child = Command::new(&self.config.shim_exe)
            .arg("shim")
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            // A shim needs nothing of it, and must not believe that the server's sockets
            // (LISTEN_FDS) are its own.
            .env_clear()
            .spawn()
            .map_err(|source| file_error("run", &self.config.shim_exe, source))?;
        let stdout = child.stdout.take().expect("it was asked for");
        let mut words = String::new();
        let mut stdout = stdout.take(START_BYTES_MAX);
        let heard = tokio::time::timeout(START_MAX, stdout.read_to_string(&mut words)).await;
        match heard {
            Ok(Ok(_)) if words == "ready\n" => Ok(()),
            Ok(Ok(_)) if words.is_empty() => Err(failed("it ended without a word".to_owned())),
            Ok(Ok(_)) => Err(failed(words.trim_end().to_owned())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => {
                child.start_kill().map_err(|error| failed(error.to_string()))?;
                Err(failed(format!("it was not ready within {START_MAX:?}")))
            }
        }
    }

    /// Finds every pod of this instance, connects to those that live, and kills and removes
    /// what is left of the others. Pods that are just being started are left out.
    ///
    /// A shim that lives and does not answer for half a minute, or speaks another version of the
    /// protocol, counts as gone and is killed.
    pub async fn adopt(&self) -> Result<Vec<Found>, Error> {
        let pods = self.config.run_dir.join("pods");
        let mut ids = directories(&pods).map_err(|source| file_error("list", &pods, source))?;
        ids.sort();
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.find(&id).await?);
        }
        Ok(found)
    }

    /// The same as [`Runtime::adopt`], for one pod; `None` if there is nothing of it.
    pub async fn find(&self, id: &str) -> Result<Option<Found>, Error> {
        check_id("pod id", id)?;
        if self.starting().contains(id) {
            return Ok(None);
        }
        let (directory, group) = (self.directory(id), self.root.child(id));
        let deadline = Instant::now() + ADOPT_MAX;
        loop {
            match Pod::connect(id, directory.clone(), group.clone()).await {
                Ok(pod) => return Ok(Some(Found::Running(pod))),
                Err(error) => {
                    // A shim that lives may be just starting.
                    if !shim_lives(&directory)? || Instant::now() > deadline {
                        tracing::warn!(pod = id, error = %error, "adopt a pod without its shim");
                        break;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        let record = sweep(move || clear(&directory, &group)).await?;
        Ok(record.map(Found::Ended))
    }

    /// Kills all pods and removes their cgroups, run files and the cgroup root. Works whether
    /// or not shims or a server live, and when there is nothing.
    pub async fn destroy_all(&self) -> Result<(), Error> {
        let pods = self.config.run_dir.join("pods");
        let ids = directories(&pods).map_err(|source| file_error("list", &pods, source))?;
        let runtime = self.clone();
        sweep(move || {
            for id in ids {
                clear(&runtime.directory(&id), &runtime.root.child(&id))?;
            }
            kill_and_remove(&runtime.root)?;
            remove_tree(&pods).map_err(|source| file_error("remove", &pods, source))
        })
        .await
    }

    fn starting(&self) -> MutexGuard<'_, HashSet<String>> {
        // It is whole after every statement that changes it.
        self.starting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self, id: &str) -> PodDirectory {
        PodDirectory::new(self.config.run_dir.join("pods").join(id))
    }
}

/// Runs blocking clean-up off the asynchronous threads.
pub(crate) async fn sweep<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Failed(format!("clean up: {error}"))),
    }
}

/// Kills what is left of a pod, shim included, and removes its cgroup and run directory.
/// Returns its record, if it got far enough to have one.
pub(crate) fn clear(directory: &PodDirectory, group: &Group) -> Result<Option<PodRecord>, Error> {
    // A shim that lives reaps what is killed and records it; without one that is left to the
    // machine's first process, which may take its time.
    if shim_lives(directory).unwrap_or(false)
        && let Err(error) = group.kill()
    {
        tracing::warn!(error = %error, "kill a pod before its shim");
    }
    end_shim(directory)?;
    // Whatever is recorded as running was or will be killed by us, and that is now.
    let oom = |id: &str| group.child(id).oom_kills().is_ok_and(|count| count > 0);
    let record = directory.read_record().unwrap_or_else(|error| {
        tracing::warn!(error = %error, "a pod left an unreadable record");
        None
    });
    let record = record.map(|record| mark_killed(record, oom));
    kill_and_remove(group)?;
    remove_tree(directory.path())
        .map_err(|source| file_error("remove", directory.path(), source))?;
    Ok(record)
}

fn kill_and_remove(group: &Group) -> Result<(), Error> {
    let name = group.name();
    if !group.kill().map_err(|source| file_error("kill cgroup", &name, source))? {
        return Err(Error::StillAlive(name.display().to_string()));
    }
    group.remove().map_err(|source| file_error("remove cgroup", &name, source))
}

fn shim_lives(directory: &PodDirectory) -> Result<bool, Error> {
    let path = directory.process_file();
    let process: Option<ShimProcess> =
        read_json(&path).map_err(|source| file_error("read", &path, source))?;
    Ok(process.is_some_and(ShimProcess::lives))
}

/// Kills the shim, if it lives; its namespaces and mounts go with it.
fn end_shim(directory: &PodDirectory) -> Result<(), Error> {
    let path = directory.process_file();
    let process: Option<ShimProcess> =
        read_json(&path).map_err(|source| file_error("read", &path, source))?;
    let Some(process) = process else { return Ok(()) };
    let deadline = Instant::now() + START_MAX;
    while process.lives() {
        if Instant::now() > deadline {
            return Err(Error::StillAlive(format!("shim {}", process.pid)));
        }
        let pid = nix::unistd::Pid::from_raw(process.pid);
        match nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(errno) => return Err(file_error("kill the shim of", &path, errno.into())),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Containers that ran (or waited to) when the shim went have been killed.
fn mark_killed(mut record: PodRecord, oom: impl Fn(&str) -> bool) -> PodRecord {
    let now = jiff::Timestamp::now();
    for container in &mut record.containers {
        let started_at = match container.status {
            Status::Exited(_) => continue,
            Status::Created => now,
            Status::Running { started_at, .. } => started_at,
        };
        container.status = Status::Exited(ExitStatus {
            code: 137,
            signal: Some(9),
            oom_killed: oom(&container.id),
            started_at,
            finished_at: now,
        });
    }
    record
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}
