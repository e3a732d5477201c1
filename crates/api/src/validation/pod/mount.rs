//! Where containers mount the pod's volumes, and paths within volumes.

use std::collections::BTreeSet;

use crate::validation::field::Field;

/// The mounts of a container, whose pod has these volumes.
pub(super) fn check(container: &Field<'_>, volumes: &BTreeSet<&str>) {
    let privileged = container.at("securityContext").at("privileged").flag();
    let mut seen = BTreeSet::new();
    for mount in container.at("volumeMounts").items() {
        let (name, path) = (mount.at("name"), mount.at("mountPath"));
        name.must_be_given();
        if !volumes.contains(name.text()) {
            name.showing(&name.text().into()).not_found();
        }
        path.must_be_given();
        if !seen.insert(path.text()) {
            path.invalid_text("must be unique");
        }
        sub_path(&mount);
        propagation(&mount.at("mountPropagation"), privileged);
    }
}

fn sub_path(mount: &Field<'_>) {
    let (plain, expression) = (mount.at("subPath"), mount.at("subPathExpr"));
    if !plain.is_empty() && !expression.is_empty() {
        expression.invalid("subPathExpr and subPath are mutually exclusive");
    }
    for path in [plain, expression] {
        descending(&path);
    }
}

/// A path that stays below where it starts.
fn descending(path: &Field<'_>) {
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

/// The path of a file in a volume that the node writes; names with two dots are the node's own.
pub(super) fn file(path: &Field<'_>) {
    if path.is_empty() {
        return path.required("");
    }
    descending(path);
    if path.text().starts_with("..") && !path.text().starts_with("../") && path.text() != ".." {
        path.invalid("must not start with '..'");
    }
}

fn propagation(mode: &Field<'_>, privileged: bool) {
    match mode.text() {
        "" | "None" | "HostToContainer" => {}
        "Bidirectional" if privileged => {}
        "Bidirectional" => mode.forbidden(
            "Bidirectional mount propagation is available only to privileged containers",
        ),
        _ => mode.unsupported(&["Bidirectional", "HostToContainer", "None"]),
    }
}
