//! What becomes of a Job when its pods fail or enough of them succeed.

use std::collections::BTreeSet;

use serde_json::json;

use super::field::Field;
use super::job;
use crate::names;

const RULES_MAX: usize = 20;
const CODES_MAX: usize = 255;
const INDEXES_LEN_MAX: usize = 64 * 1024;
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
    let policy = spec.at("successPolicy");
    match spec.at("completionMode").text() {
        _ if !policy.is_some() => {}
        "Indexed" => success(spec),
        _ => policy.invalid("requires indexed completion mode"),
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
    match (codes.is_some(), !conditions.is_empty()) {
        (true, true) => {
            rule.invalid_unshown("specifying both OnExitCodes and OnPodConditions is not supported")
        }
        (false, false) => {
            rule.invalid_unshown("specifying one of OnExitCodes and OnPodConditions is required")
        }
        _ => {}
    }
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
    let completions = spec.at("completions").number();
    rules.items().for_each(|rule| succeeded(&rule, completions));
}

/// Which indexes must succeed, or how many of them.
fn succeeded(rule: &Field<'_>, completions: i64) {
    let (indexes, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
    if !indexes.is_some() && !count.is_some() {
        rule.required("at least one of succeededCount or succeededIndexes must be specified");
    }
    if indexes.text().len() > INDEXES_LEN_MAX {
        indexes.too_long(INDEXES_LEN_MAX);
    }
    let total = job::indexes::total(indexes.text(), completions);
    if let Err(why) = &total {
        indexes.invalid(format!("error parsing succeededIndexes: {why}"));
    }
    count.not_negative();
    if count.number() > completions {
        count.invalid(format!(
            "must be less than or equal to {completions} (the number of specified completions)"
        ));
    }
    let total = total.unwrap_or_default();
    if indexes.is_some() && count.number() > total {
        count.invalid(format!(
            "must be less than or equal to {total} (the number of indexes in the specified \
             succeededIndexes field)"
        ));
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
        spec["manualSelector"] = true.into();
        spec["selector"] = json!({"matchLabels": {"a": "b"}});
        spec["template"]["metadata"] = json!({"labels": {"a": "b"}});
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
