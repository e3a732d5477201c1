//! CustomResourceDefinitions.

mod conversion;
mod extensions;
mod parts;
mod rules;
mod structural;

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use crate::names;

/// Kubernetes' own groups: who defines a kind there says that it was agreed on.
const APPROVAL: &str = "api-approved.kubernetes.io";
/// So many fields of a version can be selected by.
const SELECTABLE_MAX: usize = 8;
/// A warning of a deprecated version is no longer, in bytes.
const WARNING_BYTES_MAX: usize = 256;
const SCOPES: [&str; 2] = ["Cluster", "Namespaced"];

pub(super) fn check(root: &Field<'_>) {
    let (name, spec) = (root.at("metadata").at("name"), root.at("spec"));
    let wanted = format!("{}.{}", spec.at("names").at("plural").text(), spec.at("group").text());
    if name.text() != wanted {
        name.invalid_text("must be spec.names.plural+\".\"+spec.group");
    }
    approval(root);
    group(&spec.at("group"));
    spec.at("scope").one_of(&SCOPES);
    versions(&spec);
    if spec.at("preserveUnknownFields").flag() {
        spec.at("preserveUnknownFields").invalid(
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
             spec.versions[*].schema instead",
        );
    }
    names_of(&spec.at("names"));
    conversion::check(&spec.at("conversion"));
    first_stored_version(root);
}

/// Objects are stored in some version from the beginning.
fn first_stored_version(root: &Field<'_>) {
    let stored = root.at("status").at("storedVersions");
    let storage = root.at("spec").at("versions").items().find(|v| v.at("storage").flag());
    match storage.map(|version| version.at("name").text()) {
        None if stored.is_empty() => {
            stored.invalid_as_text("null".to_owned(), "must have at least one stored version");
        }
        Some(name) if !names::dns1035_label(name).is_empty() => {
            let shown = Value::from(vec![name]);
            let stored = stored.showing(&shown);
            stored.items().for_each(|name| name.well_formed(names::dns1035_label));
        }
        _ => {}
    }
}

pub(super) fn update(root: &Field<'_>, old: &Value) {
    let spec = root.at("spec");
    let was = |path: &[&str]| path.iter().fold(&old["spec"], |value, name| &value[*name]);
    spec.at("group").immutable(was(&["group"]));
    spec.at("names").at("plural").immutable(was(&["names", "plural"]));
    let conditions = old["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let established =
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True");
    if established {
        spec.at("scope").immutable(was(&["scope"]));
        spec.at("names").at("kind").immutable(was(&["names", "kind"]));
    }
    conversion::check_bundle(&spec.at("conversion"), old, established);
    stored_versions(root);
}

/// What is stored can be read only for as long as its version is known.
fn stored_versions(root: &Field<'_>) {
    let known: Vec<&str> =
        root.at("spec").at("versions").items().map(|v| v.at("name").text()).collect();
    for stored in root.at("status").at("storedVersions").items() {
        if !known.contains(&stored.text()) {
            stored.invalid_text(
                "missing from spec.versions; v1 was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in v1 and \
                 removes v1 from status.storedVersions"
                    .replace("v1", stored.text()),
            );
        }
    }
}

fn approval(root: &Field<'_>) {
    let group = root.at("spec").at("group").text();
    let protected = ["k8s.io", "kubernetes.io"];
    if !protected.iter().any(|p| group == *p || group.ends_with(&format!(".{p}"))) {
        return;
    }
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let annotation = root.at("metadata").at("annotations").key(APPROVAL);
    match annotation.text() {
        "" => annotation.required(format!(
            "protected groups must have approval annotation {APPROVAL:?}, {see}"
        )),
        text if text.starts_with("unapproved") || text.contains("://") => {}
        _ => annotation.invalid_text(format!(
            "protected groups must have approval annotation {APPROVAL:?} with either a URL or a \
             reason starting with \"unapproved\", {see}"
        )),
    }
}

fn group(group: &Field<'_>) {
    let problems = names::dns_subdomain(group.text());
    if group.is_empty() {
        group.required("");
    } else if !problems.is_empty() {
        group.invalid_text(problems.join(","));
    } else if !group.text().contains('.') {
        group.invalid_text("should be a domain with at least one dot");
    }
}

fn deprecation(version: &Field<'_>) {
    let warning = version.at("deprecationWarning");
    if !warning.is_some() {
        return;
    }
    let text = warning.text();
    if !version.at("deprecated").flag() {
        return warning.invalid_text("can only be set for deprecated versions");
    }
    if text.len() > WARNING_BYTES_MAX {
        warning.invalid_text("must be <= 256 characters long");
    }
    if text.is_empty() {
        warning.invalid_text("must not be an empty string");
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
        warning.invalid_text(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {at}"
        ));
    }
}

fn versions(spec: &Field<'_>) {
    let versions = spec.at("versions");
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for version in versions.items() {
        unique &= seen.insert(version.at("name").text());
        let problems = names::dns1035_label(version.at("name").text());
        if !problems.is_empty() {
            version.at("name").invalid_text(problems.join(","));
        }
        if !version.at("schema").at("openAPIV3Schema").is_some() {
            version.at("schema").at("openAPIV3Schema").required("");
        }
        deprecation(&version);
    }
    if !unique {
        versions.invalid_as_text(internal(&versions), "must contain unique version names");
    }
    if versions.items().filter(|version| version.at("storage").flag()).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        versions.invalid_as_text(internal(&versions), why);
    }
    selectable_fields(spec);
    parts(spec, "schema", "validation", |schema| {
        let schema = schema.at("openAPIV3Schema");
        if schema.at("nullable").flag() {
            schema.at("nullable").forbidden("nullable cannot be true at the root");
        }
        structural::schema(&schema);
    });
    parts(spec, "subresources", "subresources", parts::subresources);
    parts(spec, "additionalPrinterColumns", "additionalPrinterColumns", |columns| {
        columns.items().for_each(|column| parts::column(&column));
    });
}

/// The versions as upstream shows them: in a form of its own, in which what they share is not theirs.
fn internal(versions: &Field<'_>) -> String {
    if !versions.is_some() {
        return "null".to_owned();
    }
    let version = |version: Field<'_>| {
        format!(
            "{{\"Name\":{:?},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\
             \"DeprecationWarning\":{},\"Schema\":null,\"Subresources\":null,\
             \"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            version.at("name").text(),
            version.at("served").flag(),
            version.at("storage").flag(),
            version.at("deprecated").flag(),
            version.at("deprecationWarning").value,
        )
    };
    format!("[{}]", versions.items().map(version).collect::<Vec<_>>().join(","))
}

fn selectable_fields(spec: &Field<'_>) {
    let versions: Vec<Field<'_>> = spec.at("versions").items().collect();
    let Some(first) = versions.first().map(|version| version.at("selectableFields")) else {
        return;
    };
    let shared = versions.iter().all(|version| version.at("selectableFields").value == first.value);
    let judged = if shared { &versions[..1] } else { &versions[..] };
    for version in judged {
        let own = version.at("selectableFields");
        let fields = if shared { spec.at("selectableFields").showing(own.value) } else { own };
        let schema = version.at("schema").at("openAPIV3Schema");
        let mut seen = BTreeSet::new();
        for field in fields.items() {
            if !parts::selectable(&field, &schema) {
                continue;
            }
            if !seen.insert(field.at("jsonPath").text()) {
                field.at("jsonPath").duplicate();
            }
        }
        if seen.len() > SELECTABLE_MAX {
            fields.too_many(SELECTABLE_MAX);
        }
    }
}

/// A part that every version has. Where it is the same in all, upstream speaks of it once, under
/// the name that it had before versions had their own.
fn parts(spec: &Field<'_>, name: &str, shared: &str, check: impl Fn(&Field<'_>)) {
    let all: Vec<Field<'_>> = spec.at("versions").items().map(|v| v.at(name)).collect();
    let Some(first) = all.first() else { return };
    if all.iter().all(|part| part.value == first.value) {
        return check(&spec.at(shared).showing(first.value));
    }
    all.iter().for_each(check);
}

fn names_of(names: &Field<'_>) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let name = names.at(field);
        let problems = names::dns1035_label(&name.text().to_lowercase());
        match (field, name.text()) {
            (_, "") => name.required(""),
            ("kind" | "listKind", _) if !problems.is_empty() => name.invalid_text(format!(
                "may have mixed case, but should otherwise match: {}",
                problems.join(",")
            )),
            ("plural" | "singular", text) => {
                let problems = names::dns1035_label(text);
                if !problems.is_empty() {
                    name.invalid_text(problems.join(","));
                }
            }
            _ => {}
        }
    }
    for name in names.at("shortNames").items().chain(names.at("categories").items()) {
        let problems = names::dns1035_label(name.text());
        if !problems.is_empty() {
            name.invalid_text(problems.join(","));
        }
    }
    if !names.at("kind").is_empty() && names.at("kind").text() == names.at("listKind").text() {
        names.at("listKind").invalid_text("kind and listKind may not be the same");
    }
}

#[cfg(test)]
mod tests;
