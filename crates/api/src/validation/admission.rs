//! Webhook configurations.

use std::collections::BTreeSet;

use super::field::Field;
use super::{policy, selector};
use crate::names;

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const REINVOCATIONS: [&str; 2] = ["IfNeeded", "Never"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
/// Of AdmissionReview and of ConversionReview.
pub(super) const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const TIMEOUT_SECONDS: std::ops::RangeInclusive<i64> = 1..=30;
const PORTS: std::ops::RangeInclusive<i64> = 1..=65535;
const URL_FORM: &str = "; desired format: https://host[/path]";

pub(super) fn webhooks(configuration: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for hook in configuration.at("webhooks").items() {
        webhook(&hook);
        review_versions(&hook.at("admissionReviewVersions"));
        let name = hook.at("name");
        if !name.is_empty() && !seen.insert(name.text().to_owned()) {
            name.duplicate();
        }
    }
}

fn webhook(hook: &Field<'_>) {
    qualified(&hook.at("name"));
    hook.at("rules").items().for_each(|rule| with_operations(&rule));
    known(&hook.at("failurePolicy"), &FAILURE_POLICIES);
    known(&hook.at("matchPolicy"), &MATCH_POLICIES);
    let effects = hook.at("sideEffects");
    match effects.is_some() {
        true => known(&effects, &SIDE_EFFECTS),
        false => effects.required(format!("must specify one of {}", SIDE_EFFECTS.join(", "))),
    }
    let timeout = hook.at("timeoutSeconds");
    if timeout.is_some() && !TIMEOUT_SECONDS.contains(&timeout.number()) {
        timeout.invalid("the timeout value must be between 1 and 30 seconds");
    }
    for selected in ["namespaceSelector", "objectSelector"] {
        selector::check(&hook.at(selected));
    }
    known(&hook.at("reinvocationPolicy"), &REINVOCATIONS);
    client(&hook.at("clientConfig"));
    policy::conditions(&hook.at("matchConditions"), false);
}

/// At least three labels, as `hook.example.com`.
fn qualified(name: &Field<'_>) {
    if name.is_empty() {
        name.required("");
        return;
    }
    let problems = names::dns_subdomain(name.text());
    if !problems.is_empty() {
        name.invalid(problems.join(","));
    } else if name.text().split('.').count() < 3 {
        name.invalid("should be a domain with at least three segments separated by dots");
    }
}

pub(super) fn known(field: &Field<'_>, words: &[&str]) {
    if field.is_some() && !words.contains(&field.text()) {
        field.unsupported(words);
    }
}

pub(super) fn with_operations(rule: &Field<'_>) {
    let operations = rule.at("operations");
    listed(&operations, "operations");
    operations.items().for_each(|operation| known(&operation, &OPERATIONS));
    let groups = rule.at("apiGroups");
    listed(&groups, "API groups");
    let versions = rule.at("apiVersions");
    listed(&versions, "API versions");
    versions.items().for_each(|version| version.must_be_given());
    resources(&rule.at("resources"));
    known(&rule.at("scope"), &SCOPES);
}

/// A list that must be given, and in which `*` stands alone.
fn listed(list: &Field<'_>, what: &str) {
    match list.len() {
        0 => list.required(""),
        1 => {}
        _ if list.items().any(|item| item.text() == "*") => {
            list.invalid(format!("if '*' is present, must not specify other {what}"));
        }
        _ => {}
    }
}

fn resources(list: &Field<'_>) {
    if list.is_empty() {
        list.required("");
    }
    let (mut all_below, mut all_above) = (BTreeSet::new(), BTreeSet::new());
    let (mut plain, mut single) = (false, false);
    for item in list.items() {
        let text = item.text();
        if text.is_empty() {
            item.required("");
            continue;
        }
        single |= text == "*";
        let Some((resource, sub)) = text.split_once('/') else {
            // As upstream: the last one counts.
            plain = text != "*";
            continue;
        };
        if all_below.contains(resource) {
            item.invalid(format!("if '{resource}/*' is present, must not specify {text}"));
        }
        if all_above.contains(sub) {
            item.invalid(format!("if '*/{sub}' is present, must not specify {text}"));
        }
        if sub == "*" {
            all_below.insert(resource);
        }
        if resource == "*" {
            all_above.insert(sub);
        }
    }
    if list.len() > 1 && list.items().any(|item| item.text() == "*/*") {
        list.invalid("if '*/*' is present, must not specify other resources");
    }
    if single && plain {
        list.invalid("if '*' is present, must not specify other resources without subresources");
    }
}

fn review_versions(versions: &Field<'_>) {
    let supported = REVIEW_VERSIONS.join(", ");
    if versions.is_empty() {
        versions.required(format!("must specify one of {supported}"));
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.items() {
        match seen.insert(version.text()) {
            true => version.well_formed(names::dns1035_label),
            false => version.invalid("duplicate version"),
        }
    }
    if !REVIEW_VERSIONS.iter().any(|version| seen.contains(version)) {
        versions.invalid(format!("must include at least one of {supported}"));
    }
}

/// A `clientConfig`.
pub(super) fn client(config: &Field<'_>) {
    let (url, service) = (config.at("url"), config.at("service"));
    match (url.is_some(), service.is_some()) {
        (true, false) => check_url(&url),
        (false, true) => check_service(&service),
        _ => config.required("exactly one of url or service is required"),
    }
}

fn check_url(url: &Field<'_>) {
    let (scheme, rest) = url.text().split_once("://").unwrap_or(("", url.text()));
    if scheme != "https" {
        url.invalid_as(scheme, format!("'https' is the only allowed URL scheme{URL_FORM}"));
        return;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = rest.split('/').next().unwrap_or_default();
    let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
    if host.is_empty() {
        url.invalid_as("", format!("host must be provided{URL_FORM}"));
    }
    for (given, what) in [
        (user, "user information is"),
        (fragment, "fragments are"),
        (query, "query parameters are"),
    ] {
        if !given.is_empty() {
            url.invalid_as(given, format!("{what} not permitted in the URL"));
        }
    }
}

fn check_service(service: &Field<'_>) {
    if service.at("name").is_empty() {
        service.at("name").required("");
    }
    if service.at("namespace").is_empty() {
        service.at("namespace").required("");
    }
    let port = service.at("port");
    if !PORTS.contains(&port.number()) {
        port.invalid_number("port is not valid: must be between 1 and 65535, inclusive");
    }
    check_path(&service.at("path"));
}

fn check_path(path: &Field<'_>) {
    let text = path.text();
    if matches!(text, "" | "/") {
        return;
    }
    if !text.starts_with('/') {
        path.invalid("must start with a '/'");
        return;
    }
    let inner = text[1..].strip_suffix('/').unwrap_or(&text[1..]);
    for (index, step) in inner.split('/').enumerate() {
        if step.is_empty() {
            path.invalid(format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in names::dns_subdomain(step) {
            path.invalid(format!("segment[{index}]: {problem}"));
        }
    }
}
