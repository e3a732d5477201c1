//! What becomes of a Job when its pods fail or enough of them succeed.

use std::collections::BTreeSet;

use serde_json::json;

use super::field::Field;
use crate::names;

const RULES_MAX: usize = 20;
const CODES_MAX: usize = 255;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];

/// The policies of a Job's spec.
pub(super) fn check(spec: &Field<'_>) {
    let rules = spec.at("podFailurePolicy").at("rules");
    if rules.len() > RULES_MAX {
        rules.too_many(RULES_MAX);
    }
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| spec.at("template").at("spec").at(list).items())
        .map(|container| container.at("name").text())
        .collect();
    let per_index = spec.at("backoffLimitPerIndex").is_some();
    rules.items().for_each(|rule| failure(&rule, &containers, per_index));
    if spec.at("completionMode").text() == "Indexed" && spec.at("successPolicy").is_some() {
        success(spec);
    }
}

fn failure(rule: &Field<'_>, containers: &BTreeSet<&str>, per_index: bool) {
    let (action, codes, conditions) =
        (rule.at("action"), rule.at("onExitCodes"), rule.at("onPodConditions"));
    match action.text() {
        "" => action.required(format!("valid values: {}", go_list(&ACTIONS))),
        "FailIndex" if !per_index => action.invalid("requires the backoffLimitPerIndex to be set"),
        text if ACTIONS.contains(&text) => {}
        _ => action.unsupported(&ACTIONS),
    }
    if codes.is_some() {
        exit_codes(&codes, containers);
    }
    if conditions.len() > RULES_MAX {
        conditions.too_many(RULES_MAX);
    }
    conditions.items().for_each(|condition| self::condition(&condition));
}

/// As Go prints a list with quotes.
fn go_list(items: &[&str]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn exit_codes(codes: &Field<'_>, containers: &BTreeSet<&str>) {
    const OPERATORS: [&str; 2] = ["In", "NotIn"];
    let [operator, name, values] =
        ["operator", "containerName", "values"].map(|field| codes.at(field));
    if operator.is_empty() {
        operator.required(format!("valid values: {}", go_list(&OPERATORS)));
    } else if !OPERATORS.contains(&operator.text()) {
        operator.unsupported(&OPERATORS);
    }
    if name.is_some() && !containers.contains(name.text()) {
        name.invalid("must be one of the container or initContainer names in the pod template");
    }
    if values.is_empty() {
        values.showing(&json!([])).invalid("at least one value is required");
    } else if values.len() > CODES_MAX {
        values.too_many(CODES_MAX);
    }
    let (mut seen, mut last, mut ordered) = (BTreeSet::new(), i64::MIN, true);
    for value in values.items() {
        let number = value.number();
        if operator.text() == "In" && number == 0 {
            value.invalid("must not be 0 for the In operator");
        }
        if !seen.insert(number) {
            value.duplicate();
        }
        ordered &= last <= number;
        last = number;
    }
    if !ordered {
        values.invalid("must be ordered");
    }
}

fn condition(condition: &Field<'_>) {
    const STATES: [&str; 3] = ["False", "True", "Unknown"];
    condition.at("type").well_formed(names::qualified_name);
    let status = condition.at("status");
    if status.is_empty() {
        status.required(format!("valid values: {}", go_list(&STATES)));
    } else if !STATES.contains(&status.text()) {
        status.unsupported(&STATES);
    }
}

fn success(spec: &Field<'_>) {
    let rules = spec.at("successPolicy").at("rules");
    if rules.is_empty() {
        rules.required("at least one rules must be specified when the successPolicy is specified");
    }
    if rules.len() > RULES_MAX {
        rules.too_many(RULES_MAX);
    }
    let completions = spec.at("completions");
    for rule in rules.items() {
        let (indexes, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
        if !indexes.is_some() && !count.is_some() {
            rule.required("at least one of succeededCount or succeededIndexes must be specified");
        }
        count.not_negative();
        if completions.is_some() && count.number() > completions.number() {
            count.invalid(format!(
                "must be less than or equal to {} (the number of specified completions)",
                completions.number()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validation::create;

    #[track_caller]
    fn check(fields: Value, expected: &[&str]) {
        let mut spec = json!({"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "a", "image": "a:1"}]}}});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut object = json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec});
        let gvk = "batch/v1/Job".parse().unwrap();
        crate::defaults::apply(&gvk, &mut object);
        let errors: Vec<_> = create(&gvk, &object).iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn rules_for_failed_pods() {
        let rule = |rule: Value| json!({"podFailurePolicy": {"rules": [rule]}});
        check(
            rule(json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 2]}})),
            &[],
        );
        check(
            rule(json!({"action": "FailIndex", "onExitCodes": {"operator": "In",
                "containerName": "b", "values": [2, 0]}})),
            &[
                "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
                "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"b\": must be one of the container or initContainer names in the pod template",
                "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0]: must be ordered",
            ],
        );
        check(
            json!({"podFailurePolicy": {"rules": []}, "podReplacementPolicy": "TerminatingOrFailed"}),
            &[
                "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"",
            ],
        );
    }

    #[test]
    fn rules_for_success_need_indexes() {
        let indexed = |rule: Value| {
            json!({"completionMode": "Indexed", "completions": 3,
                "successPolicy": {"rules": [rule]}})
        };
        check(indexed(json!({"succeededCount": 2})), &[]);
        check(
            indexed(json!({"succeededCount": 4})),
            &[
                "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)",
            ],
        );
        check(
            json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}),
            &[
                "spec.successPolicy: Invalid value: {\"rules\":[{\"succeededCount\":1}]}: requires indexed completion mode",
            ],
        );
    }
}
