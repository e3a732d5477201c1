//! What says where a pod may run.

use super::Seen;
use crate::names;
use crate::validation::field::Field;
use crate::validation::{metadata, selector};

/// Conditions that a pod waits for, to be ready or to be placed at all.
pub(super) fn gates(spec: &Field<'_>) {
    for gate in spec.at("readinessGates").items() {
        gate.at("conditionType").well_formed(names::qualified_name);
    }
    let mut seen = Seen::default();
    for gate in spec.at("schedulingGates").items() {
        let name = gate.at("name");
        // Upstream leaves the name out of the path.
        let gate = gate.showing(name.value);
        gate.well_formed(names::qualified_name);
        seen.check(&gate);
    }
}

pub(in crate::validation) fn tolerations(list: &Field<'_>) {
    list.items().for_each(|toleration| self::toleration(&toleration));
}

pub(super) fn affinity(affinity: &Field<'_>) {
    node_affinity(&affinity.at("nodeAffinity"));
    for kind in ["podAffinity", "podAntiAffinity"] {
        pod_affinity(&affinity.at(kind));
    }
}

fn toleration(toleration: &Field<'_>) {
    let [key, operator, value, effect] =
        ["key", "operator", "value", "effect"].map(|field| toleration.at(field));
    match key.is_empty() {
        false => metadata::label_key(&key, key.text()),
        true if operator.text() != "Exists" => operator.invalid_text(
            "operator must be Exists when `key` is empty, which means \"match all values and all \
             keys\"",
        ),
        true => {}
    }
    if toleration.at("tolerationSeconds").is_some() && effect.text() != "NoExecute" {
        effect.invalid_text("effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    match operator.text() {
        "" | "Equal" => {
            let problems = names::label_value(value.text());
            if !problems.is_empty() {
                operator.invalid_as(value.text(), problems.join(";"));
            }
        }
        "Exists" if value.is_empty() => {}
        "Exists" => {
            operator.invalid_as(value.text(), "value must be empty when `operator` is 'Exists'");
        }
        _ => operator.unsupported(&["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        effect.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

fn node_affinity(affinity: &Field<'_>) {
    let required = affinity.at("requiredDuringSchedulingIgnoredDuringExecution");
    if required.is_some() {
        node_selector(&required);
    }
    for preferred in affinity.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
        weight(&preferred.at("weight"));
        // What is only preferred may name labels that no node can have.
        node_term(&preferred.at("preference"), false);
    }
}

/// Which nodes will do.
pub(in crate::validation) fn node_selector(selector: &Field<'_>) {
    let terms = selector.at("nodeSelectorTerms");
    if terms.is_empty() {
        return terms.required("must have at least one node selector term");
    }
    terms.items().for_each(|term| node_term(&term, true));
}

fn node_term(term: &Field<'_>, strict: bool) {
    for expression in term.at("matchExpressions").items() {
        let (operator, values) = (expression.at("operator"), expression.at("values"));
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                values.required("must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => values
                .forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
            "Gt" | "Lt" if values.len() != 1 => {
                values.required("must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => operator.invalid_text("not a valid selector operator"),
        }
        let key = expression.at("key");
        metadata::label_key(&key, key.text());
        if strict {
            values.items().for_each(|value| value.well_formed(names::label_value));
        }
    }
    term.at("matchFields").items().for_each(|expression| node_field(&expression));
}

/// Nodes can be told apart by one field, their name.
fn node_field(expression: &Field<'_>) {
    let [key, operator, values] = ["key", "operator", "values"].map(|field| expression.at(field));
    match operator.text() {
        "In" | "NotIn" if values.len() != 1 => values.required(
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
        ),
        "In" | "NotIn" => {}
        _ => operator.invalid_text("not a valid selector operator"),
    }
    match key.text() {
        "metadata.name" => {
            values.items().for_each(|value| value.well_formed(names::dns_subdomain));
        }
        _ => key.invalid_text("not a valid field selector key"),
    }
}

fn pod_affinity(affinity: &Field<'_>) {
    for term in affinity.at("requiredDuringSchedulingIgnoredDuringExecution").items() {
        pod_term(&term);
    }
    for preferred in affinity.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
        weight(&preferred.at("weight"));
        pod_term(&preferred.at("podAffinityTerm"));
    }
}

fn pod_term(term: &Field<'_>) {
    let wanted = term.at("labelSelector");
    selector::check(&wanted);
    selector::check(&term.at("namespaceSelector"));
    for name in term.at("namespaces").items() {
        // Upstream's path.
        term.at("namespace").showing(name.value).well_formed(names::dns_label);
    }
    let [same, different] = ["matchLabelKeys", "mismatchLabelKeys"].map(|field| term.at(field));
    for keys in [&same, &different].into_iter().filter(|keys| !keys.is_empty()) {
        if !wanted.is_some() {
            keys.forbidden("must not be specified when labelSelector is not set");
            continue;
        }
        keys.items().for_each(|key| metadata::label_key(&key, key.text()));
    }
    for key in same.items() {
        if different.items().any(|other| other.text() == key.text()) {
            key.invalid("exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    let key = term.at("topologyKey");
    if key.is_empty() {
        key.required("can not be empty");
    }
    metadata::label_key(&key, key.text());
}

fn weight(weight: &Field<'_>) {
    if !(1..=100).contains(&weight.number()) {
        weight.invalid_number("must be in the range 1-100");
    }
}
