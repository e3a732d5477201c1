use serde_json::{Value, json};

use super::*;

/// Lets admins do everything.
#[derive(Debug)]
struct Admins;

impl Authorize for Admins {
    fn authorize(&self, question: &Question) -> Answer {
        let asked = format!(
            "{}:{}:{}/{}:{}",
            question.verb, question.group, question.namespace, question.resource, question.path
        );
        let allowed = question.account.as_ref().is_some_and(|(_, name)| name == "admin");
        Answer { allowed, reason: asked }
    }
}

const NOTHING: &Value = &Value::Null;

fn with<'i>(object: &'i Value, request: &'i Value, params: &'i Value) -> Inputs<'i> {
    let resource = Question {
        group: "apps".to_owned(),
        resource: "deployments".to_owned(),
        namespace: "n".to_owned(),
        ..Question::default()
    };
    let authorizer = Arc::new(Admins);
    Inputs {
        object,
        old_object: NOTHING,
        request,
        namespace: NOTHING,
        params,
        authorizer,
        resource,
    }
}

fn decide(spec: Value, object: Value) -> Vec<Decision> {
    let request = json!({"operation": "CREATE", "name": "d", "userInfo": {"username": "u"}});
    let params = json!({"max": 3});
    Expressions::compile(&spec).validate(&with(&object, &request, &params))
}

fn deny(message: &str) -> Decision {
    Decision::Deny { message: message.to_owned(), reason: String::new() }
}

#[track_caller]
fn check(expression: &str, expected: &str) {
    let spec = json!({"paramKind": {}, "validations": [{"expression": expression}]});
    let shown = match decide(spec, json!({"spec": {"replicas": 2}})).remove(0) {
        Decision::Admit => "yes".to_owned(),
        Decision::Deny { message, .. } => message,
        Decision::Error(why) => why,
    };
    assert_eq!(shown, expected);
}

#[test]
fn a_validation_sees_the_write() {
    check("object.spec.replicas <= params.max", "yes");
    check("oldObject == null && namespaceObject == null", "yes");
    check("request.operation == 'CREATE' && request.userInfo.username == 'u'", "yes");
    check("object.spec.replicas > 5", "failed expression: object.spec.replicas > 5");
    check(
        "object.spec.none > 5",
        "expression 'object.spec.none > 5' resulted in error: no such key: none",
    );
    check(
        "object.spec.replicas >",
        "compilation error: compilation failed: ERROR: <input>:1:23: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | object.spec.replicas >\n | ......................^",
    );
}

#[test]
fn a_validation_asks_about_access() {
    check("!authorizer.group('apps').resource('deployments').check('get').allowed()", "yes");
    check("authorizer.serviceAccount('n', 'admin').path('/healthz').check('get').allowed()", "yes");
    check(
        "authorizer.requestResource.check('custom').reason() == 'custom:apps:n/deployments:'",
        "yes",
    );
    check(
        "authorizer.requestResource.check('get').errored()",
        "failed expression: authorizer.requestResource.check('get').errored()",
    );
}

#[test]
fn variables_are_evaluated_once_and_use_one_another() {
    let spec = json!({
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "odd", "expression": "variables.replicas % 2 == 1"},
            {"name": "wrong", "expression": "object.none"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.odd"},
            {"expression": "variables.wrong == 1"},
        ],
    });
    let found = decide(spec.clone(), json!({"spec": {"replicas": 3}}));
    let why = "expression 'variables.wrong == 1' resulted in error: composited variable \"wrong\" fails to evaluate: no such key: none";
    assert_eq!(found, [Decision::Admit, Decision::Admit, Decision::Error(why.to_owned())]);
    let found = decide(spec, json!({"spec": {"replicas": 2}}));
    assert_eq!(found[..2], [Decision::Admit, deny("failed expression: variables.odd")]);
}

#[test]
fn the_message_is_made_given_or_the_expression() {
    let said = |validation: Value| decide(json!({"validations": [validation]}), json!({"n": 1}));
    let text = "'n is ' + string(object.n)";
    let made = said(json!({"expression": "false", "messageExpression": text, "message": "no"}));
    assert_eq!(made, [deny("n is 1")]);
    // A number cannot be added to a text.
    let failing = "'n is ' + object.n";
    let given = said(json!({"expression": "false", "messageExpression": failing, "message": "no"}));
    assert_eq!(given, [deny("no")]);
    let plain = said(json!({"expression": "object.n == 2", "reason": "Forbidden"}));
    let (message, reason) = ("failed expression: object.n == 2".to_owned(), "Forbidden".to_owned());
    assert_eq!(plain, [Decision::Deny { message, reason }]);
}

#[test]
fn what_costs_too_much_is_ended() {
    let long: Vec<u32> = (0..2_000).collect();
    let spec = json!({"validations": [{"expression":
        "object.list.all(x, object.list.all(y, object.list.all(z, x + y + z < 100000)))"}]});
    let found = decide(spec, json!({ "list": long }));
    let [Decision::Error(why)] = found.as_slice() else { panic!("{found:?}") };
    assert!(why.ends_with("operation cancelled: actual cost limit exceeded"), "{why}");
}

#[test]
fn one_false_condition_decides() {
    let hold = |conditions: &[&str]| {
        let list: Vec<Value> =
            conditions.iter().map(|expression| json!({"expression": expression})).collect();
        let object = json!({"a": 1});
        Conditions::compile(&json!(list), false).hold(&with(&object, NOTHING, NOTHING))
    };
    assert_eq!(hold(&[]), Ok(true));
    assert_eq!(hold(&["object.a == 1", "true"]), Ok(true));
    assert_eq!(hold(&["object.b == 1", "false"]), Ok(false));
    let why = "expression 'object.b == 1' resulted in error: no such key: b".to_owned();
    assert_eq!(hold(&["object.b == 1", "true"]), Err(why));
}

#[test]
fn annotations_are_texts_or_nothing() {
    let spec = json!({"auditAnnotations": [
        {"key": "a", "valueExpression": "'is ' + string(object.n)"},
        {"key": "b", "valueExpression": "null"},
        {"key": "c", "valueExpression": "'  '"},
    ]});
    let object = json!({"n": 1});
    let compiled = Expressions::compile(&spec);
    let found = compiled.annotations(&with(&object, NOTHING, NOTHING));
    assert_eq!(found, [("a", Ok("is 1".to_owned()))]);
}

fn mutate(mutation: Value, object: Value) -> std::result::Result<Patch, String> {
    let spec = json!({"mutations": [mutation]});
    Expressions::compile(&spec).mutate(0, &with(&object, NOTHING, NOTHING))
}

#[test]
fn a_mutation_makes_a_configuration_or_a_patch() {
    let object = json!({"metadata": {"name": "x"}});
    let text = "Object{metadata: Object.metadata{labels: {'of': object.metadata.name}}}";
    let made = mutate(
        json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}),
        object.clone(),
    );
    let expected = json!({"metadata": {"labels": {"of": "x"}}});
    assert_eq!(made, Ok(Patch::Configuration(expected)));
    let text = "[JSONPatch{op: 'test', path: '/metadata/name', value: 'x'}, \
        JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), \
        value: Object.metadata{name: 'n'}}]";
    let made = mutate(json!({"patchType": "JSONPatch", "jsonPatch": {"expression": text}}), object);
    let expected = json!([{"op": "test", "path": "/metadata/name", "value": "x"},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": {"name": "n"}}]);
    assert_eq!(made, Ok(Patch::Operations(expected)));
}

#[test]
fn types_tell_what_is_wrong_beforehand() {
    let gvk = crate::Gvk::new("apps", "v1", "Deployment");
    let typed = [Typed::new(gvk.clone(), &crate::schema::of(&gvk).unwrap())];
    let check = |validation: Value, expected: &[(&str, &str)]| {
        let spec = json!({"validations": [validation]});
        let found = warnings(&spec, &typed, None);
        let found: Vec<_> = found.iter().map(|w| (w.field.as_str(), w.text.as_str())).collect();
        assert_eq!(found, expected);
    };
    check(json!({"expression": "object.spec.replicas > 1"}), &[]);
    check(json!({"expression": "object.metadata.labels['a'] == 'b'"}), &[]);
    check(
        json!({"expression": "object.spec.replicas > '1'",
            "messageExpression": "'wants more, got ' + object.spec.replicas"}),
        &[
            (
                "spec.validations[0].expression",
                "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n",
            ),
            (
                "spec.validations[0].messageExpression",
                "apps/v1, Kind=Deployment: ERROR: <input>:1:20: found no matching overload for '_+_' applied to '(string, int)'\n | 'wants more, got ' + object.spec.replicas\n | ...................^\n",
            ),
        ],
    );
    check(
        json!({"expression": "object.spec.maxRetries < 10"}),
        &[(
            "spec.validations[0].expression",
            "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'maxRetries'\n | object.spec.maxRetries < 10\n | ...........^\n",
        )],
    );
}
