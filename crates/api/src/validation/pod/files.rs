//! Volumes whose files the node writes: of Secrets, ConfigMaps, tokens and the pod's own fields.

use std::collections::BTreeSet;

use super::{env, mount};
use crate::names;
use crate::validation::field::Field;
use crate::validation::selector;

/// What a projected volume may be made of.
const PARTS: [&str; 6] = [
    "secret",
    "configMap",
    "downwardAPI",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
];
const TAKEN: &str = "conflicting duplicate paths";

/// A Secret or ConfigMap as a volume: its keys are files.
pub(super) fn of_keys(source: &Field<'_>) {
    mode(&source.at("defaultMode"));
    keys(source);
}

/// A volume of the downward API. Upstream leaves the items out of its paths.
pub(super) fn of_fields(source: &Field<'_>) {
    mode(&source.at("defaultMode"));
    source.at("items").items().for_each(|item| downward(&source.showing(item.value)));
}

fn keys(source: &Field<'_>) {
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
        (true, also) => {
            env::field(&field, &env::FILE_FIELDS);
            if also {
                item.invalid_as(
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                );
            }
        }
        (false, true) => env::resource(&resource, true),
        (false, false) => item.required("one of fieldRef and resourceFieldRef is required"),
    }
    mode(&item.at("mode"));
}

/// A volume of several sources, whose files must not meet.
pub(super) fn projected(volume: &Field<'_>) {
    mode(&volume.at("defaultMode"));
    let mut taken = BTreeSet::new();
    for source in volume.at("sources").items() {
        let given: Vec<_> = PARTS.iter().filter(|kind| source.at(kind).is_some()).collect();
        for kind in &given {
            part(kind, &source.at(kind), volume, &mut taken);
        }
        if given.len() > 1 {
            source.forbidden("may not specify more than 1 volume type per source");
        }
    }
}

fn part<'a>(kind: &str, part: &Field<'a>, volume: &Field<'_>, taken: &mut BTreeSet<&'a str>) {
    match kind {
        "secret" | "configMap" => {
            part.at("name").must_be_given();
            keys(part);
            for item in part.at("items").items() {
                take(&item.at("path"), part.at("name").text(), volume, taken);
            }
        }
        "downwardAPI" => {
            for item in part.at("items").items() {
                downward(&part.showing(item.value));
                let path = item.at("path");
                take(&path, path.text(), volume, taken);
            }
        }
        "serviceAccountToken" => token(part, volume),
        "clusterTrustBundle" => {
            bundle(part);
            let path = part.at("path");
            mount::file(&path);
            take(&path, path.text(), volume, taken);
        }
        _ => {}
    }
}

/// `shown` is what upstream calls wrong where a path is there twice.
fn take<'a>(path: &Field<'a>, shown: &str, volume: &Field<'_>, taken: &mut BTreeSet<&'a str>) {
    if !path.is_empty() && !taken.insert(path.text()) {
        volume.invalid_as(shown, TAKEN);
    }
}

fn token(part: &Field<'_>, volume: &Field<'_>) {
    const TEN_MINUTES: i64 = 10 * 60;
    let seconds = part.at("expirationSeconds");
    if seconds.is_some() && seconds.number() < TEN_MINUTES {
        seconds.invalid("may not specify a duration less than 10 minutes");
    }
    if seconds.number() > 1 << 32 {
        seconds.invalid("may not specify a duration larger than 2^32 seconds");
    }
    mount::file(&volume.at("path").showing(part.at("path").value));
}

fn bundle(part: &Field<'_>) {
    let (name, signer, labels) = (part.at("name"), part.at("signerName"), part.at("labelSelector"));
    match (name.is_some(), signer.is_some()) {
        (true, true) => part.invalid("only one of name and signerName may be used"),
        (true, false) => {
            if name.is_empty() {
                name.required("must be a valid object name");
            }
            for problem in names::dns_subdomain(&name.text().replace(':', ".")) {
                name.invalid_text(format!("not a valid clustertrustbundlename: {problem}"));
            }
            if labels.is_some() {
                labels.invalid("labelSelector must be unset if name is specified");
            }
        }
        (false, true) => {
            if signer.is_empty() {
                signer.required("must be a valid signer name");
            }
            selector::check(&labels);
        }
        (false, false) => part.required("either name or signerName must be specified"),
    }
}
