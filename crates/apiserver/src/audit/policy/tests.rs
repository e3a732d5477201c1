use http::Method;

use super::*;

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

fn policy(rest: &str) -> Policy {
    Policy::parse("policy.yaml", &format!("{HEAD}{rest}")).unwrap()
}

/// What a policy says of `METHOD path` by ann of the group people.
#[track_caller]
fn check(policy: &Policy, request: &str, expected: Option<Level>) {
    let (method, uri) = request.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let asked = Attributes::of(&method, &uri.parse().unwrap());
    let user = UserInfo::new("ann", ["people"]);
    let plan = policy.plan(Some(&user), &asked);
    assert_eq!(plan.map(|plan| plan.level), expected, "{request}");
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let error = Policy::parse("policy.yaml", text).unwrap_err().to_string();
    for part in expected {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = policy(
        "rules:\n\
         - {level: None, users: [bob]}\n\
         - {level: Request, userGroups: [people], verbs: [delete, create]}\n\
         - {level: None, nonResourceURLs: [/healthz*, /version]}\n\
         - {level: RequestResponse, namespaces: [a]}\n\
         - {level: Metadata, resources: [{group: apps, resources: [deployments]}]}\n",
    );
    check(&policy, "POST /api/v1/namespaces/a/pods", Some(Level::Request));
    check(&policy, "GET /api/v1/namespaces/a/pods", Some(Level::RequestResponse));
    check(&policy, "GET /version", None);
    check(&policy, "GET /healthz/ping", None);
    check(&policy, "GET /apis/apps/v1/deployments", Some(Level::Metadata));
    check(&policy, "GET /api/v1/deployments", None);
    check(&policy, "GET /api/v1/nodes", None);
}

#[test]
fn resources_are_meant_with_or_without_their_subresources() {
    let one = |resource: &str| {
        policy(&format!(
            "rules: [{{level: Metadata, resources: [{{resources: [{resource:?}], resourceNames: [p, \"\"]}}]}}]"
        ))
    };
    let (pods, log) = ("GET /api/v1/namespaces/a/pods/p", "GET /api/v1/namespaces/a/pods/p/log");
    let cases = [("pods", true, false), ("pods/log", false, true), ("pods/*", true, true)];
    for (resource, is_pod, is_log) in cases.into_iter().chain([
        ("*", true, true),
        ("*/log", false, true),
        ("nodes", false, false),
    ]) {
        check(&one(resource), pods, is_pod.then_some(Level::Metadata));
        check(&one(resource), log, is_log.then_some(Level::Metadata));
    }
    check(&one("pods"), "GET /api/v1/namespaces/a/pods/other", None);
}

#[test]
fn stages_are_left_out_by_the_policy_and_by_the_rule() {
    let policy = policy(
        "omitStages: [RequestReceived]\nomitManagedFields: true\n\
         rules: [{level: Metadata, omitStages: [Panic], verbs: [get]}, {level: Metadata, omitManagedFields: false}]\n",
    );
    let plan = |uri: &str| {
        policy.plan(None, &Attributes::of(&Method::GET, &uri.parse().unwrap())).unwrap()
    };
    let first = plan("/api/v1/nodes/n");
    let omitted: Vec<_> = Stage::ALL.into_iter().filter(|stage| first.omits(*stage)).collect();
    assert_eq!(omitted, [Stage::RequestReceived, Stage::Panic]);
    assert!(first.omit_managed_fields);
    let second = plan("/api/v1/nodes");
    assert!(!second.omits(Stage::Panic) && !second.omit_managed_fields);
}

#[test]
fn a_wrong_policy_is_told_by_its_line_or_its_field() {
    check_refused("rules: [", &["policy.yaml", "line"]);
    check_refused(
        &format!("{HEAD}rules:\n- level: None\n  user: [a]\n"),
        &["unknown field", "user", "line 5"],
    );
    check_refused(HEAD, &["rules: loaded illegal policy with 0 rules"]);
    check_refused(
        "kind: Policy\nrules: [{level: None}]",
        &["must be audit.k8s.io/v1, Kind=Policy"],
    );
    check_refused(
        &format!(
            "{HEAD}omitStages: [Begin]\nrules:\n- level: Some\n- nonResourceURLs: [a, /b*c]\n  namespaces: [x]\n  level: None\n- {{}}\n\
             - {{level: None, resources: [{{group: a/b, resourceNames: [x]}}]}}\n"
        ),
        &[
            "omitStages[0]: Invalid value: \"Begin\": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic",
            "rules[0].level: Unsupported value: \"Some\": supported values: \"None\", \"Metadata\", \"Request\", \"RequestResponse\"",
            "rules[1].nonResourceURLs[0]: Invalid value: \"a\": non-resource URL rules must begin with a '/' character",
            "rules[1].nonResourceURLs[1]: Invalid value: \"/b*c\": non-resource URL wildcards '*' must be the final character of the rule",
            "rules cannot apply to both regular resources and non-resource URLs",
            "rules[2].level: Required value",
            "rules[3].resources.group: Invalid value: \"a/b\"",
            "using resourceNames requires at least one resource",
        ],
    );
}
