//! Ingresses and IngressClasses.

use std::net::IpAddr;

use serde_json::Value;

use super::field::Field;
use super::{address, domain_path};
use crate::{meta, names, read};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// What would make a path mean another one.
const PATH_PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const PATH_ENDS: [&str; 2] = ["/..", "/."];

pub(super) fn create(object: &Field<'_>) {
    let named = object.at("spec").at("ingressClassName");
    let class = meta::annotation(object.value, CLASS_ANNOTATION);
    if let Some(class) = class.filter(|class| named.is_some() && *class != named.text()) {
        object
            .at("annotations")
            .at(CLASS_ANNOTATION)
            .invalid_as(class, "must match `ingressClassName` when both are specified");
    }
    check(object);
}

pub(super) fn check(object: &Field<'_>) {
    let spec = object.at("spec");
    let (rules, backend) = (spec.at("rules"), spec.at("defaultBackend"));
    if rules.is_empty() && !backend.is_some() {
        spec.showing(rules.value).invalid("either `defaultBackend` or `rules` must be specified");
    }
    if backend.is_some() {
        self::backend(&backend);
    }
    rules.items().for_each(|rule| self::rule(&rule));
    for tls in spec.at("tls").items() {
        tls.at("hosts").items().for_each(|name| host(&name));
        if !tls.at("secretName").is_empty() {
            tls.at("secretName").well_formed(names::dns_subdomain);
        }
    }
    let class = spec.at("ingressClassName");
    if class.is_some() {
        class.well_formed(names::dns_subdomain);
    }
}

fn rule(rule: &Field<'_>) {
    let name = rule.at("host");
    if name.text().parse::<IpAddr>().is_ok() {
        name.invalid("must be a DNS name, not an IP address");
    }
    if !name.is_empty() {
        host(&name);
    }
    let http = rule.at("http");
    if !http.is_some() {
        return;
    }
    if http.at("paths").is_empty() {
        http.at("paths").required("");
    }
    for item in http.at("paths").items() {
        path(&item);
        if !item.at("pathType").is_empty() {
            backend(&item.at("backend"));
        }
    }
}

fn host(host: &Field<'_>) {
    match host.text().contains('*') {
        true => host.well_formed(names::wildcard_dns_subdomain),
        false => host.well_formed(names::dns_subdomain),
    }
}

fn path(item: &Field<'_>) {
    let (path, kind) = (item.at("path"), item.at("pathType"));
    let absolute = path.text().starts_with('/');
    match kind.text() {
        "" => kind.required("pathType must be specified"),
        "Exact" | "Prefix" => plain_path(&path, absolute),
        "ImplementationSpecific" => {
            if !path.is_empty() && !absolute {
                path.invalid("must be an absolute path");
            }
        }
        _ => kind.unsupported(&["Exact", "ImplementationSpecific", "Prefix"]),
    }
}

fn plain_path(path: &Field<'_>, absolute: bool) {
    if !absolute {
        path.invalid_text("must be an absolute path");
    }
    for part in PATH_PARTS.iter().filter(|part| path.text().contains(*part)) {
        path.invalid(format!("must not contain '{part}'"));
    }
    for end in PATH_ENDS.iter().filter(|end| path.text().ends_with(*end)) {
        path.invalid(format!("cannot end with '{end}'"));
    }
}

fn backend(backend: &Field<'_>) {
    let (service, resource) = (backend.at("service"), backend.at("resource"));
    match (service.is_some(), resource.is_some()) {
        (true, true) => {
            backend.invalid_as("", "cannot set both resource and service backends");
        }
        (true, false) => self::service(backend, &service),
        (false, true) => reference(&resource),
        (false, false) => backend.invalid_as("", "resource or service backend is required"),
    }
}

fn service(backend: &Field<'_>, service: &Field<'_>) {
    let name = service.at("name");
    match name.is_empty() {
        true => name.required(""),
        false => name.well_formed(names::dns1035_label),
    }
    let (port_name, number) = (service.at("port").at("name"), service.at("port").at("number"));
    match (port_name.is_empty(), number.is_empty()) {
        (false, false) => backend.invalid_as("", "cannot set both port name & port number"),
        (false, true) => port_name.well_formed(names::port_name),
        (true, false) => address::port(&number),
        (true, true) => backend.required("port name or number is required"),
    }
}

pub(super) fn class(object: &Field<'_>) {
    const CONTROLLER_LEN_MAX: usize = 250;
    let controller = object.at("spec").at("controller");
    if controller.text().len() > CONTROLLER_LEN_MAX {
        controller.too_long(CONTROLLER_LEN_MAX);
    }
    domain_path::check(&controller);
    let parameters = object.at("spec").at("parameters");
    if parameters.is_some() {
        reference(&parameters);
        scope(&parameters);
    }
}

/// An object of any kind.
fn reference(reference: &Field<'_>) {
    if reference.at("apiGroup").is_some() {
        reference.at("apiGroup").well_formed(names::dns_subdomain);
    }
    for word in ["kind", "name"] {
        let field = reference.at(word);
        match field.is_empty() {
            true => field.required(format!("{word} is required")),
            false => field.well_formed(names::path_segment),
        }
    }
}

fn scope(parameters: &Field<'_>) {
    let (scope, space) = (parameters.at("scope"), parameters.at("namespace"));
    if !scope.is_some() {
        return scope.required("");
    }
    if !["Cluster", "Namespace"].contains(&scope.text()) {
        scope.unsupported(&["Cluster", "Namespace"]);
    }
    match scope.text() {
        "Namespace" if !space.is_some() => {
            space.required("`parameters.scope` is set to 'Namespace'");
        }
        "Namespace" => space.well_formed(names::dns_label),
        "Cluster" if space.is_some() => space.forbidden("`parameters.scope` is set to 'Cluster'"),
        _ => {}
    }
}

pub(super) fn update_class(object: &Field<'_>, old: &Value) {
    object.at("spec").at("controller").immutable(read::at(old, &["spec", "controller"]));
}
