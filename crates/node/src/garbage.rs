//! What is left behind: files of pods that are gone, pods without an object, unused images.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use container::Found;

use crate::config::Paths;
use crate::shared::{Shared, lock};

/// How often garbage is looked for.
const COLLECT_EVERY: Duration = Duration::from_secs(300);
/// An image younger than this may belong to something that is just being made.
const AGE_MIN: Duration = Duration::from_secs(600);

/// Collects until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(COLLECT_EVERY).await;
        collect_files(&shared).await;
        collect_images(&shared).await;
    }
}

async fn collect_images(shared: &Shared) {
    let mut in_use = HashSet::new();
    for (_, _, _, live) in shared.registry.all() {
        in_use.extend(lock(&live).images.iter().copied());
    }
    let store = shared.images.clone();
    let collected =
        tokio::task::spawn_blocking(move || store.collect_garbage(&in_use, AGE_MIN)).await;
    if let Ok(Err(error)) = collected {
        tracing::warn!(%error, "unused images not collected");
    }
}

/// Removes the directories of pods that no worker has, once all pods of the API have one.
pub(crate) async fn collect_files(shared: &Shared) {
    let paths = &shared.paths;
    // Looked at before the workers: one that starts meanwhile is known before it makes anything.
    let (pods, memory) = (names(&paths.pods()).await, names(&paths.memory_volumes()).await);
    let logs = names(&paths.logs()).await;
    let known: HashSet<String> = shared.registry.all().into_iter().map(|(uid, ..)| uid).collect();
    for uid in pods.iter().chain(&memory).filter(|uid| !known.contains(*uid)) {
        remove_pod_files(paths, uid, None).await;
    }
    for name in logs.iter().filter(|name| !known.contains(uid_in(name))) {
        remove(&paths.logs().join(name)).await;
    }
}

/// The uid at the end of the name of a pod's log directory.
fn uid_in(log_dir: &str) -> &str {
    log_dir.rsplit('_').next().unwrap_or_default()
}

/// The names in a directory; none if it is not there.
async fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(dir).await else { return names };
    while let Ok(Some(entry)) = entries.next_entry().await {
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names
}

/// Removes what a pod had on disk; the collector tries again what fails.
pub(crate) async fn remove_pod_files(paths: &Paths, uid: &str, logs: Option<PathBuf>) {
    remove(&paths.pod(uid)).await;
    remove(&paths.memory_volumes().join(uid)).await;
    if let Some(logs) = logs {
        remove(&logs).await;
    }
}

async fn remove(path: &Path) {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "directory not removed");
        }
        _ => {}
    }
}

/// Stops a pod that runs though the API knows no such pod.
pub(crate) async fn stop_orphan(shared: &Shared, uid: &str, found: Found) {
    if let Found::Running(pod) = found {
        let address = pod.labels().get("address").and_then(|address| address.parse().ok());
        if let Err(error) = pod.stop().await {
            tracing::error!(pod = uid, %error, "pod without an object not stopped; run 'sampan stop' to end all pods");
            return;
        }
        if let Err(error) = shared.network.detach(uid).await {
            tracing::warn!(pod = uid, %error, "link of a pod without an object not removed");
        }
        if let Some(address) = address.filter(|address| *address != shared.node_address) {
            shared.addresses().release(address);
        }
    }
    remove_pod_files(&shared.paths, uid, None).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_of_a_pod_are_removed_and_those_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let paths =
            Paths::new(dir.path(), &dir.path().join(format!("garbage-{}", std::process::id())));
        for uid in ["gone", "stays"] {
            std::fs::create_dir_all(paths.volume(uid, "v")).unwrap();
            std::fs::create_dir_all(paths.memory_volume(uid, "m")).unwrap();
        }
        remove_pod_files(&paths, "gone", None).await;
        assert!(!paths.pod("gone").exists() && !paths.memory_volumes().join("gone").exists());
        assert!(paths.pod("stays").exists() && paths.memory_volumes().join("stays").exists());
        std::fs::remove_dir_all(paths.memory_volumes()).unwrap();
    }

    #[tokio::test]
    async fn names_of_a_directory_that_is_not_there_are_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        assert_eq!(names(dir.path()).await, ["a"]);
        assert!(names(&dir.path().join("none")).await.is_empty());
    }

    #[test]
    fn a_log_directory_tells_its_pod() {
        assert_eq!(uid_in("default_web-0_2ab51c1e-0d3d"), "2ab51c1e-0d3d");
    }
}
