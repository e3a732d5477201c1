use serde_json::{Value, json};

use super::{check, check_update};

const KIND: &str = "scheduling.k8s.io/v1/PriorityClass";

fn class(name: &str, value: i64) -> Value {
    json!({"metadata": {"name": name}, "value": value})
}

#[test]
fn priority_classes() {
    check(KIND, class("high", 1_000_000_000), &[]);
    check(
        KIND,
        class("high", 1_000_000_001),
        &["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    );
    check(KIND, class("system-node-critical", 2_000_001_000), &[]);
    let reserved = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only";
    check(KIND, class("system-node-critical", 5), &[reserved]);
    check(KIND, class("system-mine", 5), &[reserved]);
    let mut odd = class("odd", 1);
    odd["preemptionPolicy"] = "Perhaps".into();
    let unknown = "preemptionPolicy: Unsupported value: \"Perhaps\": supported values: \"PreemptLowerPriority\", \"Never\"";
    check(KIND, odd, &[unknown]);
}

#[test]
fn what_pods_have_copied_does_not_change() {
    let forbidden = "value: Forbidden: may not be changed in an update.";
    check_update(KIND, class("a", 2), class("a", 1), &[forbidden]);
    let mut never = class("a", 1);
    never["preemptionPolicy"] = "Never".into();
    let immutable = "preemptionPolicy: Invalid value: \"Never\": field is immutable";
    check_update(KIND, never, class("a", 1), &[immutable]);
}
