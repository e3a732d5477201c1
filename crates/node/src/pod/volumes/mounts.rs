//! Where a container sees the volumes of its pod.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use container::{Mount, Propagation};
use k8s_openapi::api::core::v1::{Container, Pod, VolumeMount};

use super::{Kind, VolumeError, all};
use crate::config::Paths;
use crate::pod::expand::expand;

/// The host path of each volume of `pod`, by name.
pub(crate) fn sources(pod: &Pod, paths: &Paths) -> BTreeMap<String, (Kind, PathBuf)> {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let source = |volume: &k8s_openapi::api::core::v1::Volume| {
        let kind = Kind::of(volume)?;
        let path = match kind {
            Kind::Memory => paths.memory_volume(uid, &volume.name),
            Kind::Host => PathBuf::from(&volume.host_path.as_ref()?.path),
            Kind::Empty | Kind::Files => paths.volume(uid, &volume.name),
        };
        Some((volume.name.clone(), (kind, path)))
    };
    all(pod).iter().filter_map(source).collect()
}

/// The mounts of `container`, volumes prepared. Makes the directories that `subPath` names.
pub(crate) fn mounts(
    container: &Container,
    sources: &BTreeMap<String, (Kind, PathBuf)>,
    env: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, VolumeError> {
    container.volume_mounts.iter().flatten().map(|mount| one(mount, sources, env)).collect()
}

fn one(
    mount: &VolumeMount,
    sources: &BTreeMap<String, (Kind, PathBuf)>,
    env: &BTreeMap<String, String>,
) -> Result<Mount, VolumeError> {
    let (kind, volume) =
        sources.get(&mount.name).ok_or_else(|| VolumeError::NoVolume(mount.name.clone()))?;
    let sub = match (&mount.sub_path, &mount.sub_path_expr) {
        (Some(sub), _) if !sub.is_empty() => Some(sub.clone()),
        (_, Some(text)) if !text.is_empty() => Some(expand(text, |name| env.get(name).cloned())),
        _ => None,
    };
    let source = match sub {
        Some(sub) => inside(volume, &sub, *kind)?,
        None => volume.clone(),
    };
    let mut made = Mount::bind(source, &mount.mount_path);
    // Files that follow the API are the node's to write.
    made.read_only = mount.read_only == Some(true) || *kind == Kind::Files;
    made.propagation = match mount.mount_propagation.as_deref() {
        Some("HostToContainer") => Propagation::HostToContainer,
        _ => Propagation::Private,
    };
    Ok(made)
}

/// `sub` in `volume`, without links that a container may have planted to lead out of it.
fn inside(volume: &Path, sub: &str, kind: Kind) -> Result<PathBuf, VolumeError> {
    let escape = || VolumeError::Escape(sub.to_owned());
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(sub).components().all(plain) {
        return Err(escape());
    }
    let root = volume.canonicalize().map_err(VolumeError::file("find", volume))?;
    let wanted = root.join(sub);
    if kind != Kind::Files && std::fs::symlink_metadata(&wanted).is_err() {
        make(&root, sub)?;
    }
    let found = wanted.canonicalize().map_err(VolumeError::file("find", &wanted))?;
    if found.starts_with(&root) { Ok(found) } else { Err(escape()) }
}

/// Makes the directories of `sub` one by one, each checked not to lead out of `root`.
fn make(root: &Path, sub: &str) -> Result<(), VolumeError> {
    let mut at = root.to_owned();
    // Group and mode are the volume's: a pod's fsGroup may write everywhere in it.
    let mode = root.metadata().map_err(VolumeError::file("look at", root))?.permissions();
    let mode = std::fs::Permissions::from_mode(0o777 | mode.mode() & 0o2000);
    for part in Path::new(sub).components() {
        at.push(part);
        if std::fs::symlink_metadata(&at).is_err() {
            std::fs::create_dir(&at).map_err(VolumeError::file("make", &at))?;
            std::fs::set_permissions(&at, mode.clone()).map_err(VolumeError::file("open", &at))?;
        }
        at = at.canonicalize().map_err(VolumeError::file("find", &at))?;
        if !at.starts_with(root) {
            return Err(VolumeError::Escape(sub.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mounted(volume: &Path, kind: Kind, mount: Value) -> Result<Mount, VolumeError> {
        let mut mount = mount;
        mount["name"] = json!("v");
        mount["mountPath"] = json!("/data");
        let sources = BTreeMap::from([("v".to_owned(), (kind, volume.to_owned()))]);
        let env = BTreeMap::from([("POD".to_owned(), "web".to_owned())]);
        one(&serde_json::from_value(mount).unwrap(), &sources, &env)
    }

    #[test]
    fn a_volume_is_bound_at_its_path() {
        let mount = mounted(Path::new("/v"), Kind::Empty, json!({})).unwrap();
        assert_eq!(mount, Mount::bind("/v", "/data"));
        let mount = mounted(Path::new("/v"), Kind::Files, json!({})).unwrap();
        assert!(mount.read_only);
    }

    #[test]
    fn sub_paths_are_made_and_expanded() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let mount = mounted(&root, Kind::Empty, json!({"subPath": "a/b"})).unwrap();
        assert_eq!(mount.source, root.join("a/b"));
        let mount = mounted(&root, Kind::Empty, json!({"subPathExpr": "$(POD)"})).unwrap();
        assert_eq!(mount.source, root.join("web"));
        assert!(root.join("web").is_dir());
    }

    #[test]
    fn sub_paths_cannot_leave_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        for sub in ["../x", "/etc", "out", "out/new"] {
            let error = mounted(dir.path(), Kind::Empty, json!({"subPath": sub})).unwrap_err();
            assert!(matches!(error, VolumeError::Escape(_)), "{sub}: {error}");
        }
    }
}
