//! Volumes: one source each, and names that mounts can refer to.

use std::collections::BTreeSet;

use super::{Seen, env, label, mount, resources};
use crate::validation::field::Field;

/// In upstream's order: the first one given counts, the others are too many.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
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

/// Checks the volumes and answers their names.
pub(super) fn check<'a>(volumes: &Field<'a>) -> BTreeSet<&'a str> {
    let mut seen = Seen::default();
    for volume in volumes.items() {
        label(&volume.at("name"));
        seen.check(&volume.at("name"));
        one_source(&volume);
    }
    seen.0
}

fn one_source(volume: &Field<'_>) {
    let mut given = SOURCES.iter().filter(|source| volume.at(source).is_some());
    let Some(first) = given.next() else {
        return volume.required("must specify a volume type");
    };
    source(first, &volume.at(first));
    for other in given {
        volume.at(other).forbidden("may not specify more than 1 volume type");
    }
}

fn source(kind: &str, source: &Field<'_>) {
    match kind {
        "emptyDir" => empty_dir(source),
        "hostPath" => host_path(source),
        "secret" => {
            source.at("secretName").must_be_given();
            files(source);
        }
        "configMap" => {
            source.at("name").must_be_given();
            files(source);
        }
        "downwardAPI" => {
            mode(&source.at("defaultMode"));
            source.at("items").items().for_each(|item| downward(&item));
        }
        "projected" => projected(source),
        "persistentVolumeClaim" => source.at("claimName").must_be_given(),
        "nfs" => nfs(source),
        "csi" => source.at("driver").must_be_given(),
        "ephemeral" => source.at("volumeClaimTemplate").must_be_given(),
        "image" => source.at("reference").must_be_given(),
        _ => {}
    }
}

fn empty_dir(source: &Field<'_>) {
    let limit = source.at("sizeLimit");
    if resources::quantity(&limit).is_some_and(|size| size.is_negative()) {
        limit.forbidden("SizeLimit field must be a valid resource quantity");
    }
}

fn host_path(source: &Field<'_>) {
    let (path, kind) = (source.at("path"), source.at("type"));
    match path.is_empty() {
        true => path.required(""),
        false => mount::no_backsteps(&path),
    }
    if !HOST_PATH_TYPES.contains(&kind.text()) {
        kind.unsupported(&HOST_PATH_TYPES);
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

/// Keys that become files.
fn files(source: &Field<'_>) {
    mode(&source.at("defaultMode"));
    for item in source.at("items").items() {
        item.at("key").must_be_given();
        mount::file(&item.at("path"));
        mode(&item.at("mode"));
    }
}

fn mode(mode: &Field<'_>) {
    if !(0..=0o777).contains(&mode.number()) {
        mode.invalid("must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn downward(item: &Field<'_>) {
    mount::file(&item.at("path"));
    let (field, resource) = (item.at("fieldRef"), item.at("resourceFieldRef"));
    match (field.is_some(), resource.is_some()) {
        (true, true) => item.invalid_as(
            "resource",
            "fieldRef and resourceFieldRef can not be specified simultaneously",
        ),
        (true, false) => env::field(&field, &env::FILE_FIELDS),
        (false, true) => env::resource(&resource, true),
        (false, false) => item.required("one of fieldRef and resourceFieldRef is required"),
    }
    mode(&item.at("mode"));
}

fn projected(volume: &Field<'_>) {
    let kinds = [
        "secret",
        "configMap",
        "downwardAPI",
        "serviceAccountToken",
        "clusterTrustBundle",
        "podCertificate",
    ];
    mode(&volume.at("defaultMode"));
    for source in volume.at("sources").items() {
        let mut given = kinds.into_iter().filter(|kind| source.at(kind).is_some());
        if let Some(first) = given.next() {
            part(first, &source.at(first));
        }
        if given.next().is_some() {
            source.forbidden("may not specify more than 1 volume type per source");
        }
    }
}

fn part(kind: &str, part: &Field<'_>) {
    match kind {
        "secret" | "configMap" => {
            part.at("name").must_be_given();
            files(part);
        }
        "downwardAPI" => part.at("items").items().for_each(|item| downward(&item)),
        "serviceAccountToken" => token(part),
        _ => {}
    }
}

fn token(part: &Field<'_>) {
    const TEN_MINUTES: i64 = 10 * 60;
    let seconds = part.at("expirationSeconds");
    if seconds.is_some() && seconds.number() < TEN_MINUTES {
        seconds.invalid("may not specify a duration less than 10 minutes");
    }
    if seconds.number() > 1 << 32 {
        seconds.invalid("may not specify a duration larger than 2^32 seconds");
    }
    mount::file(&part.at("path"));
}
