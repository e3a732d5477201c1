//! Pods, and the templates that become pods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::field::Field;
use super::metadata;
use crate::names;

mod claim;
mod container;
mod debug;
mod env;
mod files;
mod gated;
mod handler;
mod mount;
mod platform;
mod resize;
mod resources;
mod scheduling;
mod security;
mod spread;
mod status;
mod update;
mod volume;

pub(super) use debug::update as update_debuggers;
pub(super) use resize::update as update_resources;
pub(super) use resources::{overhead, quantity};
pub(super) use scheduling::{node_selector, tolerations};
pub(super) use status::update as update_status;
pub(super) use update::update;

/// A new Pod.
pub(super) fn create(object: &Field<'_>) {
    let ephemeral = object.at("spec").at("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("cannot be set on create");
    }
    check(object);
    let (pod, node) = (object.at("spec"), object.at("spec").at("nodeName"));
    if !node.is_empty() && !pod.at("schedulingGates").is_empty() {
        node.forbidden("cannot be set until all schedulingGates have been cleared");
    }
}

/// What must hold of a Pod at any time.
pub(super) fn check(object: &Field<'_>) {
    let pod = object.at("spec");
    own_annotations(object);
    spec(&pod, Some(object.at("metadata").at("name").text()));
    if pod.at("serviceAccountName").is_empty() {
        no_tokens(&pod.at("volumes"));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        pod.at(list).items().for_each(|container| image_is_trimmed(&container.at("image")));
    }
}

/// Annotations that mean something to the cluster.
fn own_annotations(object: &Field<'_>) {
    let annotations = object.at("metadata").at("annotations");
    let mirror = annotations.key("kubernetes.io/config.mirror");
    if mirror.is_some() && object.at("spec").at("nodeName").is_empty() {
        mirror.invalid("must set spec.nodeName if mirror pod annotation is set");
    }
    deletion_cost(&annotations);
}

fn deletion_cost(annotations: &Field<'_>) {
    let cost = annotations.key("controller.kubernetes.io/pod-deletion-cost");
    let text = cost.text();
    let canonical = text.parse::<i32>().is_ok_and(|number| number.to_string() == text);
    if cost.is_some() && !canonical {
        cost.invalid("must be a 32bit integer");
    }
}

/// Tokens are a ServiceAccount's.
fn no_tokens(volumes: &Field<'_>) {
    for source in volumes.items().flat_map(|volume| volume.at("projected").at("sources").items()) {
        let token = source.at("serviceAccountToken");
        if token.is_some() {
            token.forbidden("must not be specified when serviceAccountName is not set");
        }
    }
}

/// Templates may have such images, for old times' sake.
fn image_is_trimmed(image: &Field<'_>) {
    if image.text().trim() != image.text() {
        image.invalid("must not have leading or trailing whitespace");
    }
}

/// The template of a workload.
pub(super) fn template(template: &Field<'_>) {
    template_labels(template);
    spec(&template.at("spec"), None);
    let ephemeral = template.at("spec").at("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("ephemeral containers not allowed in pod template");
    }
}

/// Labels and annotations of a template. Upstream leaves `metadata` out of their paths.
pub(super) fn template_labels(template: &Field<'_>) {
    let labels = template.at("metadata").value.get("labels").unwrap_or(&Value::Null);
    metadata::labels(&template.at("labels").showing(labels));
    let annotations = template.at("metadata").value.get("annotations").unwrap_or(&Value::Null);
    let annotations = template.at("annotations").showing(annotations);
    metadata::annotations(&annotations);
    deletion_cost(&annotations);
}

/// The spec of a pod of this name, or of a template, which has none.
fn spec(spec: &Field<'_>, pod: Option<&str>) {
    let volumes = volume::check(&spec.at("volumes"), pod);
    let claims = claim::check(&spec.at("resourceClaims"));
    container::all(spec, &volumes, &claims);
    resources::of_pod(spec);
    security::host_ports(spec, pod.is_some());
    spec.at("restartPolicy").one_of(&["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    spec.at("dnsPolicy").one_of(&policies);
    metadata::labels(&spec.at("nodeSelector"));
    security::of_pod(spec);
    scheduling::affinity(&spec.at("affinity"));
    dns(spec);
    scheduling::gates(spec);
    spread::check(&spec.at("topologySpreadConstraints"));
    platform::host_users(spec);
    named_things(spec);
    deadline(&spec.at("activeDeadlineSeconds"));
    scheduling::tolerations(&spec.at("tolerations"));
    host_aliases(&spec.at("hostAliases"));
    let preemption = spec.at("preemptionPolicy");
    if preemption.is_some() {
        preemption.one_of(&["PreemptLowerPriority", "Never"]);
    }
    resources::overhead(&spec.at("overhead"));
    platform::os(spec);
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
        return config.required("must provide `dnsConfig` when `dnsPolicy` is None");
    } else if policy == "None" && servers.is_empty() {
        let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        return servers.required(why);
    }
    if servers.len() > SERVERS_MAX {
        servers.invalid("must not have more than 3 nameservers");
    }
    servers.items().for_each(|server| super::address::ip(&server));
    search_list(&config.at("searches"));
    for option in config.at("options").items() {
        if option.at("name").is_empty() {
            // Upstream's path is the option's.
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
    let spaces = searches.len().saturating_sub(1);
    let characters: usize = searches.items().map(|search| search.text().len()).sum();
    if characters + spaces > CHARACTERS_MAX {
        searches.invalid(
            "must not have more than 2048 characters (including spaces) in the search list",
        );
    }
    for search in searches.items() {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        if search.text() != "." {
            let problems = names::dns_subdomain_with_underscore(name);
            problems.into_iter().for_each(|problem| search.invalid_as(name, problem));
        }
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
