//! What may be done: verbs on resources, or verbs on URL paths. As RBAC writes it.

use serde::{Deserialize, Serialize};

use super::Attributes;

/// Anything, in every list of a rule.
const ANY: &str = "*";

/// One `PolicyRule`: everything in it may be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// `get`, `list`, …, or `*`.
    #[serde(deserialize_with = "list")]
    pub verbs: Vec<String>,
    /// The API groups, or `*`.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// The resources, as `pods` or `pods/status`; `*` is all of them and of what hangs below
    /// them, `*/status` is that subresource of all.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The objects by name; all where there are none.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// URL paths; one that ends in `*` is a prefix.
    #[serde(
        rename = "nonResourceURLs",
        deserialize_with = "list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub non_resource_urls: Vec<String>,
}

/// A list that may be null.
fn list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(from)?.unwrap_or_default())
}

impl Rule {
    /// Does it let this be done?
    pub(super) fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !has_or_any(&self.verbs, asked.verb) {
            return false;
        }
        if asked.resource.is_empty() {
            return self.non_resource_urls.iter().any(|rule| path_fits(rule, asked.path));
        }
        has_or_any(&self.api_groups, asked.group)
            && self
                .resources
                .iter()
                .any(|rule| resource_fits(rule, asked.resource, asked.subresource))
            && (self.resource_names.is_empty()
                || self.resource_names.iter().any(|name| name == asked.name))
    }

    /// Does it let everything be done that `part` lets be done? `part` is of one verb, and of one
    /// resource or path.
    pub(super) fn covers(&self, part: &Part<'_>) -> bool {
        if !has_or_any(&self.verbs, part.verb) {
            return false;
        }
        match part.of {
            Of::Path(path) => self.non_resource_urls.iter().any(|rule| path_fits(rule, path)),
            Of::Resource { group, resource, name } => {
                has_or_any(&self.api_groups, group)
                    && self.resources.iter().any(|rule| resource_covers(rule, resource))
                    && (self.resource_names.is_empty()
                        || name.is_some_and(|name| has(&self.resource_names, name)))
            }
        }
    }

    /// What it consists of, one verb on one thing at a time.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let names = || {
            let named = self.resource_names.iter().map(|name| Some(name.as_str()));
            named.chain(self.resource_names.is_empty().then_some(None))
        };
        let resources = self.api_groups.iter().flat_map(move |group| {
            self.resources.iter().flat_map(move |resource| {
                self.verbs.iter().flat_map(move |verb| {
                    names()
                        .map(move |name| Part { verb, of: Of::Resource { group, resource, name } })
                })
            })
        });
        let paths = self.non_resource_urls.iter().flat_map(move |path| {
            self.verbs.iter().map(move |verb| Part { verb, of: Of::Path(path) })
        });
        resources.chain(paths)
    }

    /// Of how many parts it consists, without making them.
    pub(super) fn parts_count(&self) -> usize {
        let things = self
            .api_groups
            .len()
            .saturating_mul(self.resources.len())
            .saturating_mul(self.resource_names.len().max(1));
        things.saturating_add(self.non_resource_urls.len()).saturating_mul(self.verbs.len())
    }
}

/// A rule, or a part of one, in upstream's short form.
impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lists = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let shown: Vec<String> = lists
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        write!(f, "{{{}}}", shown.join(", "))
    }
}

/// As Go prints a list of texts with `%q`.
pub(super) fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// One verb on one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Part<'a> {
    pub(super) verb: &'a str,
    pub(super) of: Of<'a>,
}

/// What a part is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Of<'a> {
    Path(&'a str),
    Resource { group: &'a str, resource: &'a str, name: Option<&'a str> },
}

impl Part<'_> {
    /// The part as a rule of its own.
    pub(super) fn to_rule(self) -> Rule {
        let mut rule = Rule { verbs: vec![self.verb.to_owned()], ..Rule::default() };
        match self.of {
            Of::Path(path) => rule.non_resource_urls.push(path.to_owned()),
            Of::Resource { group, resource, name } => {
                rule.api_groups.push(group.to_owned());
                rule.resources.push(resource.to_owned());
                rule.resource_names.extend(name.map(str::to_owned));
            }
        }
        rule
    }
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|have| have == item)
}

fn has_or_any(list: &[String], item: &str) -> bool {
    list.iter().any(|have| have == ANY || have == item)
}

fn path_fits(rule: &str, path: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => rule == path,
    }
}

fn resource_fits(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == ANY {
        return true;
    }
    match rule.split_once('/') {
        Some((of, sub)) => sub == subresource && !sub.is_empty() && (of == ANY || of == resource),
        None => subresource.is_empty() && rule == resource,
    }
}

/// `resource` is one of a rule: `pods`, `pods/log`, `*`, `*/scale`.
fn resource_covers(rule: &str, resource: &str) -> bool {
    let of_all = rule.strip_prefix("*/");
    rule == ANY
        || rule == resource
        || of_all.is_some_and(|sub| resource.split_once('/').is_some_and(|(_, has)| has == sub))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::user::UserInfo;

    fn rule(value: Value) -> Rule {
        serde_json::from_value(value).unwrap()
    }

    /// `asked` is `verb group/resource/subresource name`, or `verb /path`.
    #[track_caller]
    fn check(value: Value, asked: &str, expected: bool) {
        let user = UserInfo::new("u", ["g"]);
        let (verb, rest) = asked.split_once(' ').unwrap();
        let (what, name) = rest.split_once(' ').unwrap_or((rest, ""));
        let (path, parts) = match what.starts_with("//") {
            true => (&what[1..], Vec::new()),
            false => ("", what.split('/').collect()),
        };
        let part = |index: usize| parts.get(index).copied().unwrap_or("");
        let attributes = Attributes {
            user: &user,
            verb,
            group: part(0),
            resource: part(1),
            subresource: part(2),
            namespace: "",
            name,
            path,
            fields: &[],
        };
        assert_eq!(rule(value.clone()).allows(&attributes), expected, "{value} {asked}");
    }

    #[test]
    fn a_rule_allows_its_verbs_on_its_resources() {
        let pods =
            json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]});
        check(pods.clone(), "get /pods a", true);
        check(pods.clone(), "get /pods/log a", true);
        check(pods.clone(), "get /pods/status a", false);
        check(pods.clone(), "delete /pods a", false);
        check(pods.clone(), "get apps/pods a", false);
        check(pods, "get //pods", false);
    }

    #[test]
    fn a_star_stands_for_everything_below_too() {
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        check(all.clone(), "create /pods/exec a", true);
        check(all, "get //metrics", false);
        let scales = json!({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]});
        check(scales.clone(), "get apps/deployments/scale a", true);
        check(scales.clone(), "get apps/deployments a", false);
        check(scales, "get apps/deployments/status a", false);
    }

    #[test]
    fn names_narrow_a_rule() {
        let one = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]});
        check(one.clone(), "get /secrets a", true);
        check(one.clone(), "get /secrets b", false);
        check(one, "list /secrets", false);
    }

    #[test]
    fn paths_end_in_a_star_or_are_whole() {
        let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]});
        check(paths.clone(), "get //healthz", true);
        check(paths.clone(), "get //healthz/etcd", false);
        check(paths.clone(), "get //apis/apps", true);
        check(paths.clone(), "get //apis", false);
        check(paths, "post //healthz", false);
    }

    #[test]
    fn lists_may_be_null_or_missing() {
        check(
            json!({"verbs": ["get"], "apiGroups": null, "resources": ["pods"]}),
            "get /pods",
            false,
        );
    }

    #[test]
    fn a_rule_shows_as_upstream_shows_it() {
        let shown = rule(
            json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}),
        );
        assert_eq!(
            shown.to_string(),
            r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["get" "list"]}"#
        );
    }

    #[test]
    fn a_rule_consists_of_its_parts() {
        let value = json!({"verbs": ["get", "list"], "apiGroups": ["", "apps"], "resources": ["pods"], "resourceNames": ["a", "b"]});
        assert_eq!(rule(value.clone()).parts().count(), 8);
        assert_eq!(rule(value).parts_count(), 8);
        let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/a", "/b"]});
        assert_eq!(rule(paths.clone()).parts().count(), 2);
        assert_eq!(rule(paths).parts_count(), 2);
    }
}
