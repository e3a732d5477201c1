//! Making one attempt of a container.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use container::{ContainerSpec, CreateError, Mount};
use k8s_openapi::api::core::v1::{Container, Service};

use super::fields::named;
use super::spec::{self, ImageFacts};
use super::state::{Role, Slot, Waiting, container_id};
use super::volumes::{memory, mounts};
use super::worker::Worker;
use super::{env, ephemeral, image, resize, unsupported};
use crate::events::Level;

/// How often the image store is asked for an image that is not there.
const IMAGE_WAIT: Duration = Duration::from_secs(1);
/// The wait after a container could not be made.
const CREATE_WAIT: Duration = Duration::from_secs(10);
/// Where a termination message is written when the container does not say.
const TERMINATION_PATH: &str = "/dev/termination-log";

/// Why a container was not made, under the reason its status shows.
struct Failure {
    reason: &'static str,
    message: String,
}

impl Failure {
    fn config(error: impl std::fmt::Display) -> Self {
        Self { reason: "CreateContainerConfigError", message: error.to_string() }
    }

    fn create(error: impl std::fmt::Display) -> Self {
        Self { reason: "CreateContainerError", message: error.to_string() }
    }
}

impl Worker {
    /// Makes the next attempt of a slot, or notes what keeps it.
    pub(crate) async fn create(&mut self, index: usize) {
        let name = self.slots[index].name.clone();
        let Some(mut container) = named(&self.pod, &name).map(Cow::into_owned) else { return };
        let granted = self.slots[index].granted.clone();
        if self.slots[index].role != Role::Ephemeral {
            resize::grant(&mut container, &granted);
        }
        let Some(facts) = self.image(index, &container).await else { return };
        let attempt = self.slots[index].next_attempt();
        match self.try_create(&container, attempt, &facts).await {
            Ok(()) => {
                self.note(
                    Some(&name),
                    Level::Normal,
                    "Created",
                    format!("Created container {name}"),
                );
                self.slots[index].made(attempt);
                self.slots[index].applied = Some(granted);
                self.slots[index].image = container.image.unwrap_or_default();
                self.slots[index].image_id = facts.id;
                self.probes.remove(&name);
            }
            Err(Failure { reason, message }) => {
                if self.hold(index, reason, &message, CREATE_WAIT) {
                    self.note(Some(&name), Level::Warning, "Failed", format!("Error: {message}"));
                }
            }
        }
    }

    /// The image; None when it is not there, which is noted and looked at again soon.
    async fn image(&mut self, index: usize, container: &Container) -> Option<ImageFacts> {
        let name = container.image.clone().unwrap_or_default();
        let (store, wanted) = (self.shared.images.clone(), name.clone());
        let found = tokio::task::spawn_blocking(move || image::find(&store, &wanted)).await;
        let found = found.expect("looking for an image does not panic");
        match found {
            Ok((facts, digest)) => {
                crate::shared::lock(&self.live).images.insert(digest);
                let message = format!("Container image {name:?} already present on machine");
                self.note(Some(&container.name), Level::Normal, "Pulled", message);
                Some(facts)
            }
            Err(error) => {
                let again = self.slots[index].problem.is_some();
                let Waiting { reason, message } = error.waiting(container, again);
                if self.hold(index, reason, &message, IMAGE_WAIT) {
                    self.note_image(&container.name, reason, &name, &message);
                }
                None
            }
        }
    }

    fn note_image(&self, container: &str, reason: &'static str, image: &str, message: &str) {
        let note = |level, reason, text: String| self.note(Some(container), level, reason, text);
        match reason {
            "ImagePullBackOff" => {
                note(Level::Normal, "BackOff", format!("Back-off pulling image {image:?}"));
                note(Level::Warning, "Failed", format!("Error: {reason}"));
            }
            _ => {
                note(Level::Warning, "Failed", message.to_owned());
                note(Level::Warning, "Failed", format!("Error: {reason}"));
            }
        }
    }

    async fn try_create(
        &self,
        container: &Container,
        attempt: u32,
        facts: &ImageFacts,
    ) -> Result<(), Failure> {
        let Some(sandbox) = &self.sandbox else {
            return Err(Failure::create("the pod is not running"));
        };
        let shares_processes_of = self.target(container)?;
        let env = self.env(container).await?;
        let id = container_id(&container.name, attempt);
        if attempt > 0 {
            self.remove_old(&container.name, attempt).await;
        }
        let dirs = self.shared.paths.container(&self.uid, &container.name);
        let log = self.log_path(&container.name, attempt);
        let (pod, paths) = (self.pod.clone(), self.shared.paths.clone());
        let (wanted, variables) = (container.clone(), env.clone());
        let (place, shim) = (dirs.clone(), sandbox.pod.shim_pid());
        let made = tokio::task::spawn_blocking(move || {
            prepare(&place)?;
            // Volumes in memory are to be seen there only.
            let found = memory::inside(shim, || {
                memory::mount_all(&pod, &paths)?;
                mounts::mounts(&wanted, &mounts::sources(&pod, &paths), &variables)
            });
            found.and_then(|mounts| mounts).map_err(Failure::config)
        });
        let mut mounts: Vec<Mount> = made.await.expect("preparing a container does not panic")?;
        mounts.extend(self.own_mounts(container, &dirs));
        let mut spec = self.container_spec(container, id, facts, env, mounts, &dirs, log)?;
        spec.shares_processes_of = shares_processes_of;
        sandbox.pod.create(spec).await.map_err(|error: CreateError| Failure::create(error))
    }

    /// The attempt whose processes an ephemeral container is to see.
    fn target(&self, container: &Container) -> Result<Option<String>, Failure> {
        let name = container.name.as_str();
        if ephemeral::all(&self.pod).any(|own| own.name == name) {
            let fields = unsupported::of_ephemeral(container);
            if !fields.is_empty() {
                let why = format!("not supported by this node: {}", fields.join(", "));
                return Err(Failure::config(why));
            }
        }
        let Some(target) = ephemeral::target(&self.pod, name) else { return Ok(None) };
        let running = |slot: &&Slot| slot.name == target && slot.is_running();
        let id = self.slots.iter().find(running).and_then(Slot::id);
        let why = || Failure::config(format!("unable to find target container {target}"));
        id.map(Some).ok_or_else(why)
    }

    #[allow(clippy::too_many_arguments)]
    fn container_spec(
        &self,
        container: &Container,
        id: String,
        image: &ImageFacts,
        env: BTreeMap<String, String>,
        mounts: Vec<Mount>,
        dirs: &Path,
        log: PathBuf,
    ) -> Result<ContainerSpec, Failure> {
        spec::translate(spec::Inputs {
            pod: &self.pod,
            container,
            id,
            hostname: &spec::hostname(&self.pod),
            image,
            env,
            mounts,
            upper: dirs.join("upper"),
            work: dirs.join("work"),
            log,
            node_memory_bytes: self.shared.machine.memory_bytes,
        })
        .map_err(Failure::config)
    }

    async fn env(&self, container: &Container) -> Result<BTreeMap<String, String>, Failure> {
        let sources = self.sources().await.map_err(Failure::config)?;
        let spec = self.pod.spec.as_ref();
        let links = spec.and_then(|spec| spec.enable_service_links).unwrap_or(true);
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let services = match self.shared.services.get() {
            // The variables of a container never change again: they must be whole from the first.
            Some(store) if store.listed().await => store.state(),
            _ => Vec::new(),
        };
        let services = services.iter().map(|service| -> &Service { service });
        let services = env::service_variables(services, namespace, links);
        let place = self.shared.place(self.address);
        env::resolve(&self.pod, container, &place, &sources, &services).map_err(Failure::config)
    }

    /// The files the node puts into every container.
    fn own_mounts(&self, container: &Container, dirs: &Path) -> Vec<Mount> {
        let etc = self.shared.paths.etc(&self.uid);
        let taken = |path: &str| {
            container.volume_mounts.iter().flatten().any(|mount| mount.mount_path == path)
        };
        let mut mounts = Vec::new();
        for name in ["hosts", "hostname", "resolv.conf"] {
            let target = format!("/etc/{name}");
            if !taken(&target) {
                mounts.push(Mount::bind(etc.join(name), target));
            }
        }
        let target = container.termination_message_path.as_deref();
        let target = target.filter(|path| !path.is_empty()).unwrap_or(TERMINATION_PATH);
        mounts.push(Mount::bind(dirs.join("termination-log"), target));
        mounts
    }

    /// Removes the attempt before, and the logs of all but the one before this.
    async fn remove_old(&self, name: &str, attempt: u32) {
        let Some(sandbox) = &self.sandbox else { return };
        match sandbox.pod.remove(&container_id(name, attempt - 1)).await {
            Ok(()) | Err(container::Error::NoSuchContainer(_)) => {}
            Err(error) => tracing::warn!(pod = self.uid, name, %error, "old attempt not removed"),
        }
        let keep = attempt - 1;
        let dir = self.log_path(name, 0);
        let Some(dir) = dir.parent().map(Path::to_owned) else { return };
        let removed = tokio::task::spawn_blocking(move || remove_logs_before(&dir, keep)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(pod = self.uid, name, %error, "old logs not removed");
        }
    }

    pub(crate) fn log_path(&self, container: &str, attempt: u32) -> PathBuf {
        let meta = &self.pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let name = meta.name.as_deref().unwrap_or_default();
        let dir = self.shared.paths.pod_logs(namespace, name, &self.uid);
        self.shared.paths.log(&dir, container, attempt)
    }

    pub(crate) fn termination_log(&self, container: &str) -> PathBuf {
        self.shared.paths.container(&self.uid, container).join("termination-log")
    }
}

/// Fresh directories for what a container writes, and an empty termination message.
fn prepare(dirs: &Path) -> Result<(), Failure> {
    let fresh = || -> io::Result<()> {
        for name in ["upper", "work"] {
            let dir = dirs.join(name);
            match std::fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => std::fs::create_dir_all(&dir)?,
            }
        }
        let file = dirs.join("termination-log");
        std::fs::write(&file, "")?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&file, open)
    };
    fresh().map_err(|error| Failure::create(format!("prepare {}: {error}", dirs.display())))
}

/// Removes the log files (rotated ones too) of attempts before `keep`.
fn remove_logs_before(dir: &Path, keep: u32) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let attempt = name.to_string_lossy().split('.').next().and_then(|n| n.parse::<u32>().ok());
        if attempt.is_some_and(|attempt| attempt < keep) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_of_the_attempt_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["0.log", "1.log", "1.log.1", "2.log", "2.log.1"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        remove_logs_before(dir.path(), 2).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["2.log", "2.log.1"]);
        remove_logs_before(&dir.path().join("none"), 2).unwrap();
    }

    #[test]
    fn an_attempt_begins_with_nothing_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        assert!(prepare(dir.path()).is_ok());
        std::fs::write(dir.path().join("upper/file"), "x").unwrap();
        std::fs::write(dir.path().join("termination-log"), "died").unwrap();
        assert!(prepare(dir.path()).is_ok());
        assert!(!dir.path().join("upper/file").exists());
        assert_eq!(std::fs::read(dir.path().join("termination-log")).unwrap(), b"");
    }
}
