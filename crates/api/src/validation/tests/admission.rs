use serde_json::{Value, json};

use super::check;

const KIND: &str = "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration";

fn hook() -> Value {
    json!({
        "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "n", "name": "s", "path": "/x"}},
        "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    })
}

#[track_caller]
fn check_hook(pointer: &str, value: Value, expected: &[&str]) {
    let mut hook = hook();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    hook.pointer_mut(parent).unwrap()[field] = value;
    check(KIND, json!({"metadata": {"name": "c"}, "webhooks": [hook]}), expected);
}

#[test]
fn a_webhook_says_who_it_is_and_how_it_fails() {
    check_hook("/name", json!("a.example.com"), &[]);
    let few = "webhooks[0].name: Invalid value: \"short\": should be a domain with at least three segments separated by dots";
    check_hook("/name", json!("short"), &[few]);
    let policy = "webhooks[0].failurePolicy: Unsupported value: \"Perhaps\": supported values: \"Fail\", \"Ignore\"";
    check_hook("/failurePolicy", json!("Perhaps"), &[policy]);
    let effects = "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"";
    check_hook("/sideEffects", json!("Some"), &[effects]);
    let timeout = "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds";
    check_hook("/timeoutSeconds", json!(31), &[timeout]);
    let versions = "webhooks[0].admissionReviewVersions: Invalid value: [\"v2\"]: must include at least one of v1, v1beta1";
    check_hook("/admissionReviewVersions", json!(["v2"]), &[versions]);
    let condition = |expression: &str| json!([{"name": "a", "expression": expression}]);
    check_hook("/matchConditions", condition("object.metadata.name == 'a'"), &[]);
    let number = "webhooks[0].matchConditions[0].expression: Invalid value: \"1\": must evaluate to bool but got int";
    check_hook("/matchConditions", condition("1"), &[number]);
    let params = "webhooks[0].matchConditions[0].expression: Invalid value: \"params.x\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^";
    check_hook("/matchConditions", condition("params.x"), &[params]);
}

#[test]
fn a_webhook_is_called_by_url_or_service() {
    let one = "webhooks[0].clientConfig: Required value: exactly one of url or service is required";
    check_hook("/clientConfig/url", json!("https://h"), &[one]);
    check_hook("/clientConfig", json!({"url": "https://h/p"}), &[]);
    let scheme = "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]";
    check_hook("/clientConfig", json!({"url": "http://h"}), &[scheme]);
    let path = "webhooks[0].clientConfig.service.path: Invalid value: \"x\": must start with a '/'";
    check_hook("/clientConfig/service/path", json!("x"), &[path]);
}

#[test]
fn wildcards_of_a_rule_stand_alone() {
    let all = "webhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources";
    check_hook("/rules/0/resources", json!(["*", "pods"]), &[all]);
    check_hook("/rules/0/resources", json!(["*", "pods/status"]), &[]);
    let below = "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log";
    check_hook("/rules/0/resources", json!(["pods/*", "pods/log"]), &[below]);
    let operations = "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations";
    check_hook("/rules/0/operations", json!(["*", "CREATE"]), &[operations]);
}
