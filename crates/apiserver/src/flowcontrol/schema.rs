//! One FlowSchema: which requests are its, and what tells their flows apart.

use std::sync::Arc;

use serde::Deserialize;

use super::level::LevelId;
use crate::authz::Attributes;
use crate::user::UserInfo;

const ANY: &str = "*";
const ACCOUNT: &str = "system:serviceaccount:";

/// A FlowSchema that has a priority level.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) name: Arc<str>,
    pub(super) uid: Arc<str>,
    pub(super) precedence: i64,
    pub(super) level_name: String,
    pub(super) level: LevelId,
    pub(super) flows: Flows,
    pub(super) rules: Vec<Rules>,
}

/// What makes a flow of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flows {
    /// All requests are one flow.
    One,
    ByUser,
    ByNamespace,
}

/// `PolicyRulesWithSubjects`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rules {
    subjects: Vec<Subject>,
    resource_rules: Vec<ResourceRule>,
    non_resource_rules: Vec<PathRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Subject {
    kind: String,
    user: Named,
    group: Named,
    service_account: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceRule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    cluster_scope: bool,
    namespaces: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PathRule {
    verbs: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    urls: Vec<String>,
}

impl Schema {
    pub(super) fn fits(&self, asked: &Attributes<'_>) -> bool {
        self.rules.iter().any(|rules| rules.fit(asked))
    }

    pub(super) fn distinguisher<'a>(&self, asked: &Attributes<'a>) -> &'a str {
        match self.flows {
            Flows::One => "",
            Flows::ByUser => &asked.user.name,
            Flows::ByNamespace => asked.namespace,
        }
    }
}

impl Rules {
    fn fit(&self, asked: &Attributes<'_>) -> bool {
        let what = match asked.resource.is_empty() {
            true => self.non_resource_rules.iter().any(|rule| rule.fits(asked)),
            false => self.resource_rules.iter().any(|rule| rule.fits(asked)),
        };
        what && self.subjects.iter().any(|subject| subject.is(asked.user))
    }
}

impl Subject {
    fn is(&self, user: &UserInfo) -> bool {
        match self.kind.as_str() {
            "User" => self.user.name == ANY || self.user.name == user.name,
            "Group" => self.group.name == ANY || user.in_group(&self.group.name),
            "ServiceAccount" => self.service_account.is_account(&user.name),
            _ => false,
        }
    }
}

impl Named {
    fn is_account(&self, user: &str) -> bool {
        let parts = user.strip_prefix(ACCOUNT).and_then(|rest| rest.split_once(':'));
        parts.is_some_and(|(namespace, name)| {
            namespace == self.namespace && (self.name == ANY || self.name == name)
        })
    }
}

impl ResourceRule {
    fn fits(&self, asked: &Attributes<'_>) -> bool {
        let place = match asked.namespace {
            "" => self.cluster_scope,
            namespace => has(&self.namespaces, namespace),
        };
        place
            && has(&self.verbs, asked.verb)
            && has(&self.api_groups, asked.group)
            && self.resources.iter().any(|rule| is_resource(rule, asked))
    }
}

fn is_resource(rule: &str, asked: &Attributes<'_>) -> bool {
    match rule.split_once('/') {
        Some((resource, sub)) => resource == asked.resource && sub == asked.subresource,
        None => rule == ANY || (rule == asked.resource && asked.subresource.is_empty()),
    }
}

impl PathRule {
    fn fits(&self, asked: &Attributes<'_>) -> bool {
        let fits = |url: &String| match url.strip_suffix('*') {
            Some(prefix) => asked.path.starts_with(prefix),
            None => url == asked.path,
        };
        has(&self.verbs, asked.verb) && self.urls.iter().any(fits)
    }
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|have| have == ANY || have == item)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked<'a>(user: &'a UserInfo, words: &[&'a str]) -> Attributes<'a> {
        let at = |index: usize| words.get(index).copied().unwrap_or("");
        let path = if at(1).starts_with('/') { at(1) } else { "" };
        let resource = if path.is_empty() { at(1) } else { "" };
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes {
            user,
            verb: at(0),
            group: "",
            resource,
            subresource,
            namespace: at(2),
            name: "",
            path,
            fields: &[],
        }
    }

    /// `request` is `verb resource namespace` or `verb /path`, of the user `amy` in `people`.
    #[track_caller]
    fn check(rules: Value, request: &str, expected: bool) {
        let user = UserInfo::new("amy", ["people"]);
        let words: Vec<&str> = request.split(' ').collect();
        let rules: Rules = serde_json::from_value(rules).unwrap();
        assert_eq!(rules.fit(&asked(&user, &words)), expected, "{request}");
    }

    fn with(subject: Value, resources: Value) -> Value {
        json!({"subjects": [subject], "resourceRules": [resources], "nonResourceRules":
            [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/openapi/*"]}]})
    }

    #[test]
    fn a_rule_is_about_verbs_resources_and_places() {
        let amy = json!({"kind": "User", "user": {"name": "amy"}});
        let rule = json!({"verbs": ["get", "list"], "apiGroups": [""],
            "resources": ["pods", "pods/status"], "namespaces": ["shop"]});
        let rules = with(amy.clone(), rule);
        check(rules.clone(), "get pods shop", true);
        check(rules.clone(), "get pods/status shop", true);
        check(rules.clone(), "get pods/log shop", false);
        check(rules.clone(), "create pods shop", false);
        check(rules.clone(), "get pods other", false);
        check(rules.clone(), "list pods ", false);
        check(rules.clone(), "get /healthz", true);
        check(rules.clone(), "get /openapi/v3", true);
        check(rules, "get /version", false);
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
            "clusterScope": true, "namespaces": ["*"]});
        check(with(amy.clone(), all.clone()), "patch pods/log any", true);
        check(with(amy, all), "list nodes ", true);
    }

    #[test]
    fn a_rule_is_about_users_groups_and_accounts() {
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
            "clusterScope": true, "namespaces": ["*"]});
        let fits = |subject: Value, expected: bool| {
            check(with(subject, all.clone()), "get pods x", expected);
        };
        fits(json!({"kind": "User", "user": {"name": "*"}}), true);
        fits(json!({"kind": "User", "user": {"name": "bob"}}), false);
        fits(json!({"kind": "Group", "group": {"name": "people"}}), true);
        fits(json!({"kind": "Group", "group": {"name": "others"}}), false);
        let account =
            |name: &str| Named { namespace: "kube-system".to_owned(), name: name.to_owned() };
        assert!(account("*").is_account("system:serviceaccount:kube-system:x"));
        assert!(account("x").is_account("system:serviceaccount:kube-system:x"));
        assert!(!account("x").is_account("system:serviceaccount:kube-system:y"));
        assert!(!account("*").is_account("system:serviceaccount:shop:x"));
    }
}
