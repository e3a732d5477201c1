//! Requests and limits.

use crate::names;
use crate::quantity::Quantity;
use crate::validation::field::{Field, NOT_NEGATIVE};

const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const HUGE_PAGES: &str = "hugepages-";

/// `resources` of a container or a pod.
pub(super) fn check(resources: &Field<'_>) {
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    for (name, limit) in limits.entries() {
        amount(name, &limit);
    }
    for (name, request) in requests.entries() {
        let amount = amount(name, &request);
        let limit = limits.at(name);
        match (amount, quantity(&limit)) {
            (Some(amount), Some(limit)) => within(name, &requests, amount, limit),
            (Some(_), None) if !may_exceed(name) => {
                limits.required("Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
    }
}

fn within(name: &str, requests: &Field<'_>, request: Quantity, limit: Quantity) {
    let relation = match () {
        () if !may_exceed(name) && request != limit => "equal to",
        () if request > limit => "less than or equal to",
        () => return,
    };
    let detail = format!("must be {relation} {name} limit of {limit}");
    requests.invalid_as(request.to_string(), detail);
}

/// May a limit be above the request? Whole devices cannot be shared.
fn may_exceed(name: &str) -> bool {
    !name.contains('/') && !name.starts_with(HUGE_PAGES)
}

fn amount(name: &str, field: &Field<'_>) -> Option<Quantity> {
    for problem in names::qualified_name(name) {
        field.invalid_as(name, problem);
    }
    if !name.contains('/') && !STANDARD.contains(&name) && !name.starts_with(HUGE_PAGES) {
        field.invalid_as(name, "must be a standard resource type or fully qualified");
        field.invalid_as(name, "must be a standard resource for containers");
    }
    let amount = quantity(field)?;
    if amount.is_negative() {
        field.invalid_as(amount.to_string(), NOT_NEGATIVE);
    }
    if name.contains('/') && !amount.is_whole() {
        field.invalid_as(amount.to_string(), "must be an integer");
    }
    Some(amount)
}

/// The quantity, where there is one; says so where it is not readable.
pub(super) fn quantity(field: &Field<'_>) -> Option<Quantity> {
    if !field.is_some() {
        return None;
    }
    match Quantity::from_value(field.value) {
        Ok(amount) => Some(amount),
        Err(error) => {
            field.invalid(error.to_string());
            None
        }
    }
}
