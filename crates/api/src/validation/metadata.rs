//! `metadata`, which all kinds share.

use serde_json::Value;

use super::field::{Field, NOT_NEGATIVE};
use super::{address, storage_names};
use crate::{Gvk, meta, names};

/// All annotations of an object together, keys and values.
const ANNOTATIONS_LEN_MAX: usize = 256 * 1024;
/// Finalizers that need no domain before them.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
/// Groups whose kinds check the names of their finalizers more strictly.
const STRICT_FINALIZER_GROUPS: [&str; 4] = ["", "apps", "batch", "networking.k8s.io"];

/// A validator of `names`.
pub(super) type NameRule = fn(&str) -> Vec<String>;

pub(super) fn create(gvk: &Gvk, metadata: &Field<'_>) {
    name(gvk, metadata);
    if !metadata.at("namespace").is_empty() {
        metadata.at("namespace").well_formed(names::dns_label);
    }
    common(gvk, metadata);
}

pub(super) fn update(gvk: &Gvk, metadata: &Field<'_>, old: &Value) {
    common(gvk, metadata);
    no_new_finalizers(metadata, old);
    let fixed = [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ];
    for field in fixed {
        metadata.at(field).immutable(crate::read::at(old, &["metadata", field]));
    }
    let generation = metadata.at("generation");
    if generation.number() < meta::generation(old) {
        generation.invalid_number("must not be decremented");
    }
}

fn common(gvk: &Gvk, metadata: &Field<'_>) {
    let generation = metadata.at("generation");
    if generation.number() < 0 {
        generation.invalid(NOT_NEGATIVE);
    }
    labels(&metadata.at("labels"));
    annotations(&metadata.at("annotations"));
    owners(&metadata.at("ownerReferences"));
    finalizers(gvk, &metadata.at("finalizers"));
}

/// What a kind's names must look like.
fn name_rule(gvk: &Gvk) -> NameRule {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Namespace") | ("apps", "StatefulSet") => names::dns_label,
        ("", "Service") => names::dns1035_label,
        ("", "Event")
        | ("apiregistration.k8s.io", _)
        | ("certificates.k8s.io", "CertificateSigningRequest")
        | ("policy", _)
        | ("rbac.authorization.k8s.io", _) => names::path_segment,
        ("networking.k8s.io", "IPAddress") => address::name,
        ("storage.k8s.io", "CSIDriver") => storage_names::of_driver,
        _ => names::dns_subdomain,
    }
}

fn name(gvk: &Gvk, metadata: &Field<'_>) {
    let rule = name_rule(gvk);
    let (name, prefix) = (metadata.at("name"), metadata.at("generateName"));
    if !prefix.is_empty() {
        for problem in rule(&without_last_dash(prefix.text())) {
            prefix.invalid_text(problem);
        }
    }
    if name.is_empty() {
        if prefix.is_empty() {
            name.required("name or generateName is required");
        }
        return;
    }
    name.well_formed(rule);
}

/// A prefix may end with a dash: more characters follow.
fn without_last_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => format!("{rest}a"),
        _ => prefix.to_owned(),
    }
}

/// A map of labels, here or in a selector.
pub(super) fn labels(labels: &Field<'_>) {
    for (key, value) in labels.entries() {
        label_key(labels, key);
        for problem in names::label_value(value.text()) {
            labels.invalid_as(value.text(), problem);
        }
    }
}

/// A label's key; `at` is where it is said to be wrong.
pub(super) fn label_key(at: &Field<'_>, key: &str) {
    for problem in names::qualified_name(key) {
        at.invalid_as(key, problem);
    }
}

pub(super) fn annotations(annotations: &Field<'_>) {
    let mut size = 0;
    for (key, value) in annotations.entries() {
        for problem in names::qualified_name(&key.to_lowercase()) {
            annotations.invalid_as(key, problem);
        }
        size += key.len() + value.text().len();
    }
    if size > ANNOTATIONS_LEN_MAX {
        annotations.too_long(ANNOTATIONS_LEN_MAX);
    }
}

fn owners(owners: &Field<'_>) {
    let mut controller: Option<String> = None;
    for owner in owners.items() {
        self::owner(owners, owner.value);
        if !owner.at("controller").flag() {
            continue;
        }
        let name = format!("{}/{}", owner.at("kind").text(), owner.at("name").text());
        if let Some(first) = &controller {
            owners.invalid(format!(
                "Only one reference can have Controller set to true. Found \"true\" in references \
                 for {first} and {name}"
            ));
        }
        controller = Some(name);
    }
}

/// Upstream leaves the index out of these paths.
fn owner(owners: &Field<'_>, owner: &Value) {
    let owner = owners.showing(owner);
    let (version, kind) = (owner.at("apiVersion"), owner.at("kind"));
    let gvk = Gvk::from_api_version(version.text(), kind.text());
    if gvk.is_err() {
        version.invalid_text("version must not be empty");
    }
    for field in [kind, owner.at("name"), owner.at("uid")] {
        if field.is_empty() {
            field.invalid_text("must not be empty");
        }
    }
    if let Some(event) = gvk.ok().filter(|gvk| gvk.is("", "Event")) {
        owner.invalid(format!("{event} is disallowed from being an owner"));
    }
}

fn finalizers(gvk: &Gvk, finalizers: &Field<'_>) {
    let mut waits = [false; 2];
    for item in finalizers.items() {
        let text = item.text();
        for problem in names::qualified_name(text) {
            finalizers.invalid_as(text, problem);
        }
        let strict = STRICT_FINALIZER_GROUPS.contains(&gvk.group.as_str());
        if strict && !text.contains('/') && !STANDARD_FINALIZERS.contains(&text) {
            item.invalid_text(
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
        waits[0] |= text == "orphan";
        waits[1] |= text == "foregroundDeletion";
    }
    if waits == [true; 2] {
        finalizers.invalid("finalizer orphan and foregroundDeletion cannot be both set");
    }
}

fn no_new_finalizers(metadata: &Field<'_>, old: &Value) {
    if !meta::is_deleting(old) {
        return;
    }
    let had: Vec<_> = meta::finalizers(old).collect();
    let finalizers = metadata.at("finalizers");
    let new = finalizers.items().map(|item| item.text()).filter(|name| !had.contains(name));
    let new: Vec<_> = new.map(|name| format!("{name:?}")).collect();
    if !new.is_empty() {
        finalizers.forbidden(format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers \
             []string{{{}}}",
            new.join(", ")
        ));
    }
}
