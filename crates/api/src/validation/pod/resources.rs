//! Requests and limits.

use super::claim::{self, Claims};
use crate::quantity::Quantity;
use crate::validation::field::{Field, NOT_NEGATIVE};
use crate::validation::resource_name;

/// Whose requests and limits they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Container,
    Pod,
}

/// What running a pod takes beside its containers. Upstream's paths are those of limits.
pub(in crate::validation) fn overhead(amounts: &Field<'_>) {
    let amounts = amounts.at("limits").showing(amounts.value);
    for (name, field) in amounts.entries() {
        amount(name, &field, Of::Container);
    }
}

/// `resources` of a container or a pod.
pub(super) fn check(resources: &Field<'_>, claims: &Claims<'_>, of: Of) {
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    let mut names = Vec::new();
    for (name, limit) in limits.entries() {
        amount(name, &limit, of);
        names.push(name);
    }
    for (name, request) in requests.entries() {
        let amount = amount(name, &request, of);
        names.push(name);
        match (amount, quantity(&limits.at(name))) {
            (Some(amount), Some(limit)) => within(name, &requests, amount, limit),
            (Some(_), None) if !resource_name::may_exceed(name) => {
                limits.required("Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
    }
    let huge = names.iter().any(|name| resource_name::is_huge_page(name));
    if huge && !names.iter().any(|name| ["cpu", "memory"].contains(name)) {
        resources.forbidden("HugePages require cpu or memory");
    }
    if of == Of::Container {
        claim::used(&resources.at("claims"), claims);
    }
}

/// `resources` of a pod as a whole, which its containers share.
pub(super) fn of_pod(spec: &Field<'_>) {
    let resources = spec.at("resources");
    if !resources.is_some() {
        return;
    }
    if resources.at("claims").is_some() {
        resources.at("claims").forbidden("claims cannot be set for Resources at pod-level");
    }
    check(&resources, &Claims::new(), Of::Pod);
    for name in ["cpu", "memory"] {
        let all = of_containers(spec, name);
        let given = resources.at("requests").key(name);
        let amount = quantity(&given).unwrap_or(Quantity::ZERO);
        if all > amount {
            given.invalid_as(
                amount.to_string(),
                format!("must be greater than or equal to aggregate container requests of {all}"),
            );
        }
    }
    for (name, amount) in resources.at("limits").entries() {
        let Some(most) = quantity(&amount) else { continue };
        for (index, container) in spec.at("containers").items().enumerate() {
            let limit = container.at("resources").at("limits").at(name);
            let above = Quantity::from_value(limit.value).is_ok_and(|limit| limit > most);
            if limit.is_some() && above {
                let at = resources.at(&format!("containers[{index}][{name}]")).at("limits");
                at.showing(limit.value)
                    .invalid(format!("must be less than or equal to pod limits of {most}"));
            }
        }
    }
}

/// What the containers of a pod request at most at any time: those that stay, or one before them
/// with those that stay from its time on.
fn of_containers(spec: &Field<'_>, name: &str) -> Quantity {
    let request = |container: &Field<'_>| {
        let amount = container.at("resources").at("requests").at(name);
        Quantity::from_value(amount.value).unwrap_or(Quantity::ZERO)
    };
    let (mut staying, mut most) = (Quantity::ZERO, Quantity::ZERO);
    for container in spec.at("initContainers").items() {
        let own = request(&container);
        most = most.max(staying + own);
        if container.at("restartPolicy").text() == "Always" {
            staying = staying + own;
        }
    }
    let all =
        spec.at("containers").items().fold(staying, |sum, container| sum + request(&container));
    all.max(most)
}

fn within(name: &str, requests: &Field<'_>, request: Quantity, limit: Quantity) {
    let relation = match () {
        () if !resource_name::may_exceed(name) && request != limit => "equal to",
        () if request > limit => "less than or equal to",
        () => return,
    };
    let detail = format!("must be {relation} {name} limit of {limit}");
    requests.invalid_as(request.to_string(), detail);
}

fn amount(name: &str, field: &Field<'_>, of: Of) -> Option<Quantity> {
    match of {
        Of::Pod => resource_name::of_pod(name, field),
        Of::Container => resource_name::of_container(name, field),
    }
    let amount = quantity(field)?;
    if amount.is_negative() {
        field.invalid_as(amount.to_string(), NOT_NEGATIVE);
    }
    if resource_name::is_whole(name) && !amount.is_whole() {
        field.invalid_as(amount.to_string(), "must be an integer");
    }
    Some(amount)
}

/// The quantity, where there is one; says so where it is not readable.
pub(in crate::validation) fn quantity(field: &Field<'_>) -> Option<Quantity> {
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
