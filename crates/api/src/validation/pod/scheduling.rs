//! What says where a pod may run.

use super::Seen;
use crate::names;
use crate::validation::field::Field;
use crate::validation::{metadata, selector};

/// Tolerations, spread, gates and affinity.
pub(super) fn check(spec: &Field<'_>) {
    spec.at("tolerations").items().for_each(|toleration| self::toleration(&toleration));
    spec.at("topologySpreadConstraints").items().for_each(|constraint| spread(&constraint));
    let mut seen = Seen::default();
    for gate in spec.at("schedulingGates").items() {
        let name = gate.at("name");
        // Upstream leaves the name out of the path.
        let gate = gate.showing(name.value);
        gate.well_formed(names::qualified_name);
        seen.check(&gate);
    }
    for gate in spec.at("readinessGates").items() {
        gate.at("conditionType").well_formed(names::qualified_name);
    }
    let affinity = spec.at("affinity");
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
        "Exists" => operator.invalid_as(
            toleration.value.clone(),
            "value must be empty when `operator` is 'Exists'",
        ),
        _ => operator.unsupported(&["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        effect.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

fn spread(constraint: &Field<'_>) {
    let skew = constraint.at("maxSkew");
    if skew.number() <= 0 {
        skew.invalid_number("must be greater than zero");
    }
    topology_key(&constraint.at("topologyKey"));
    constraint.at("whenUnsatisfiable").one_of(&["DoNotSchedule", "ScheduleAnyway"]);
    selector::check(&constraint.at("labelSelector"));
}

fn topology_key(key: &Field<'_>) {
    match key.is_empty() {
        true => key.required("can not be empty"),
        false => metadata::label_key(key, key.text()),
    }
}

fn node_affinity(affinity: &Field<'_>) {
    let required = affinity.at("requiredDuringSchedulingIgnoredDuringExecution");
    let terms = required.at("nodeSelectorTerms");
    if required.is_some() && terms.is_empty() {
        terms.required("must have at least one node selector term");
    }
    terms.items().for_each(|term| node_term(&term));
    for preferred in affinity.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
        weight(&preferred.at("weight"));
        node_term(&preferred.at("preference"));
    }
}

fn node_term(term: &Field<'_>) {
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
    selector::check(&term.at("labelSelector"));
    selector::check(&term.at("namespaceSelector"));
    topology_key(&term.at("topologyKey"));
}

fn weight(weight: &Field<'_>) {
    if !(1..=100).contains(&weight.number()) {
        weight.invalid_number("must be in the range 1-100");
    }
}
