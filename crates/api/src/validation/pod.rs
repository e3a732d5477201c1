//! Pods, and the templates that become pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::metadata;
use crate::names;

mod container;
mod debug;
mod env;
mod handler;
mod mount;
mod resize;
mod resources;
mod scheduling;
mod security;
mod update;
mod volume;

pub(super) use debug::update as update_debuggers;
pub(super) use resize::update as update_resources;
pub(super) use update::update;

/// A new Pod.
pub(super) fn create(object: &Field<'_>) {
    let ephemeral = object.at("spec").at("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("cannot be set on create");
    }
    check(object);
}

/// What must hold of a Pod at any time.
pub(super) fn check(object: &Field<'_>) {
    let pod = object.at("spec");
    spec(&pod);
    for list in ["containers", "initContainers"] {
        pod.at(list).items().for_each(|container| image_is_trimmed(&container.at("image")));
    }
}

/// Templates may have such images, for old times' sake.
fn image_is_trimmed(image: &Field<'_>) {
    if image.text().trim() != image.text() {
        image.invalid("must not have leading or trailing whitespace");
    }
}

/// The template of a workload. Upstream leaves `metadata` out of two of its paths.
pub(super) fn template(template: &Field<'_>) {
    let labels = template.at("metadata").value.get("labels").unwrap_or(&Value::Null);
    metadata::labels(&template.at("labels").showing(labels));
    let annotations = template.at("metadata").value.get("annotations").unwrap_or(&Value::Null);
    metadata::annotations(&template.at("annotations").showing(annotations));
    spec(&template.at("spec"));
    let ephemeral = template.at("spec").at("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("ephemeral containers not allowed in pod template");
    }
}

fn spec(spec: &Field<'_>) {
    let volumes = volume::check(&spec.at("volumes"));
    container::all(spec, &volumes);
    spec.at("restartPolicy").one_of(&["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    spec.at("dnsPolicy").one_of(&policies);
    metadata::labels(&spec.at("nodeSelector"));
    security::of_pod(spec);
    dns(spec);
    scheduling::check(spec);
    named_things(spec);
    deadline(&spec.at("activeDeadlineSeconds"));
    host_aliases(&spec.at("hostAliases"));
    resources::check(&spec.at("resources"));
}

fn named_things(spec: &Field<'_>) {
    let rules: [(&str, metadata::NameRule); 6] = [
        ("serviceAccountName", names::dns_subdomain),
        ("nodeName", names::dns_subdomain),
        ("priorityClassName", names::dns_subdomain),
        ("runtimeClassName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
    ];
    for (field, rule) in rules {
        let field = spec.at(field);
        if !field.is_empty() {
            field.well_formed(rule);
        }
    }
}

fn deadline(seconds: &Field<'_>) {
    let range = 1..=i64::from(i32::MAX);
    if seconds.is_some() && !range.contains(&seconds.number()) {
        seconds.invalid("must be between 1 and 2147483647, inclusive");
    }
}

fn host_aliases(aliases: &Field<'_>) {
    for alias in aliases.items() {
        super::address::ip(&alias.at("ip"));
        for name in alias.at("hostnames").items() {
            name.well_formed(names::dns_subdomain);
        }
    }
}

fn dns(spec: &Field<'_>) {
    const SERVERS_MAX: usize = 3;
    let (config, policy) = (spec.at("dnsConfig"), spec.at("dnsPolicy").text());
    let servers = config.at("nameservers");
    if policy == "None" && !config.is_some() {
        config.required("must provide `dnsConfig` when `dnsPolicy` is None");
    } else if policy == "None" && servers.is_empty() {
        servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if servers.len() > SERVERS_MAX {
        servers.invalid("must not have more than 3 nameservers");
    }
    servers.items().for_each(|server| super::address::ip(&server));
    search_list(&config.at("searches"));
    for option in config.at("options").items() {
        if option.at("name").is_empty() {
            option.required("must not be empty");
        }
    }
}

fn search_list(searches: &Field<'_>) {
    const SEARCHES_MAX: usize = 32;
    const CHARACTERS_MAX: usize = 2048;
    if searches.len() > SEARCHES_MAX {
        searches.invalid("must not have more than 32 search paths");
    }
    for search in searches.items() {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        if search.text() != "." {
            names::dns_subdomain(name).into_iter().for_each(|problem| search.invalid(problem));
        }
    }
    let spaces = searches.len().saturating_sub(1);
    let characters: usize = searches.items().map(|search| search.text().len()).sum();
    if characters + spaces > CHARACTERS_MAX {
        searches.invalid(
            "must not have more than 2048 characters (including spaces) in the search list",
        );
    }
}

/// Names that must be there once only; finds the second of each.
#[derive(Default)]
struct Seen<'a>(BTreeSet<&'a str>);

impl<'a> Seen<'a> {
    fn check(&mut self, name: &Field<'a>) {
        if !self.0.insert(name.text()) && !name.is_empty() {
            name.duplicate();
        }
    }
}

/// A DNS label that must be given.
fn label(name: &Field<'_>) {
    match name.is_empty() {
        true => name.required(""),
        false => name.well_formed(names::dns_label),
    }
}
