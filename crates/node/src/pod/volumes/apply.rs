//! Preparing the volumes of a pod, and keeping their files up to date.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::Path;

use k8s_openapi::api::core::v1::{HostPathVolumeSource, Pod, Volume};

use super::render::{self, Context};
use super::{Kind, VolumeError, all, mounts, write};
use crate::config::Paths;
use crate::pod::fields::Place;
use crate::pod::references::Sources;
use crate::pod::security;

/// A volume that could not be made, by name.
#[derive(Debug, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?}: {source}")]
pub(crate) struct MountError {
    pub volume: String,
    pub source: VolumeError,
}

/// What the volumes are made from.
pub(crate) struct Inputs<'a> {
    pub pod: &'a Pod,
    pub paths: &'a Paths,
    pub place: &'a Place,
    pub sources: &'a Sources,
    pub tokens: &'a BTreeMap<String, String>,
}

/// Makes every volume of the pod, or brings its files up to date. Blocking.
pub(crate) fn apply(inputs: &Inputs<'_>) -> Result<(), MountError> {
    let sources = mounts::sources(inputs.pod, inputs.paths);
    for volume in all(inputs.pod) {
        let Some((kind, path)) = sources.get(&volume.name) else { continue };
        make(volume, *kind, path, inputs)
            .map_err(|source| MountError { volume: volume.name.clone(), source })?;
    }
    Ok(())
}

fn make(volume: &Volume, kind: Kind, path: &Path, inputs: &Inputs<'_>) -> Result<(), VolumeError> {
    let group = security::fs_group(inputs.pod);
    match kind {
        Kind::Empty | Kind::Memory => empty(path, group),
        Kind::Host => volume.host_path.as_ref().map_or(Ok(()), host),
        Kind::Files => {
            let Inputs { pod, place, sources, tokens, .. } = *inputs;
            let files = render::render(volume, &Context { pod, place, sources, tokens })?;
            write::write(path, &files, group).map(drop)
        }
    }
}

/// A directory for everybody; one that is there already keeps its contents.
fn empty(path: &Path, group: Option<u32>) -> Result<(), VolumeError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(VolumeError::file("make", path))?;
    let mode = match group {
        Some(_) => 0o2777,
        None => 0o777,
    };
    chown(path, None, group).map_err(VolumeError::file("set the owner of", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(VolumeError::file("set the mode of", path))
}

/// Checks that a host path is what its type says, making it where the type allows.
fn host(source: &HostPathVolumeSource) -> Result<(), VolumeError> {
    let path = Path::new(&source.path);
    let meta = fs::metadata(path).ok();
    let kind = meta.map(|meta| meta.file_type());
    let wrong = |expected| VolumeError::HostPath { path: source.path.clone(), expected };
    match source.type_.as_deref().unwrap_or_default() {
        "" | "DirectoryOrCreate" if kind.is_none() => {
            fs::create_dir_all(path).map_err(VolumeError::file("make", path))
        }
        "FileOrCreate" if kind.is_none() => {
            fs::File::create_new(path).map(drop).map_err(VolumeError::file("make", path))
        }
        "Directory" | "DirectoryOrCreate" if !kind.is_some_and(|kind| kind.is_dir()) => {
            Err(wrong("a directory"))
        }
        "File" | "FileOrCreate" if !kind.is_some_and(|kind| kind.is_file()) => Err(wrong("a file")),
        "Socket" if !kind.is_some_and(|kind| kind.is_socket()) => Err(wrong("a socket")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_host(path: &Path, kind: &str, expected: Result<(), &str>) {
        let source = json!({"path": path, "type": kind});
        let made = host(&serde_json::from_value(source).unwrap());
        let made = made.map_err(|error| error.to_string());
        let expected = expected.map_err(|end| format!("hostPath {} is not {end}", path.display()));
        assert_eq!(made, expected, "{kind}");
    }

    #[test]
    fn host_paths_are_checked_by_type() {
        let dir = tempfile::tempdir().unwrap();
        check_host(dir.path(), "Directory", Ok(()));
        check_host(dir.path(), "File", Err("a file"));
        check_host(&dir.path().join("none"), "Directory", Err("a directory"));
        check_host(&dir.path().join("none"), "Socket", Err("a socket"));
        check_host(&dir.path().join("new/dir"), "DirectoryOrCreate", Ok(()));
        check_host(&dir.path().join("file"), "FileOrCreate", Ok(()));
        assert!(dir.path().join("new/dir").is_dir() && dir.path().join("file").is_file());
    }

    #[test]
    fn volumes_of_a_pod_are_made_once_and_refreshed() {
        let dir = tempfile::tempdir().unwrap();
        let paths =
            Paths::new(dir.path(), &dir.path().join(format!("test-{}", std::process::id())));
        let pod = serde_json::from_value(json!({"metadata": {"uid": "u", "name": "web"}, "spec": {
            "containers": [], "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "memory", "emptyDir": {"medium": "Memory"}},
                {"name": "info", "downwardAPI": {"items": [
                    {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}))
        .unwrap();
        let inputs = Inputs {
            pod: &pod,
            paths: &paths,
            place: &Place::default(),
            sources: &Sources::default(),
            tokens: &BTreeMap::new(),
        };
        apply(&inputs).unwrap();
        fs::write(paths.volume("u", "scratch").join("kept"), "x").unwrap();
        apply(&inputs).unwrap();
        assert!(paths.volume("u", "scratch").join("kept").is_file());
        assert!(paths.memory_volume("u", "memory").is_dir());
        fs::remove_dir_all(paths.memory_volumes()).unwrap();
        let name = fs::read_to_string(paths.volume("u", "info").join("name")).unwrap();
        assert_eq!(name, "web");
    }
}
