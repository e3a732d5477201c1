//! What a pod takes of the disk, and whether that is more than it may: such a pod is evicted. Only
//! pods with a limit are looked at.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::restart::after;
use super::status::Outcome;
use super::volumes::{Kind, all};
use super::worker::Worker;
use crate::config::Paths;
use crate::quantities::whole;

/// How often a pod with a limit is measured, as upstream does.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
const EPHEMERAL: &str = "ephemeral-storage";

/// Directories that may not hold more than so much together.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    dirs: Vec<PathBuf>,
    bytes: u64,
    /// What is said when they do.
    message: String,
}

/// The limits of a pod, with the directories they are about.
fn limits(pod: &Pod, paths: &Paths, logs: &Path) -> Vec<Limit> {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let mut limits = Vec::new();
    let mut volumes = Vec::new();
    for volume in all(pod).iter().filter(|volume| Kind::of(volume) == Some(Kind::Empty)) {
        let dir = paths.volume(uid, &volume.name);
        volumes.push(dir.clone());
        let limit = volume.empty_dir.as_ref().and_then(|empty| empty.size_limit.as_ref());
        if let Some((bytes, text)) = above_zero(limit) {
            let message =
                format!("Usage of EmptyDir volume {:?} exceeds the limit {text:?}. ", volume.name);
            limits.push(Limit { dirs: vec![dir], bytes, message });
        }
    }
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let own = |container: &Container| {
        vec![paths.container(uid, &container.name).join("upper"), logs.join(&container.name)]
    };
    let mut total = (!containers.is_empty()).then_some(0);
    for container in containers {
        let Some((bytes, text)) = above_zero(ephemeral(container)) else {
            total = None;
            continue;
        };
        total = total.map(|total: u64| total.saturating_add(bytes));
        let message = format!(
            "Container {} exceeded its local ephemeral storage limit {text:?}. ",
            container.name
        );
        limits.push(Limit { dirs: own(container), bytes, message });
    }
    if let Some(bytes) = total {
        let message = format!(
            "Pod ephemeral local storage usage exceeds the total limit of containers {bytes}. "
        );
        let dirs = containers.iter().flat_map(own).chain(volumes).collect();
        limits.push(Limit { dirs, bytes, message });
    }
    limits
}

fn ephemeral(container: &Container) -> Option<&Quantity> {
    container.resources.as_ref()?.limits.as_ref()?.get(EPHEMERAL)
}

fn above_zero(quantity: Option<&Quantity>) -> Option<(u64, String)> {
    let text = &quantity?.0;
    whole(text).filter(|bytes| *bytes > 0).map(|bytes| (bytes, text.clone()))
}

/// The message of the first limit that is exceeded. Blocking.
fn exceeded(limits: &[Limit]) -> Option<String> {
    let total = |limit: &Limit| -> u64 { limit.dirs.iter().map(|dir| used(dir)).sum() };
    let over = limits.iter().find(|limit| total(limit) > limit.bytes);
    over.map(|limit| limit.message.clone())
}

/// The bytes that a directory takes on disk; a file with several names counts once. What cannot
/// be read, because it has just gone, counts nothing.
fn used(dir: &Path) -> u64 {
    let (mut total, mut seen, mut open) = (0, HashSet::new(), vec![dir.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                open.push(entry.path());
            }
            if meta.is_dir() || meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino())) {
                total += meta.blocks() * 512;
            }
        }
    }
    total
}

impl Worker {
    /// Measures the pod when it is time; Some when it has to go.
    pub(crate) async fn over_limit(&mut self) -> Option<Outcome> {
        let now = Timestamp::now();
        if self.sandbox.is_none() || self.measure_at.is_some_and(|at| at > now) {
            return None;
        }
        let logs = self.log_path("", 0);
        let logs = logs.ancestors().nth(2).unwrap_or(&logs);
        let limits = limits(&self.pod, &self.shared.paths, logs);
        if limits.is_empty() {
            self.measure_at = Some(Timestamp::MAX);
            return None;
        }
        let found = tokio::task::spawn_blocking(move || exceeded(&limits)).await;
        self.measure_at = Some(after(Timestamp::now(), MEASURE_EVERY));
        let message = found.expect("measuring directories does not panic")?;
        Some(Outcome {
            succeeded: false,
            reason: Some("Evicted".to_owned()),
            message: Some(message),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_found_where_they_stand() {
        let paths = Paths::new(Path::new("/d"), Path::new("/run/sampan/abc"));
        let pod: Pod = serde_json::from_value(json!({"metadata": {"uid": "u"}, "spec": {
            "containers": [{"name": "c", "resources": {"limits": {"ephemeral-storage": "1Mi"}}}],
            "volumes": [{"name": "free", "emptyDir": {}}, {"name": "v", "emptyDir": {"sizeLimit": "2Ki"}},
                {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1"}}]}}))
        .unwrap();
        let found = limits(&pod, &paths, Path::new("/l"));
        let volume = |name| paths.volume("u", name);
        let own = [paths.container("u", "c").join("upper"), PathBuf::from("/l/c")];
        let dirs: Vec<(Vec<PathBuf>, u64)> =
            found.into_iter().map(|limit| (limit.dirs, limit.bytes)).collect();
        let all = [own.to_vec(), vec![volume("free"), volume("v")]].concat();
        assert_eq!(dirs, [(vec![volume("v")], 2048), (own.to_vec(), 1 << 20), (all, 1 << 20)]);
    }

    #[test]
    fn a_file_counts_once_and_a_full_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), vec![7; 100_000]).unwrap();
        let once = used(dir.path());
        fs::hard_link(dir.path().join("file"), dir.path().join("again")).unwrap();
        assert!(once >= 100_000 && used(dir.path()) == once);
        let limit = |bytes| Limit { dirs: vec![dir.path().into()], bytes, message: "full".into() };
        assert_eq!(exceeded(&[limit(once)]), None);
        assert_eq!(exceeded(&[limit(once), limit(once - 1)]).as_deref(), Some("full"));
        assert_eq!(used(&dir.path().join("none")), 0);
    }
}
