//! The roles and bindings as authorization asks for them: by who is bound.
//!
//! Its size is that of the RBAC objects in the store, which bounds them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::Rule;
use crate::object::{meta, text};
use crate::user::UserInfo;

/// The group that all of these kinds are in.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// The kinds that decide who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Roles,
    RoleBindings,
    ClusterRoles,
    ClusterRoleBindings,
}

impl Source {
    pub(super) const ALL: [Self; 4] =
        [Self::Roles, Self::RoleBindings, Self::ClusterRoles, Self::ClusterRoleBindings];

    /// Where its objects are stored.
    pub(super) fn storage(self) -> &'static str {
        match self {
            Self::Roles => "roles.rbac.authorization.k8s.io",
            Self::RoleBindings => "rolebindings.rbac.authorization.k8s.io",
            Self::ClusterRoles => "clusterroles.rbac.authorization.k8s.io",
            Self::ClusterRoleBindings => "clusterrolebindings.rbac.authorization.k8s.io",
        }
    }
}

/// Where an object lives: its namespace (empty for the cluster) and its name.
type Place = (String, String);

/// Who is bound. ServiceAccounts are users of their full names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Group(String),
}

/// A binding, as far as authorization needs it.
struct Binding {
    role: RoleRef,
    subjects: Vec<(Subject, String)>,
}

/// The role that a binding gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleRef {
    /// A ClusterRole rather than one of the binding's namespace.
    pub(crate) cluster: bool,
    /// Its name.
    pub(crate) name: String,
}

/// A role that is not there, in upstream's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}.{GROUP} {name:?} not found", if *cluster { "clusterrole" } else { "role" })]
pub(crate) struct NoRole {
    cluster: bool,
    name: String,
}

/// The roles and bindings.
#[derive(Default)]
pub(super) struct Index {
    roles: HashMap<Place, Arc<[Rule]>>,
    bindings: HashMap<Place, Binding>,
    /// The bindings of a subject in one namespace, or in the cluster where that is empty.
    bound: HashMap<(String, Subject), BTreeSet<String>>,
}

impl Index {
    /// An object is there, or has changed. `key` is what follows the kind's prefix.
    pub(super) fn put(&mut self, source: Source, key: &str, object: &Value) {
        let place = place(source, key);
        match source {
            Source::Roles | Source::ClusterRoles => {
                self.roles.insert(place, rules(object));
            }
            Source::RoleBindings | Source::ClusterRoleBindings => {
                self.unbind(&place);
                self.bind(place, binding(object));
            }
        }
    }

    /// An object is no more.
    pub(super) fn remove(&mut self, source: Source, key: &str) {
        let place = place(source, key);
        match source {
            Source::Roles | Source::ClusterRoles => drop(self.roles.remove(&place)),
            Source::RoleBindings | Source::ClusterRoleBindings => self.unbind(&place),
        }
    }

    fn bind(&mut self, place: Place, binding: Binding) {
        for (subject, _) in &binding.subjects {
            let bound = self.bound.entry((place.0.clone(), subject.clone())).or_default();
            bound.insert(place.1.clone());
        }
        self.bindings.insert(place, binding);
    }

    fn unbind(&mut self, place: &Place) {
        let Some(binding) = self.bindings.remove(place) else { return };
        for (subject, _) in binding.subjects {
            let key = (place.0.clone(), subject);
            if let Some(bound) = self.bound.get_mut(&key) {
                bound.remove(&place.1);
                if bound.is_empty() {
                    self.bound.remove(&key);
                }
            }
        }
    }

    /// The rules of a role; `namespace` is that of who refers to it.
    pub(super) fn role(&self, role: &RoleRef, namespace: &str) -> Result<Arc<[Rule]>, NoRole> {
        let namespace = if role.cluster { "" } else { namespace };
        // A cluster's binding can refer to ClusterRoles only.
        let found = match !role.cluster && namespace.is_empty() {
            true => None,
            false => self.roles.get(&(namespace.to_owned(), role.name.clone())),
        };
        found.cloned().ok_or_else(|| NoRole { cluster: role.cluster, name: role.name.clone() })
    }

    /// Calls `see` with the rules of each binding that concerns the user, those of the cluster
    /// first, until it says that it has seen enough.
    pub(super) fn visit(
        &self,
        user: &UserInfo,
        namespace: &str,
        see: &mut dyn FnMut(Grant<'_>) -> Seen,
    ) {
        let places = [""].into_iter().chain((!namespace.is_empty()).then_some(namespace));
        for place in places {
            for name in self.bindings_of(user, place) {
                if let Some(grant) = self.grant(user, place, name)
                    && see(grant) == Seen::Enough
                {
                    return;
                }
            }
        }
    }

    /// The names of the bindings in one place that concern the user, each once.
    fn bindings_of(&self, user: &UserInfo, place: &str) -> BTreeSet<&str> {
        let groups = user.groups.iter().map(|group| Subject::Group(group.clone()));
        let subjects = [Subject::User(user.name.clone())].into_iter().chain(groups);
        subjects
            .filter_map(|subject| self.bound.get(&(place.to_owned(), subject)))
            .flatten()
            .map(String::as_str)
            .collect()
    }

    fn grant<'a>(&'a self, user: &UserInfo, place: &'a str, name: &'a str) -> Option<Grant<'a>> {
        let binding = self.bindings.get(&(place.to_owned(), name.to_owned()))?;
        let concerned = |subject: &Subject| match subject {
            Subject::User(name) => *name == user.name,
            Subject::Group(name) => user.in_group(name),
        };
        let (_, subject) = binding.subjects.iter().find(|(subject, _)| concerned(subject))?;
        let rules = self.role(&binding.role, place);
        Some(Grant { place, name, role: &binding.role, subject, rules })
    }
}

/// Whether a visitor wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    More,
    Enough,
}

/// What one binding gives a user.
pub(super) struct Grant<'a> {
    place: &'a str,
    name: &'a str,
    role: &'a RoleRef,
    subject: &'a str,
    pub(super) rules: Result<Arc<[Rule]>, NoRole>,
}

impl std::fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.role.cluster { "ClusterRole" } else { "Role" };
        match self.place {
            "" => write!(f, "ClusterRoleBinding {:?}", self.name)?,
            place => write!(f, "RoleBinding {:?}", format!("{}/{place}", self.name))?,
        }
        write!(f, " of {kind} {:?} to {}", self.role.name, self.subject)
    }
}

fn place(source: Source, key: &str) -> Place {
    match source {
        Source::ClusterRoles | Source::ClusterRoleBindings => (String::new(), key.to_owned()),
        Source::Roles | Source::RoleBindings => {
            let (namespace, name) = key.split_once('/').unwrap_or(("", key));
            (namespace.to_owned(), name.to_owned())
        }
    }
}

/// The rules of a role object.
pub(crate) fn rules(role: &Value) -> Arc<[Rule]> {
    let rules = role["rules"].as_array().into_iter().flatten();
    // What is stored was validated; a rule that cannot be read gives nothing.
    rules.filter_map(|rule| serde::Deserialize::deserialize(rule).ok()).collect()
}

/// The role that a binding object gives.
pub(crate) fn role_ref(binding: &Value) -> RoleRef {
    RoleRef {
        cluster: text(binding, "/roleRef/kind") == "ClusterRole",
        name: text(binding, "/roleRef/name").to_owned(),
    }
}

fn binding(object: &Value) -> Binding {
    let namespace = meta(object, "namespace");
    let subjects = object["subjects"].as_array().into_iter().flatten();
    let subjects = subjects.filter_map(|subject| read_subject(subject, namespace)).collect();
    Binding { role: role_ref(object), subjects }
}

/// A subject, and how upstream describes it.
fn read_subject(subject: &Value, binding_namespace: &str) -> Option<(Subject, String)> {
    let name = text(subject, "/name");
    Some(match text(subject, "/kind") {
        "User" => (Subject::User(name.to_owned()), format!("User {name:?}")),
        "Group" => (Subject::Group(name.to_owned()), format!("Group {name:?}")),
        "ServiceAccount" => {
            let namespace = match text(subject, "/namespace") {
                "" => binding_namespace,
                given => given,
            };
            if namespace.is_empty() {
                return None;
            }
            let user = format!("system:serviceaccount:{namespace}:{name}");
            (Subject::User(user), format!("ServiceAccount {:?}", format!("{name}/{namespace}")))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
