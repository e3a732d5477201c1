//! The FlowSchemas and PriorityLevelConfigurations that every cluster has. Most are the user's
//! to change; what is missing is made.

use std::sync::Arc;

use api::FieldError;
use api::validation::ErrorKind;
use http::Method;
use serde_json::{Value, json};

use super::{BootstrapError, ask, create, failed};
use crate::server::Shared;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// Name, shares, percent that may be lent; then queues, hand size and queue length, or none.
type Level = (&'static str, u32, u32, Option<(u32, u32, u32)>);
const LEVELS: [Level; 7] = [
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, Some((128, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("system", 30, 33, Some((64, 6, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
];
/// Those of either kind that requests must not be without.
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];
const EVERYBODY: [&str; 2] = ["system:unauthenticated", "system:authenticated"];

/// Is something missing that every cluster has?
pub(crate) fn lacks(found_schemas: &[Value], found_levels: &[Value]) -> bool {
    let among = |found: &[Value], wanted: &Value| {
        found.iter().any(|found| found["metadata"]["name"] == wanted["metadata"]["name"])
    };
    !schemas().iter().all(|wanted| among(found_schemas, wanted))
        || !levels().iter().all(|wanted| among(found_levels, wanted))
}

/// Makes what is missing.
pub(crate) async fn seed(shared: &Arc<Shared>) -> Result<(), BootstrapError> {
    for level in levels() {
        missing(shared, "prioritylevelconfigurations", level).await?;
    }
    for schema in schemas() {
        missing(shared, "flowschemas", schema).await?;
    }
    Ok(())
}

async fn missing(shared: &Arc<Shared>, plural: &str, object: Value) -> Result<(), BootstrapError> {
    let collection = format!("/apis/{GROUP}/v1/{plural}");
    let path = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap_or(""));
    match ask(shared, Method::GET, &path, None).await? {
        (200, _) => Ok(()),
        (404, _) => create(shared, &collection, &object).await,
        (_, answer) => Err(failed(&path, &answer)),
    }
}

/// What is wrong with one that no cluster can be without: these are as they are.
pub(crate) fn problem(group: &str, plural: &str, object: &Value) -> Option<FieldError> {
    let all = match (group, plural) {
        (GROUP, "flowschemas") => schemas(),
        (GROUP, "prioritylevelconfigurations") => levels(),
        _ => return None,
    };
    let name = object["metadata"]["name"].as_str().filter(|name| MANDATORY.contains(name))?;
    let mut fixed = all.into_iter().find(|one| one["metadata"]["name"] == name)?;
    api::defaults::apply(&api::Gvk::of(&fixed)?, &mut fixed);
    // How much the exempt level may lend is the user's.
    let lends = plural != "flowschemas" && name == "exempt";
    let spec = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut().filter(|_| lends) {
            fields.remove("exempt");
        }
        spec
    };
    let but = if lends { "except the 'spec.exempt' field " } else { "" };
    (!api::validation::same(&spec(object), &spec(&fixed))).then(|| FieldError {
        path: "spec".to_owned(),
        kind: ErrorKind::Invalid,
        value: object["spec"].clone(),
        detail: format!("spec of '{name}' {but}must equal the fixed value"),
    })
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "spec": spec,
        "metadata": {"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}},
    })
}

fn levels() -> Vec<Value> {
    let exempt =
        json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}});
    let limited = LEVELS.into_iter().map(|(name, shares, lendable, queuing)| {
        let response = match queuing {
            Some((queues, hand, length)) => json!({"type": "Queue", "queuing":
                {"queues": queues, "handSize": hand, "queueLengthLimit": length}}),
            None => json!({"type": "Reject"}),
        };
        let limited = json!({"nominalConcurrencyShares": shares, "lendablePercent": lendable,
            "limitResponse": response});
        object("PriorityLevelConfiguration", name, json!({"type": "Limited", "limited": limited}))
    });
    limited.chain([object("PriorityLevelConfiguration", "exempt", exempt)]).collect()
}

fn groups(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "Group", "group": {"name": name}})).collect()
}

fn users(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "User", "user": {"name": name}})).collect()
}

fn accounts(names: &[&str]) -> Vec<Value> {
    let account = |name: &&str| json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}});
    names.iter().map(account).collect()
}

/// Requests of these subjects, whatever they are about.
fn all(subjects: Vec<Value>) -> Value {
    json!([{"subjects": subjects,
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
            "clusterScope": true, "namespaces": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}])
}

fn some(subjects: Vec<Value>, resources: Value) -> Value {
    json!([{"subjects": subjects, "resourceRules": resources}])
}

fn leases() -> Value {
    json!([{"verbs": ["get", "create", "update"], "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"], "namespaces": ["*"]}])
}

fn schema(name: &str, level: &str, precedence: u32, by: &str, rules: Value) -> Value {
    let mut spec = json!({"priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence, "rules": rules});
    if !by.is_empty() {
        spec["distinguisherMethod"] = json!({"type": by});
    }
    object("FlowSchema", name, spec)
}

fn schemas() -> Vec<Value> {
    const USER: &str = "ByUser";
    const NAMESPACE: &str = "ByNamespace";
    let [manager, scheduler] = ["system:kube-controller-manager", "system:kube-scheduler"];
    let leaders = [users(&[manager, scheduler]), accounts(&["*"])].concat();
    let endpoints = [
        users(&[manager]),
        accounts(&["endpoint-controller", "endpointslicemirroring-controller"]),
    ]
    .concat();
    let endpoint_rules = json!([{"verbs": ["get", "create", "update"], "apiGroups": [""],
        "resources": ["endpoints"], "namespaces": ["*"]}]);
    let node_rules = json!([
        {"verbs": ["*"], "apiGroups": [""], "resources": ["nodes", "nodes/status"],
            "clusterScope": true, "namespaces": ["*"]},
        {"verbs": ["*"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "namespaces": ["*"]},
    ]);
    let probes = json!([{"subjects": groups(&EVERYBODY), "nonResourceRules":
        [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}]);
    let nodes = || groups(&["system:nodes"]);
    vec![
        schema("exempt", "exempt", 1, "", all(groups(&["system:masters"]))),
        schema("probes", "exempt", 2, "", probes),
        schema("system-leader-election", "leader-election", 100, USER, some(leaders, leases())),
        schema("endpoint-controller", "workload-high", 150, USER, some(endpoints, endpoint_rules)),
        schema(
            "workload-leader-election",
            "leader-election",
            200,
            USER,
            some(accounts(&["*"]), leases()),
        ),
        schema("system-node-high", "node-high", 400, USER, some(nodes(), node_rules)),
        schema("system-nodes", "system", 500, USER, all(nodes())),
        schema("kube-controller-manager", "workload-high", 800, NAMESPACE, all(users(&[manager]))),
        schema("kube-scheduler", "workload-high", 800, NAMESPACE, all(users(&[scheduler]))),
        schema(
            "kube-system-service-accounts",
            "workload-high",
            900,
            NAMESPACE,
            all(accounts(&["*"])),
        ),
        schema(
            "service-accounts",
            "workload-low",
            9000,
            USER,
            all(groups(&["system:serviceaccounts"])),
        ),
        schema("global-default", "global-default", 9900, USER, all(groups(&EVERYBODY))),
        schema("catch-all", "catch-all", 10_000, USER, all(groups(&EVERYBODY))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_cluster_has_is_valid() {
        let gvk = |kind: &str| api::Gvk::new(GROUP, "v1", kind);
        for object in levels().iter().chain(&schemas()) {
            let gvk = gvk(object["kind"].as_str().unwrap());
            let mut object = object.clone();
            api::defaults::apply(&gvk, &mut object);
            assert_eq!(api::validation::create(&gvk, &object), [], "{object}");
        }
    }

    #[test]
    fn what_no_cluster_can_be_without_stays() {
        #[track_caller]
        fn check(plural: &str, name: &str, pointer: &str, expected: Option<&str>) {
            let all = if plural == "flowschemas" { schemas() } else { levels() };
            let mut object = all.into_iter().find(|one| one["metadata"]["name"] == name).unwrap();
            api::defaults::apply(&api::Gvk::of(&object).unwrap(), &mut object);
            assert_eq!(problem(GROUP, plural, &object), None);
            *object.pointer_mut(pointer).unwrap() = json!(7);
            let detail = problem(GROUP, plural, &object).map(|error| error.detail);
            assert_eq!(detail.as_deref(), expected);
        }
        const FIXED: Option<&str> = Some("spec of 'catch-all' must equal the fixed value");
        let (levels, lent) = ("prioritylevelconfigurations", "/spec/exempt/lendablePercent");
        check("flowschemas", "catch-all", "/spec/matchingPrecedence", FIXED);
        check("flowschemas", "probes", "/spec/matchingPrecedence", None);
        check(levels, "catch-all", "/spec/limited/lendablePercent", FIXED);
        check(levels, "exempt", lent, None);
        check(
            levels,
            "exempt",
            "/spec/type",
            Some("spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"),
        );
    }

    #[test]
    fn every_schema_names_a_level_that_is_there() {
        let names: Vec<Value> = levels().iter().map(|l| l["metadata"]["name"].clone()).collect();
        for schema in schemas() {
            assert!(
                names.contains(&schema["spec"]["priorityLevelConfiguration"]["name"]),
                "{schema}"
            );
        }
    }
}
