//! FlowSchemas and PriorityLevelConfigurations.

use super::field::Field;
use crate::names;

const PRECEDENCE_MAX: i64 = 10_000;
const EXEMPT: &str = "exempt";
const ANY: &str = "*";
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// The bits of a request's hash, of which a hand of queues is dealt.
const HASH_BITS: f64 = 60.0;

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
    subjects.items().for_each(|subject| self::subject(&subject));
    let (resources, others) = (rule.at("resourceRules"), rule.at("nonResourceRules"));
    if resources.is_empty() && others.is_empty() {
        rule.required("at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    resources.items().for_each(|rule| of_resources(&rule));
    for rule in others.items() {
        verbs(&rule.at("verbs"));
        paths(&rule.at("nonResourceURLs"));
    }
}

/// One of three kinds of callers, named in the field of its kind.
fn subject(subject: &Field<'_>) {
    const KINDS: [(&str, &str); 3] =
        [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];
    let kind = subject.at("kind");
    let Some((name, field)) = KINDS.into_iter().find(|(name, _)| *name == kind.text()) else {
        return kind.unsupported(&["Group", "ServiceAccount", "User"]);
    };
    let given = subject.at(field);
    match given.is_some() {
        false => given.required(format!("{field} is required when subject kind is '{name}'")),
        true => given.at("name").must_be_given(),
    }
    if given.is_some() && field == "serviceAccount" {
        account(&given);
    }
    for (name, other) in KINDS.into_iter().filter(|(other, _)| *other != kind.text()) {
        if subject.at(other).is_some() {
            subject
                .at(other)
                .forbidden(format!("{other} is forbidden when subject kind is not '{name}'"));
        }
    }
}

fn account(account: &Field<'_>) {
    let (name, namespace) = (account.at("name"), account.at("namespace"));
    if !name.is_empty() && name.text() != ANY {
        name.well_formed(names::dns_subdomain);
    }
    match namespace.is_empty() {
        true => namespace.required("must specify namespace for service account"),
        false => namespace.well_formed(names::dns_label),
    }
}

fn has_any(list: &Field<'_>) -> bool {
    list.items().any(|item| item.text() == ANY)
}

fn verbs(verbs: &Field<'_>) {
    if verbs.is_empty() {
        verbs.required("verbs must contain at least one value");
    } else if has_any(verbs) {
        if verbs.len() > 1 {
            verbs.invalid("if '*' is present, must not specify other verbs");
        }
    } else if !verbs.items().all(|verb| VERBS.contains(&verb.text())) {
        verbs.unsupported(&VERBS);
    }
}

fn of_resources(rule: &Field<'_>) {
    verbs(&rule.at("verbs"));
    for (field, one, others) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        let list = rule.at(field);
        if list.is_empty() {
            list.required(format!("resource rules must supply at least one {one}"));
        } else if list.len() > 1 && has_any(&list) {
            list.invalid(format!("if '*' is present, must not specify other {others}"));
        }
    }
    let namespaces = rule.at("namespaces");
    if namespaces.is_empty() && !rule.at("clusterScope").flag() {
        namespaces.required(
            "resource rules that are not cluster scoped must supply at least one namespace",
        );
    } else if has_any(&namespaces) {
        if namespaces.len() > 1 {
            namespaces.invalid("if '*' is present, must not specify other namespaces");
        }
    } else {
        for namespace in namespaces.items() {
            for problem in names::dns_label(namespace.text()) {
                namespace.invalid_text(format!(
                    "each member of this list must be '*' or a DNS-1123 label; {problem}"
                ));
            }
        }
    }
}

fn paths(paths: &Field<'_>) {
    if paths.is_empty() {
        return paths.required("nonResourceURLs must contain at least one value");
    }
    if has_any(paths) {
        if paths.len() > 1 {
            paths.invalid("if '*' is present, must not specify other non-resource URLs");
        }
        return;
    }
    for path in paths.items() {
        if let Some(problem) = path_problem(path.text()) {
            path.invalid_text(problem);
        }
    }
}

fn path_problem(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !path.starts_with('/') => Some("must start with slash"),
        _ if path.contains(' ') => Some("must not contain white-space"),
        _ if path.contains("//") => Some("must not contain double slash"),
        _ => match path.matches(ANY).count() {
            0 => None,
            1 if path.ends_with("/*") => None,
            _ => Some("wildcard can only do suffix matching"),
        },
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
    for field in ["queueLengthLimit", "queues"] {
        if queuing.at(field).number() <= 0 {
            queuing.at(field).invalid_number("must be positive");
        }
    }
    let (queues, hand) = (queuing.at("queues"), queuing.at("handSize"));
    if queues.number() > QUEUES_MAX {
        queues.invalid(format!("must not be greater than {QUEUES_MAX}"));
    }
    let (deck, size) = (queues.number(), hand.number());
    if size <= 0 {
        hand.invalid_number("must be positive");
    } else if size > deck {
        hand.invalid(format!("should not be greater than queues ({deck})"));
    } else if deals_too_much(deck, size) {
        hand.invalid(format!(
            "required entropy bits of deckSize {deck} and handSize {size} should not be greater \
             than {HASH_BITS}"
        ));
    }
}

/// Does it take more bits than a hash has to deal hands of `size`? As upstream reckons them.
fn deals_too_much(deck: i64, size: i64) -> bool {
    let number = |number: i64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    (number(deck).log2() * number(size)).ceil() > HASH_BITS
}
