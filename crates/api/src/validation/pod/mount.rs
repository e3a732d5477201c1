//! Where containers mount the pod's volumes, and paths within volumes.

use std::collections::{BTreeMap, BTreeSet};

use super::volume::Volumes;
use crate::validation::field::Field;
use crate::validation::source::descending;

/// The mounts and devices of a container, whose pod has these volumes.
pub(super) fn check(container: &Field<'_>, volumes: &Volumes<'_>) {
    let (mounts, devices) = (container.at("volumeMounts"), container.at("volumeDevices"));
    mounted(container, &mounts, &named(&devices, "devicePath"), volumes);
    raw(&devices, &named(&mounts, "mountPath"), volumes);
}

/// The names of the items of a list, each with where it is.
fn named<'a>(list: &Field<'a>, path: &str) -> BTreeMap<&'a str, &'a str> {
    list.items().map(|item| (item.at("name").text(), item.at(path).text())).collect()
}

fn mounted(
    container: &Field<'_>,
    mounts: &Field<'_>,
    devices: &BTreeMap<&str, &str>,
    volumes: &Volumes<'_>,
) {
    let privileged = container.at("securityContext").at("privileged").flag();
    let mut seen = BTreeSet::new();
    for mount in mounts.items() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        name.must_be_given();
        if !volumes.contains_key(name.text()) {
            name.showing(&name.text().into()).not_found();
        }
        path.must_be_given();
        if !seen.insert(path.text()) {
            path.invalid_text("must be unique");
        }
        if devices.contains_key(name.text()) {
            name.invalid_text("must not already exist in volumeDevices");
        }
        if devices.values().any(|device| *device == path.text()) {
            path.invalid_text("must not already exist as a path in volumeDevices");
        }
        parts(mounts, &mount);
        propagation(&of_list(mounts, &mount, "mountPropagation"), privileged);
        recursive(&of_list(mounts, &mount, "recursiveReadOnly"), &mount);
    }
}

/// Upstream leaves the index out of some paths.
fn of_list<'a>(mounts: &Field<'a>, mount: &Field<'a>, field: &str) -> Field<'a> {
    mounts.at(field).showing(mount.at(field).value)
}

fn parts(mounts: &Field<'_>, mount: &Field<'_>) {
    descending(&of_list(mounts, mount, "subPath"));
    let expression = mount.at("subPathExpr");
    if !mount.at("subPath").is_empty() && !expression.is_empty() {
        expression.invalid("subPathExpr and subPath are mutually exclusive");
    }
    descending(&of_list(mounts, mount, "subPathExpr"));
}

/// The path of a file in a volume that the node writes; names with two dots are the node's own.
pub(super) fn file(path: &Field<'_>) {
    if path.is_empty() {
        return path.required("");
    }
    descending(path);
    if path.text().starts_with("..") && !path.text().starts_with("../") {
        path.invalid("must not start with '..'");
    }
}

fn propagation(mode: &Field<'_>, privileged: bool) {
    match mode.text() {
        "None" | "HostToContainer" => {}
        "Bidirectional" if privileged => {}
        "Bidirectional" => mode.forbidden(
            "Bidirectional mount propagation is available only to privileged containers",
        ),
        _ if mode.is_some() => mode.unsupported(&["Bidirectional", "HostToContainer", "None"]),
        _ => {}
    }
}

fn recursive(mode: &Field<'_>, mount: &Field<'_>) {
    match mode.text() {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !mount.at("readOnly").flag() {
                mode.forbidden("may only be specified when readOnly is true");
            }
            if !["", "None"].contains(&mount.at("mountPropagation").text()) {
                mode.forbidden(
                    "may only be specified when mountPropagation is None or not specified",
                );
            }
        }
        _ if mode.is_some() => mode.unsupported(&["Disabled", "Enabled", "IfPossible"]),
        _ => {}
    }
}

/// Volumes that a container has as devices.
fn raw(devices: &Field<'_>, mounts: &BTreeMap<&str, &str>, volumes: &Volumes<'_>) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for device in devices.items() {
        let (name, path) = (device.at("name"), device.at("devicePath"));
        name.must_be_given();
        if names.contains(name.text()) {
            name.invalid("must be unique");
        }
        match volumes.get(name.text()) {
            Some(&("persistentVolumeClaim" | "ephemeral")) => {}
            Some(_) => name.invalid_text(
                "can only use volume source type of PersistentVolumeClaim or Ephemeral for block \
                 mode",
            ),
            None => name.showing(&name.text().into()).not_found(),
        }
        path.must_be_given();
        if paths.contains(path.text()) {
            path.invalid("must be unique");
        }
        if path.text().split('/').any(|step| step == "..") {
            path.invalid("can not contain backsteps ('..')");
        } else {
            paths.insert(path.text());
        }
        if mounts.contains_key(name.text()) {
            name.invalid_text("must not already exist in volumeMounts");
        }
        if mounts.values().any(|mount| *mount == path.text()) {
            path.invalid_text("must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.insert(name.text());
        }
    }
}
