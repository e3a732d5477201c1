//! Requests for devices, and how they are spoken of.

use std::collections::{BTreeMap, BTreeSet};

use super::{by_name, selectors, toleration, unique};
use crate::names::{dns_label, dns_subdomain};
use crate::validation::field::Field;

pub(super) const REQUESTS_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 8;
const REFERENCE: &str = "must be the name of a request in the claim or the name of a request and a \
    subrequest separated by '/'";
const ONE: &str = "exactly one of `exactly` or `firstAvailable` is required";

/// The requests of a claim, and the alternatives that each has.
pub(super) struct Names<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Names<'a> {
    pub(super) fn of(devices: &Field<'a>) -> Self {
        let of = |request: Field<'a>| {
            let inner = request.at("firstAvailable").items().map(|one| one.at("name").text());
            (request.at("name").text(), inner.collect())
        };
        Self(devices.at("requests").items().map(of).collect())
    }

    /// A name of a request, with or without that of an alternative.
    pub(super) fn check(&self, name: &Field<'_>) {
        let parts: Vec<&str> = name.text().split('/').collect();
        if parts.len() > 2 {
            return name.invalid(REFERENCE);
        }
        for part in &parts {
            dns_label(part).into_iter().for_each(|problem| name.invalid_as(*part, problem));
        }
        let known = match parts[..] {
            [request] => self.0.contains_key(request),
            [request, inner] => self.0.get(request).is_some_and(|all| all.contains(inner)),
            _ => false,
        };
        if !known {
            name.invalid_text(REFERENCE);
        }
    }
}

pub(super) fn request(request: &Field<'_>) {
    request.at("name").well_formed(dns_label);
    let (exactly, others) = (request.at("exactly"), request.at("firstAvailable"));
    match (exactly.is_some(), !others.is_empty()) {
        (false, false) => request.required(ONE),
        (true, true) => request
            .showing(&serde_json::Value::Null)
            .invalid(format!("{ONE}, but multiple fields are set")),
        (true, false) => wanted(&exactly),
        (false, true) => unique(&others, ALTERNATIVES_MAX, by_name, |other| {
            other.at("name").well_formed(dns_label);
            wanted(other);
        }),
    }
}

/// Which devices, and how many.
fn wanted(request: &Field<'_>) {
    let class = request.at("deviceClassName");
    match class.is_empty() {
        true => class.required(""),
        false => class.well_formed(dns_subdomain),
    }
    selectors(&request.at("selectors"));
    let (mode, count) = (request.at("allocationMode"), request.at("count"));
    match mode.text() {
        "All" if count.number() != 0 => {
            count.invalid("must not be specified when allocationMode is 'All'");
        }
        "All" => {}
        "ExactCount" if count.number() <= 0 => count.invalid_number("must be greater than zero"),
        "ExactCount" => {}
        _ => mode.unsupported(&["All", "ExactCount"]),
    }
    request.at("tolerations").items().for_each(|one| toleration(&one));
}
