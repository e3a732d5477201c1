//! Where the data of a volume is: what volumes of pods and PersistentVolumes have in common.

use super::address::is_port_pair;
use super::field::Field;
use super::storage_names;
use crate::names;

mod disk;
mod iscsi;

/// What a source must at least say.
const REQUIRED: [(&str, &[&str]); 15] = [
    ("awsElasticBlockStore", &["volumeID"]),
    ("azureFile", &["secretName", "shareName"]),
    ("cephfs", &["monitors"]),
    ("cinder", &["volumeID"]),
    ("flexVolume", &["driver"]),
    ("gcePersistentDisk", &["pdName"]),
    ("gitRepo", &["repository"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("rbd", &["monitors", "image"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
    ("storageos", &["volumeName"]),
    ("vsphereVolume", &["volumePath"]),
];
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Whose volume it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A pod, whose secrets are in its namespace.
    Pod,
    /// A PersistentVolume, which has no namespace and names those of its secrets.
    Persistent,
}

/// Finds the one source of a volume, in upstream's order, which is that of `kinds`, and answers it.
pub(super) fn one_of<'k>(
    volume: &Field<'_>,
    kinds: &[&'k str],
    mut check: impl FnMut(&'k str, &Field<'_>),
) -> Option<&'k str> {
    let mut given = kinds.iter().copied().filter(|kind| volume.at(kind).is_some());
    let Some(first) = given.next() else {
        volume.required("must specify a volume type");
        return None;
    };
    check(first, &volume.at(path_of(first)).showing(volume.at(first).value));
    for other in given {
        let path = match other {
            "cephfs" => "cephFS",
            "downwardAPI" => "downwarAPI",
            other => other,
        };
        volume.at(path).forbidden("may not specify more than 1 volume type");
    }
    Some(first)
}

/// Upstream's path of a source is nearly always its field.
fn path_of(kind: &str) -> &str {
    match kind {
        "gcePersistentDisk" => "persistentDisk",
        kind => kind,
    }
}

/// A source that pods and PersistentVolumes may both have.
pub(super) fn check(kind: &str, source: &Field<'_>, owner: Owner) {
    let required = REQUIRED.iter().find(|(name, _)| *name == kind);
    for field in required.into_iter().flat_map(|(_, fields)| fields.iter()) {
        source.at(field).must_be_given();
    }
    match kind {
        "hostPath" => host_path(source),
        "gitRepo" => descending(&source.at("directory")),
        "awsElasticBlockStore" | "gcePersistentDisk" => disk::partition(source),
        "nfs" => nfs(source),
        "iscsi" => iscsi::check(source, owner),
        "fc" => disk::fibre_channel(source),
        "quobyte" => quobyte(source),
        "flocker" => flocker(source),
        "flexVolume" => flex(source),
        "cinder" => secret(&source.at("secretRef"), owner),
        "storageos" => storage_os(source, owner),
        "azureDisk" => disk::azure(source),
        "azureFile" if owner == Owner::Persistent => {
            let space = source.at("secretNamespace");
            if space.is_some() {
                space.must_be_given();
            }
        }
        "glusterfs" if owner == Owner::Persistent => gluster_space(source),
        "csi" => storage_names::driver(&source.at("driver")),
        _ => {}
    }
}

/// A path of the node.
pub(super) fn host_path(source: &Field<'_>) {
    let (path, kind) = (source.at("path"), source.at("type"));
    if path.is_empty() {
        return path.required("");
    }
    no_backsteps(&path);
    if kind.is_some() && !HOST_PATH_TYPES.contains(&kind.text()) {
        kind.unsupported(&HOST_PATH_TYPES);
    }
}

/// A path that stays below where it starts.
pub(super) fn descending(path: &Field<'_>) {
    if path.text().starts_with('/') {
        path.invalid("must be a relative path");
    }
    no_backsteps(path);
}

pub(super) fn no_backsteps(path: &Field<'_>) {
    if path.text().split('/').any(|step| step == "..") {
        path.invalid("must not contain '..'");
    }
}

fn nfs(source: &Field<'_>) {
    let path = source.at("path");
    source.at("server").must_be_given();
    path.must_be_given();
    if !path.text().starts_with('/') {
        path.invalid_text("must be an absolute path");
    }
}

fn quobyte(source: &Field<'_>) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    const TENANT_LEN_MAX: usize = 64;
    let (registry, tenant) = (source.at("registry"), source.at("tenant"));
    if registry.is_empty() {
        registry.required(PAIRS);
    } else if tenant.text().len() > TENANT_LEN_MAX {
        tenant.required("must be a UUID and may not exceed a length of 64 characters");
    } else {
        for _ in registry.text().split(',').filter(|pair| !is_port_pair(pair)) {
            registry.invalid(PAIRS);
        }
    }
    source.at("volume").must_be_given();
}

fn flocker(source: &Field<'_>) {
    let (name, id) = (source.at("datasetName"), source.at("datasetUUID"));
    if name.is_empty() && id.is_empty() {
        source.required("one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !id.is_empty() {
        source.invalid_as(
            "resource",
            "datasetName and datasetUUID can not be specified simultaneously",
        );
    }
    if name.text().contains('/') {
        name.invalid("must not contain '/'");
    }
}

fn flex(source: &Field<'_>) {
    for (key, option) in source.at("options").entries() {
        let domain = key.split('/').next().filter(|_| key.contains('/')).unwrap_or(key);
        let domain = format!(".{}", domain.to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            option.invalid_as(key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

fn storage_os(source: &Field<'_>, owner: Owner) {
    for field in ["volumeName", "volumeNamespace"].map(|field| source.at(field)) {
        if !field.is_empty() {
            field.well_formed(names::dns_label);
        }
    }
    secret(&source.at("secretRef"), owner);
}

fn secret(reference: &Field<'_>, owner: Owner) {
    if !reference.is_some() {
        return;
    }
    reference.at("name").must_be_given();
    if owner == Owner::Persistent {
        reference.at("namespace").must_be_given();
    }
}

fn gluster_space(source: &Field<'_>) {
    let space = source.at("endpointsNamespace");
    if space.is_some() && space.text().is_empty() {
        space.invalid_text("if the endpointnamespace is set, it must be a valid namespace name");
    } else if space.is_some() {
        space.well_formed(names::dns_label);
    }
}
