//! Which writes a hook, a policy or a binding of one is about.

use std::sync::Arc;

use api::selector::LabelSelector;
use serde_json::Value;

use super::asked::{Asked, Operation};
use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::text;
use crate::table::list;

/// Rules and selectors: a write must be one that all of them mean.
pub(super) struct Matching {
    /// `None`: whatever the write is of.
    rules: Option<Vec<Rule>>,
    excluded: Vec<Rule>,
    namespaces: LabelSelector,
    objects: LabelSelector,
    any_version: bool,
}

struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    /// None at all: of any name.
    names: Vec<String>,
    scope: Scope,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Cluster,
    Namespaced,
    All,
}

impl Matching {
    /// Of a webhook.
    pub(super) fn of_hook(hook: &Value) -> Self {
        Self::read(hook, Some(rules(hook, "/rules")))
    }

    /// Of a policy or a binding: `matchConstraints`, `matchResources`.
    pub(super) fn of_resources(resources: &Value) -> Self {
        let rules = rules(resources, "/resourceRules");
        Self::read(resources, (!rules.is_empty()).then_some(rules))
    }

    fn read(object: &Value, included: Option<Vec<Rule>>) -> Self {
        Self {
            rules: included,
            excluded: rules(object, "/excludeResourceRules"),
            namespaces: selector(&object["namespaceSelector"]),
            objects: selector(&object["objectSelector"]),
            any_version: text(object, "/matchPolicy") != "Exact",
        }
    }

    /// The kind in whose form this write is meant; `None` where it is not.
    pub(super) fn kind(&self, asked: &Asked<'_>) -> ApiResult<Option<Arc<Kind>>> {
        if self.kind_by(&self.excluded, asked).is_some() {
            return Ok(None);
        }
        let kind = match &self.rules {
            Some(rules) => self.kind_by(rules, asked),
            None => Some(asked.call.kind.clone()),
        };
        let Some(kind) = kind else { return Ok(None) };
        let selected = self.selects_object(asked) && self.selects_namespace(asked)?;
        Ok(selected.then_some(kind))
    }

    fn kind_by(&self, rules: &[Rule], asked: &Asked<'_>) -> Option<Arc<Kind>> {
        let own = asked.call.kind;
        if rules.iter().any(|rule| rule.matches(asked, own)) {
            return Some(own.clone());
        }
        if !self.any_version {
            return None;
        }
        let served = asked.call.registry().kinds();
        let same = |kind: &&Arc<Kind>| kind.storage == own.storage && !Arc::ptr_eq(kind, own);
        // Earlier rules come first.
        rules.iter().find_map(|rule| {
            served.all().filter(same).find(|kind| rule.matches(asked, kind)).cloned()
        })
    }

    fn selects_object(&self, asked: &Asked<'_>) -> bool {
        let objects = [&asked.object, &asked.old].into_iter().flatten();
        self.objects.is_everything() || objects.into_iter().any(|o| self.objects.matches_object(o))
    }

    fn selects_namespace(&self, asked: &Asked<'_>) -> ApiResult<bool> {
        if self.namespaces.is_everything() || asked.namespace.is_empty() {
            return Ok(true);
        }
        let writes = matches!(asked.operation, Operation::Create | Operation::Update);
        if asked.is_namespace() && asked.subresource().is_empty() && writes {
            // The store does not know these labels yet.
            return Ok(asked.object.as_ref().is_some_and(|o| self.namespaces.matches_object(o)));
        }
        Ok(self.namespaces.matches_object(&namespace(asked)?))
    }
}

/// The Namespace that a write is in.
pub(super) fn namespace(asked: &Asked<'_>) -> ApiResult<Value> {
    let registry = asked.call.registry();
    let missing = || {
        let kind = kinds::find("", "v1", "namespaces").expect("namespaces are in the table");
        ApiError::not_found(kind, &asked.namespace)
    };
    registry.decode(&registry.namespace(&asked.namespace).ok_or_else(missing)?)
}

fn rules(object: &Value, pointer: &str) -> Vec<Rule> {
    list(object, pointer).iter().map(Rule::read).collect()
}

/// None at all selects everything here: defaulting makes an empty one of it. What cannot be read
/// was refused before it was stored.
fn selector(object: &Value) -> LabelSelector {
    if object.is_null() {
        return LabelSelector::everything();
    }
    LabelSelector::from_object(object).unwrap_or_else(|_| LabelSelector::everything())
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let texts = |pointer: &str| -> Vec<String> {
            list(rule, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            operations: texts("/operations"),
            groups: texts("/apiGroups"),
            versions: texts("/apiVersions"),
            resources: texts("/resources"),
            names: texts("/resourceNames"),
            scope: match text(rule, "/scope") {
                "Cluster" => Scope::Cluster,
                "Namespaced" => Scope::Namespaced,
                _ => Scope::All,
            },
        }
    }

    fn matches(&self, asked: &Asked<'_>, kind: &Kind) -> bool {
        has(&self.operations, asked.operation.name())
            && has(&self.groups, &kind.group)
            && has(&self.versions, &kind.version)
            && self.resources.iter().any(|r| names(r, &kind.plural, asked.subresource()))
            && (self.names.is_empty() || self.names.contains(&asked.name))
            && self.is_in_scope(asked)
    }

    /// As upstream, a Namespace is an object of the cluster.
    fn is_in_scope(&self, asked: &Asked<'_>) -> bool {
        let cluster = asked.namespace.is_empty() || asked.is_namespace();
        match self.scope {
            Scope::All => true,
            Scope::Cluster => cluster,
            Scope::Namespaced => !cluster,
        }
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

/// Does `pods`, `pods/status`, `*/scale`, `*` or `*/*` name this?
fn names(rule: &str, plural: &str, subresource: &str) -> bool {
    let (resource, sub) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == plural) && (sub == "*" || sub == subresource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_resources_and_subresources_by_wildcards() {
        let check = |rule: &str, plural: &str, sub: &str, expected: bool| {
            assert_eq!(names(rule, plural, sub), expected, "{rule} {plural}/{sub}");
        };
        check("pods", "pods", "", true);
        check("pods", "pods", "status", false);
        check("pods/*", "pods", "status", true);
        check("pods/*", "pods", "", true);
        check("*", "pods", "", true);
        check("*", "pods", "status", false);
        check("*/status", "pods", "status", true);
        check("*/status", "pods", "scale", false);
        check("*/*", "anything", "", true);
        check("*/*", "anything", "scale", true);
    }
}
