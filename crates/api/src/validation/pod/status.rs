//! What the node says of a pod: where its containers are, and that what has ended stays so.

use std::collections::BTreeSet;

use serde_json::Value;

use super::update::fixed_annotations;
use crate::validation::address;
use crate::validation::field::Field;
use crate::{names, read};

/// Conditions that are the cluster's own.
const SYSTEM: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];

pub(in crate::validation) fn update(object: &Field<'_>, old: &Value) {
    let (metadata, status, spec) = (object.at("metadata"), object.at("status"), object.at("spec"));
    fixed_annotations(&metadata.at("annotations"), old);
    // Upstream's path.
    let conditions = metadata.at("conditions").showing(status.at("conditions").value);
    for condition in conditions.items() {
        let kind = condition.at("type");
        if !SYSTEM.contains(&kind.text()) {
            condition.at("Type").showing(kind.value).well_formed(names::qualified_name);
        }
    }
    let nominated = status.at("nominatedNodeName");
    let before = read::at(old, &["status", "nominatedNodeName"]);
    if !nominated.is_empty() && nominated.value != before {
        nominated.well_formed(names::dns_subdomain);
    }
    let policy = spec.at("restartPolicy").text();
    for (list, policy) in [
        ("containerStatuses", policy),
        ("initContainerStatuses", policy),
        ("ephemeralContainerStatuses", "Never"),
    ] {
        ended(&status.at(list), read::list(read::at(old, &["status"]), list), policy, &spec);
    }
    claims(&status.at("resourceClaimStatuses"), &spec);
    addresses(&status.at("podIPs"));
    addresses(&status.at("hostIPs"));
}

/// A container that has ended runs again only where it may.
fn ended(statuses: &Field<'_>, old: &[Value], policy: &str, spec: &Field<'_>) {
    if policy == "Always" {
        return;
    }
    for (index, old) in old.iter().enumerate() {
        let end = read::at(old, &["state", "terminated"]);
        let name = read::text(old, "name");
        let failed = read::int(end, "exitCode").unwrap_or_default() != 0;
        let may_restart = (failed && policy == "OnFailure") || restarts(spec, name);
        if end.is_null() || may_restart {
            continue;
        }
        let runs = statuses.items().any(|status| {
            status.at("name").text() == name && !status.at("state").at("terminated").is_some()
        });
        if runs {
            statuses
                .item(index)
                .at("state")
                .forbidden("may not be transitioned to non-terminated state");
        }
    }
}

/// Is it a container that is started again by a rule of its own?
fn restarts(spec: &Field<'_>, name: &str) -> bool {
    let own = |container: &Field<'_>| {
        container.at("restartPolicy").text() == "Always"
            || !container.at("restartPolicyRules").is_empty()
    };
    ["initContainers", "containers"]
        .iter()
        .flat_map(|list| spec.at(list).items())
        .any(|container| container.at("name").text() == name && own(&container))
}

/// Claims that were made for the pod: of those that it speaks of.
fn claims(statuses: &Field<'_>, spec: &Field<'_>) {
    let mut seen = BTreeSet::new();
    for status in statuses.items() {
        let (name, claim) = (status.at("name"), status.at("resourceClaimName"));
        let known =
            spec.at("resourceClaims").items().any(|claim| claim.at("name").text() == name.text());
        if !known {
            name.invalid_text("must match the name of an entry in `spec.resourceClaims`");
        }
        if !seen.insert(name.text()) {
            name.duplicate();
        }
        if claim.is_some() {
            name.showing(claim.value).well_formed(names::dns_subdomain);
        }
    }
}

/// One address of each family.
fn addresses(list: &Field<'_>) {
    for item in list.items() {
        address::ip(&item.showing(item.at("ip").value));
    }
    if list.len() < 2 {
        return;
    }
    let is_new = |item: &Field<'_>| item.at("ip").text().contains(':');
    let new = list.items().filter(is_new).count();
    if list.len() > 2 || new != 1 {
        list.invalid("may specify no more than one IP for each IP family");
    }
    let mut seen = BTreeSet::new();
    for item in list.items() {
        if !seen.insert(item.at("ip").text()) {
            item.duplicate();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::validation::update_status;

    #[track_caller]
    fn check(spec: Value, old: Value, new: Value, expected: &[&str]) {
        let pod = |status: Value| {
            json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec,
            "status": status})
        };
        let errors = update_status(&"v1/Pod".parse().unwrap(), &pod(new), &pod(old));
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    fn container(state: Value) -> Value {
        json!({"containerStatuses": [{"name": "c", "state": state}]})
    }

    #[test]
    fn what_has_ended_stays_so_unless_it_may_run_again() {
        let failed = || container(json!({"terminated": {"exitCode": 1}}));
        let runs = || container(json!({"running": {}}));
        check(json!({"restartPolicy": "Always"}), failed(), runs(), &[]);
        check(json!({"restartPolicy": "OnFailure"}), failed(), runs(), &[]);
        check(
            json!({"restartPolicy": "Never"}),
            failed(),
            runs(),
            &[
                "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
            ],
        );
        let rules = json!([{"action": "Restart"}]);
        check(
            json!({"restartPolicy": "Never", "containers": [{"name": "c", "restartPolicyRules": rules}]}),
            failed(),
            runs(),
            &[],
        );
    }

    #[test]
    fn addresses_are_one_of_each_family() {
        let ips = |ips: &[&str]| {
            let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
            json!({"podIPs": ips})
        };
        check(json!({}), json!({}), ips(&["10.0.0.1", "fd00::1"]), &[]);
        check(
            json!({}),
            json!({}),
            ips(&["10.0.0.1", "10.0.0.1"]),
            &[
                "status.podIPs: Invalid value: [{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.1\"}]: may specify no more than one IP for each IP family",
                "status.podIPs[1]: Duplicate value: {\"ip\":\"10.0.0.1\"}",
            ],
        );
    }

    #[test]
    fn names_in_a_status_are_names() {
        check(
            json!({"resourceClaims": [{"name": "gpu"}]}),
            json!({}),
            json!({"conditions": [{"type": "Ready"}, {"type": "no no"}], "nominatedNodeName": "A",
                "resourceClaimStatuses": [{"name": "cpu"}]}),
            &[
                "metadata.conditions[1].Type: Invalid value: \"no no\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                "status.nominatedNodeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                "status.resourceClaimStatuses[0].name: Invalid value: \"cpu\": must match the name of an entry in `spec.resourceClaims`",
            ],
        );
    }
}
