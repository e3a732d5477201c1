//! FlowSchemas and PriorityLevelConfigurations.

use super::field::Field;
use crate::names;

const PRECEDENCE_MAX: i64 = 10_000;
const EXEMPT: &str = "exempt";

pub(super) fn schema(object: &Field<'_>) {
    let (name, spec) = (object.at("metadata").at("name"), object.at("spec"));
    let precedence = spec.at("matchingPrecedence");
    if precedence.number() <= 0 {
        precedence.invalid_number("must be a positive value");
    }
    if precedence.number() > PRECEDENCE_MAX {
        precedence.invalid(format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence.number() == 1 && name.text() != EXEMPT {
        precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1");
    }
    let method = spec.at("distinguisherMethod");
    if method.is_some() && !["ByNamespace", "ByUser"].contains(&method.at("type").text()) {
        method.unsupported(&["ByNamespace", "ByUser"]);
    }
    let level = spec.at("priorityLevelConfiguration").at("name");
    if level.is_empty() {
        level.required("must reference a priority level");
    } else {
        level.well_formed(names::dns_subdomain);
    }
    spec.at("rules").items().for_each(|rule| self::rule(&rule));
}

fn rule(rule: &Field<'_>) {
    let subjects = rule.at("subjects");
    if subjects.is_empty() {
        subjects.required("subjects must contain at least one value");
    }
    for subject in subjects.items() {
        let kinds = [("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")];
        let kind = subject.at("kind");
        let Some((name, field)) = kinds.into_iter().find(|(name, _)| *name == kind.text()) else {
            kind.unsupported(&["Group", "ServiceAccount", "User"]);
            continue;
        };
        if !subject.at(field).is_some() {
            subject
                .at(field)
                .required(format!("{field} is required when subject kind is '{name}'"));
        } else {
            subject.at(field).at("name").must_be_given();
        }
    }
    let (resources, others) = (rule.at("resourceRules"), rule.at("nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        rule.required("at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for resource in resources.items() {
        for field in ["verbs", "apiGroups", "resources"] {
            filled(&resource.at(field), field);
        }
        if resource.at("namespaces").is_empty() && !resource.at("clusterScope").flag() {
            let why =
                "resource rules that are not cluster scoped must supply at least one namespace";
            resource.at("namespaces").required(why);
        }
    }
    for other in others.items() {
        filled(&other.at("verbs"), "verbs");
        filled(&other.at("nonResourceURLs"), "nonResourceURLs");
    }
}

fn filled(list: &Field<'_>, field: &str) {
    if list.is_empty() {
        list.required(format!("{field} must contain at least one value"));
    }
}

pub(super) fn level(object: &Field<'_>) {
    let (name, spec) = (object.at("metadata").at("name"), object.at("spec"));
    let (kind, limited) = (spec.at("type"), spec.at("limited"));
    if (name.text() == EXEMPT) != (kind.text() == "Exempt") {
        kind.invalid_text("type must be 'Exempt' if and only if name is 'exempt'");
    }
    match kind.text() {
        "Exempt" if limited.is_some() => {
            limited.forbidden("must be nil if the type is not Limited");
        }
        "Exempt" => {}
        "Limited" if spec.at("exempt").is_some() => {
            spec.at("exempt").forbidden("must be nil if the type is Limited");
        }
        "Limited" if !limited.is_some() => {
            limited.required("must not be empty when type is Limited")
        }
        "Limited" => shares(&limited),
        _ => kind.unsupported(&["Exempt", "Limited"]),
    }
}

fn shares(limited: &Field<'_>) {
    let shares = limited.at("nominalConcurrencyShares");
    if shares.number() < 0 {
        shares.invalid("must be a non-negative integer");
    }
    let lendable = limited.at("lendablePercent");
    if !(0..=100).contains(&lendable.number()) {
        lendable.invalid("must be between 0 and 100, inclusive");
    }
    let response = limited.at("limitResponse");
    let queuing = response.at("queuing");
    match response.at("type").text() {
        "Reject" if queuing.is_some() => {
            queuing.forbidden("must be nil if limited.limitResponse.type is not Limited")
        }
        "Reject" => {}
        "Queue" if !queuing.is_some() => {
            queuing.required("must not be empty if limited.limitResponse.type is Limited")
        }
        "Queue" => queues(&queuing),
        _ => response.at("type").unsupported(&["Queue", "Reject"]),
    }
}

fn queues(queuing: &Field<'_>) {
    const QUEUES_MAX: i64 = 10_000_000;
    for field in ["queueLengthLimit", "queues", "handSize"] {
        if queuing.at(field).number() <= 0 {
            queuing.at(field).invalid_number("must be positive");
        }
    }
    let (queues, hand) = (queuing.at("queues"), queuing.at("handSize"));
    if queues.number() > QUEUES_MAX {
        queues.invalid(format!("must not be greater than {QUEUES_MAX}"));
    }
    if hand.number() > queues.number() {
        let why = format!("should not be greater than queues ({})", queues.number());
        hand.invalid(why);
    }
}
