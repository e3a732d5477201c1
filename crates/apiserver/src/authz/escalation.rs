//! Nobody gives what he has not: the rules of a role that is written, and of a role that is bound,
//! must be the writer's own, unless he may `escalate` or `bind`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use api::status::{Resource, Status};
use serde_json::Value;

use super::index::RoleRef;
use super::rule::{Part, quoted};
use super::{Attributes, Authorizer, GROUP, Rule, index};
use crate::error::{ApiError, ApiResult};
use crate::object::meta;
use crate::user::{MASTERS, UserInfo};

/// A role whose rules come to more single permissions than this is not compared.
const PARTS_MAX: usize = 100_000;

/// Who writes a role or binding, and where.
pub(crate) struct Writer<'a> {
    pub(crate) authorizer: &'a dyn Authorizer,
    pub(crate) user: &'a UserInfo,
    /// The resource that is written: `roles`, `clusterrolebindings`.
    pub(crate) plural: &'a str,
    /// The namespace of the request, or empty.
    pub(crate) namespace: &'a str,
    /// The name in the request's path; empty in a creation.
    pub(crate) name: &'a str,
}

impl Writer<'_> {
    fn may(&self, verb: &str, resource: &str, name: &str) -> bool {
        let attributes = Attributes {
            user: self.user,
            verb,
            group: GROUP,
            resource,
            subresource: "",
            namespace: self.namespace,
            name,
            path: "",
            fields: &[],
        };
        self.authorizer.authorize(&attributes).is_allowed()
    }

    fn forbidden(&self, object: &Value, why: &str) -> ApiError {
        let resource = Resource::new(GROUP, self.plural);
        Status::forbidden(resource, meta(object, "name"), why).into()
    }

    /// Are these rules the writer's own?
    fn check_rules(&self, object: &Value, rules: &[Rule]) -> ApiResult<()> {
        let own = self.authorizer.rules(self.user, self.namespace);
        let missing = missing(&own.rules, rules)
            .ok_or_else(|| self.forbidden(object, "its rules come to too many permissions"))?;
        if missing.is_empty() {
            return Ok(());
        }
        let described: BTreeSet<String> =
            compact(missing).iter().map(ToString::to_string).collect();
        let described: Vec<String> = described.into_iter().collect();
        let mut why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            self.user.name,
            quoted(&self.user.groups),
            described.join("\n")
        );
        if !own.error.is_empty() {
            why = format!("{why}; resolution errors: [{}]", own.error);
        }
        Err(self.forbidden(object, &why))
    }
}

/// May this Role or ClusterRole be written? `old` is what it was.
pub(crate) fn check_role(writer: &Writer<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    let free = writer.user.in_group(MASTERS) || writer.may("escalate", writer.plural, writer.name);
    if free || old.is_some_and(|old| only_for_collection(old, new)) {
        return Ok(());
    }
    writer.check_rules(new, &index::rules(new))?;
    let aggregates = |role: &Value| !role["aggregationRule"]["clusterRoleSelectors"].is_null();
    if writer.plural == "clusterroles" && (aggregates(new) || old.is_some_and(aggregates)) {
        let own = writer.authorizer.rules(writer.user, writer.namespace);
        if missing(&own.rules, &everything()).is_none_or(|missing| !missing.is_empty()) {
            let why = "must have cluster-admin privileges to use the aggregationRule";
            return Err(writer.forbidden(new, why));
        }
    }
    Ok(())
}

/// May this binding be written?
pub(crate) fn check_binding(
    writer: &Writer<'_>,
    old: Option<&Value>,
    new: &Value,
) -> ApiResult<()> {
    if writer.user.in_group(MASTERS) || old.is_some_and(|old| only_for_collection(old, new)) {
        return Ok(());
    }
    let role = index::role_ref(new);
    let resource = if role.cluster { "clusterroles" } else { "roles" };
    if writer.may("bind", resource, &role.name) {
        return Ok(());
    }
    let RoleRef { cluster, name } = &role;
    let found = writer.authorizer.role((!cluster).then_some(writer.namespace), name);
    let rules = found.ok_or_else(|| no_role(&role))?;
    writer.check_rules(new, &rules)
}

fn no_role(role: &RoleRef) -> ApiError {
    let plural = if role.cluster { "clusterroles" } else { "roles" };
    Status::not_found(Resource::new(GROUP, plural), &role.name).into()
}

/// Does the change only let the object go, as garbage collection does?
fn only_for_collection(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
                metadata.remove(field);
            }
        }
        object
    };
    rest(old) == rest(new)
}

fn everything() -> [Rule; 2] {
    let any = || vec!["*".to_owned()];
    [
        Rule { verbs: any(), api_groups: any(), resources: any(), ..Rule::default() },
        Rule { verbs: any(), non_resource_urls: any(), ..Rule::default() },
    ]
}

/// The parts of `wanted` that no rule of `own` covers, each as a rule; `None` when there are too
/// many to look at.
pub(crate) fn missing(own: &[Rule], wanted: &[Rule]) -> Option<Vec<Rule>> {
    let count = wanted.iter().map(Rule::parts_count).fold(0, usize::saturating_add);
    if count > PARTS_MAX {
        return None;
    }
    let mut seen: HashSet<Part<'_>> = HashSet::new();
    let parts = wanted.iter().flat_map(Rule::parts).filter(|part| seen.insert(*part));
    let lacking = parts.filter(|part| !own.iter().any(|rule| rule.covers(part)));
    Some(lacking.map(Part::to_rule).collect())
}

/// Parts that differ by their verb only, together again.
fn compact(parts: Vec<Rule>) -> Vec<Rule> {
    let mut simple: BTreeMap<(String, String), Rule> = BTreeMap::new();
    let mut others = Vec::new();
    for part in parts {
        let is_simple = part.resource_names.is_empty() && part.non_resource_urls.is_empty();
        match (part.api_groups.as_slice(), part.resources.as_slice()) {
            ([group], [resource]) if is_simple => {
                let key = (group.clone(), resource.clone());
                match simple.get_mut(&key) {
                    Some(rule) => rule.verbs.extend(part.verbs),
                    None => drop(simple.insert(key, part)),
                }
            }
            _ => others.push(part),
        }
    }
    others.extend(simple.into_values());
    others
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(value: Value) -> Vec<Rule> {
        serde_json::from_value(value).unwrap()
    }

    #[track_caller]
    fn check(own: Value, wanted: Value, expected: &[&str]) {
        let missing = missing(&rules(own), &rules(wanted)).unwrap();
        let shown: Vec<String> = compact(missing).iter().map(ToString::to_string).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_one_has_may_be_spread_over_rules() {
        let own = json!([
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["list"], "apiGroups": [""], "resources": ["*"]},
            {"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]},
            {"verbs": ["get"], "nonResourceURLs": ["/apis/*"]},
        ]);
        let all = json!([
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments/scale"]},
            {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
            {"verbs": ["get"], "nonResourceURLs": ["/apis/apps", "/apis/x/*"]},
        ]);
        check(own.clone(), all, &[]);
        let more = json!([
            {"verbs": ["get", "delete", "watch"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
        ]);
        check(
            own,
            more,
            &[
                r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}"#,
            ],
        );
    }

    #[test]
    fn who_has_one_object_has_not_all_of_them() {
        let one = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}]);
        let all = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]);
        check(all.clone(), one.clone(), &[]);
        check(one, all, &[r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}"#]);
    }

    #[test]
    fn a_star_is_more_than_all_that_one_has() {
        let own = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        let stars = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
        check(own, stars.clone(), &[r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#]);
        check(stars.clone(), stars, &[]);
    }

    #[test]
    fn a_role_that_is_a_bomb_is_not_taken_apart() {
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let bomb = json!([{"verbs": many, "apiGroups": many, "resources": many}]);
        assert_eq!(missing(&[], &rules(bomb)), None);
    }
}
