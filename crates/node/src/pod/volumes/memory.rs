//! Volumes in memory. Each is a tmpfs of bounded size in the mount namespace of its pod: nothing
//! is mounted on the host, and it goes with the pod.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use k8s_openapi::api::core::v1::{Pod, Volume};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use super::{Kind, VolumeError, all};
use crate::config::Paths;
use crate::pod::{qos, security};
use crate::quantities::whole;

/// Does `work` in the mount namespace of the pod whose shim is `shim`. Paths mean there what they
/// mean on the host, and the pod's own mounts beside.
pub(crate) fn inside<T: Send>(
    shim: u32,
    work: impl FnOnce() -> T + Send,
) -> Result<T, VolumeError> {
    let path = format!("/proc/{shim}/ns/mnt");
    let namespace = File::open(&path).map_err(VolumeError::file("open", Path::new(&path)))?;
    let enter = move || {
        // A thread shares its root and working directory until it says otherwise.
        unshare(CloneFlags::CLONE_FS)?;
        setns(namespace, CloneFlags::CLONE_NEWNS)
    };
    // A thread of its own, because there is no way back.
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || match enter() {
            Ok(()) => Ok(work()),
            Err(errno) => Err(VolumeError::file("enter", Path::new(&path))(errno.into())),
        });
        thread.join().expect("work inside a pod does not panic")
    })
}

/// Mounts the memory volumes of `pod` that are not mounted yet. To be done inside the pod.
pub(crate) fn mount_all(pod: &Pod, paths: &Paths) -> Result<(), VolumeError> {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    for volume in all(pod).iter().filter(|volume| Kind::of(volume) == Some(Kind::Memory)) {
        let path = paths.memory_volume(uid, &volume.name);
        if is_mounted(&path).map_err(VolumeError::file("look at", &path))? {
            continue;
        }
        let options = options(pod, volume);
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("volume"), &path, Some("tmpfs"), flags, Some(options.as_str()))
            .map_err(|errno| VolumeError::file("mount a tmpfs on", &path)(errno.into()))?;
    }
    Ok(())
}

/// Whether something is mounted on a directory, seen by its device.
fn is_mounted(path: &Path) -> std::io::Result<bool> {
    let parent = path.parent().unwrap_or(path);
    Ok(path.metadata()?.dev() != parent.metadata()?.dev())
}

/// Size, mode and group. Without a limit of its own a volume has the pod's memory limit; without
/// that the kernel's default, half of the memory there is.
fn options(pod: &Pod, volume: &Volume) -> String {
    let limit = volume.empty_dir.as_ref().and_then(|empty| empty.size_limit.as_ref());
    let limit = limit.and_then(|limit| whole(&limit.0)).filter(|bytes| *bytes > 0);
    let size = [limit, qos::pod_resources(pod).memory_limit_bytes].into_iter().flatten().min();
    let size = size.map(|bytes| format!("size={bytes},")).unwrap_or_default();
    match security::fs_group(pod) {
        Some(group) => format!("{size}mode=2777,gid={group}"),
        None => format!("{size}mode=0777"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(empty: Value, limit: Value, security: Value, expected: &str) {
        let pod: Pod = serde_json::from_value(json!({"spec": {"securityContext": security,
            "containers": [{"name": "c", "resources": {"limits": limit}}],
            "volumes": [{"name": "m", "emptyDir": empty}]}}))
        .unwrap();
        assert_eq!(options(&pod, &all(&pod)[0]), expected);
    }

    #[test]
    fn the_smallest_limit_counts() {
        let limit = || json!({"memory": "8Mi"});
        check(json!({}), json!({}), json!({}), "mode=0777");
        check(json!({"sizeLimit": "4Mi"}), json!({}), json!({}), "size=4194304,mode=0777");
        check(json!({"sizeLimit": "4Mi"}), limit(), json!({}), "size=4194304,mode=0777");
        check(json!({"sizeLimit": "0"}), limit(), json!({}), "size=8388608,mode=0777");
        check(json!({}), json!({}), json!({"fsGroup": 7}), "mode=2777,gid=7");
    }

    #[test]
    fn a_directory_is_no_mount() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("volume")).unwrap();
        assert!(!is_mounted(&dir.path().join("volume")).unwrap());
    }
}
