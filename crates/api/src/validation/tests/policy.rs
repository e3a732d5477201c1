use serde_json::{Value, json};

use super::check;

const VALIDATING: &str = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy";
const MUTATING: &str = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy";
const BINDING: &str = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding";

fn spec() -> Value {
    let rule = json!({"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"],
        "resources": ["deployments"], "scope": "*"});
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", "namespaceSelector": {},
            "objectSelector": {}, "resourceRules": [rule]},
    })
}

#[track_caller]
fn check_spec(kind: &str, more: Value, expected: &[&str]) {
    let mut spec = spec();
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    check(kind, json!({"metadata": {"name": "p.example.com"}, "spec": spec}), expected);
}

#[track_caller]
fn check_validation(validation: Value, expected: &[&str]) {
    check_spec(VALIDATING, json!({"validations": [validation]}), expected);
}

#[test]
fn a_policy_says_what_it_is_about_and_what_must_hold() {
    check_validation(json!({"expression": "object.spec.replicas > 1"}), &[]);
    let nothing = [
        "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ];
    check_spec(VALIDATING, json!({}), &nothing);
    let more = json!({"matchConstraints": null, "validations": [{"expression": "true"}]});
    check_spec(VALIDATING, more, &["spec.matchConstraints: Required value"]);
    let more =
        json!({"paramKind": {"apiVersion": "a/b/c"}, "validations": [{"expression": "true"}]});
    let expected = [
        "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
        "spec.paramKind.kind: Required value",
    ];
    check_spec(VALIDATING, more, &expected);
}

#[test]
fn expressions_must_compile_and_be_what_they_are_for() {
    let field = "spec.validations[0].expression";
    let wrong = format!(
        "{field}: Invalid value: \"object.x ==\": compilation failed: ERROR: <input>:1:12: Syntax error: mismatched input '<EOF>' expecting {{'[', '{{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}}\n | object.x ==\n | ...........^"
    );
    check_validation(json!({"expression": "object.x =="}), &[&wrong]);
    let number = format!("{field}: Invalid value: \"1\": must evaluate to bool but got int");
    check_validation(json!({"expression": "1"}), &[&number]);
    let params = format!(
        "{field}: Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^"
    );
    check_validation(json!({"expression": "params.x == 1"}), &[&params]);
    check_validation(
        json!({"expression": " "}),
        &["spec.validations[0].expression: Required value: expression is not specified"],
    );
    check_validation(
        json!({"expression": "true", "message": "a\nb", "reason": "Gone"}),
        &[
            "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line breaks",
            "spec.validations[0].reason: Unsupported value: \"Gone\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"",
        ],
    );
    check_validation(
        json!({"expression": "true", "messageExpression": "1"}),
        &[
            "spec.validations[0].messageExpression: Invalid value: \"1\": must evaluate to string but got int",
        ],
    );
}

#[test]
fn variables_have_names_and_are_seen_by_what_comes_later() {
    let with = |variables: Value| json!({"variables": variables, "validations": [{"expression": "variables.a > 1"}]});
    let good =
        json!([{"name": "b", "expression": "1"}, {"name": "a", "expression": "variables.b"}]);
    check_spec(VALIDATING, with(good), &[]);
    let bad =
        json!([{"name": "a", "expression": "2"}, {"name": "in", "expression": "variables.c"}]);
    check_spec(
        VALIDATING,
        with(bad),
        &[
            "spec.variables[1].name: Invalid value: \"in\": name is not a valid CEL identifier",
            "spec.variables[1].expression: Invalid value: \"variables.c\": compilation failed: ERROR: <input>:1:10: undefined field 'c'\n | variables.c\n | .........^",
        ],
    );
}

#[test]
fn no_policy_takes_forever_to_compile() {
    let many = vec![json!({"expression": "true"}); 1_001];
    let too_many = "spec.validations: Too many: 1001: must have at most 1000 items";
    check_spec(VALIDATING, json!({ "validations": many }), &[too_many]);
}

#[test]
fn annotations_have_keys_of_their_own() {
    let annotation = |key: &str, value: &str| json!({"key": key, "valueExpression": value});
    let more = json!({"auditAnnotations": [annotation("a", "'x'"), annotation("a", "1")]});
    check_spec(
        VALIDATING,
        more,
        &[
            "spec.auditAnnotations[1].valueExpression: Invalid value: \"1\": must evaluate to one of [string null_type] but got int",
            "spec.auditAnnotations[1].key: Duplicate value: \"a\"",
        ],
    );
}

#[test]
fn a_mutation_is_of_one_kind() {
    let check_mutation = |mutation: Value, expected: &[&str]| {
        let more = json!({"reinvocationPolicy": "Never", "mutations": [mutation]});
        check_spec(MUTATING, more, expected);
    };
    let apply = |text: &str| json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}});
    check_mutation(apply("Object{spec: Object.spec{replicas: 3}}"), &[]);
    check_mutation(
        apply("1"),
        &[
            "spec.mutations[0].applyConfiguration.expression: Invalid value: \"1\": must evaluate to Object but got int",
        ],
    );
    let patch = json!({"patchType": "JSONPatch", "jsonPatch": {"expression":
        "[JSONPatch{op: 'add', path: '/a', value: 1}]"}, "applyConfiguration": {"expression": "1"}});
    check_mutation(
        patch,
        &[
            "spec.mutations[0].applyConfiguration: Invalid value: \"{applyConfiguration}\": must not be specified when patchType is JSONPatch",
        ],
    );
    check_spec(
        MUTATING,
        json!({}),
        &[
            "spec.mutations: Required value: mutations must contain at least one item",
            "spec.reinvocationPolicy: Required value",
        ],
    );
}

#[test]
fn a_binding_names_a_policy_its_parameters_and_what_comes_of_it() {
    let check_binding = |spec: Value, expected: &[&str]| {
        check(BINDING, json!({"metadata": {"name": "b"}, "spec": spec}), expected);
    };
    check_binding(json!({"policyName": "p", "validationActions": ["Deny"]}), &[]);
    check_binding(
        json!({"paramRef": {"name": "a", "selector": {}}}),
        &[
            "spec.policyName: Required value",
            "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.parameterNotFoundAction: Required value",
            "spec.validationActions: Required value: at least one validation action is required",
        ],
    );
    let both = "spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
    check_binding(json!({"policyName": "p", "validationActions": ["Deny", "Warn"]}), &[both]);
}
