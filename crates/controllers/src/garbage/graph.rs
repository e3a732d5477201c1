//! Who owns whom. Pure: changes in, objects to look at out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::ApiResource;

use super::sources::Change;

/// `metadata.uid`
pub(crate) type Uid = String;

/// Deleted only once its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Deleted once its dependents no longer name it as their owner.
pub(crate) const ORPHAN: &str = "orphan";

/// What the collector needs to know of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub kind: Arc<ApiResource>,
    pub namespace: Option<String>,
    pub name: String,
    pub owners: Vec<OwnerReference>,
    pub deleting: bool,
    pub finalizers: Vec<String>,
}

impl Object {
    pub fn new(kind: Arc<ApiResource>, meta: ObjectMeta) -> Self {
        Self {
            kind,
            namespace: meta.namespace,
            name: meta.name.unwrap_or_default(),
            owners: meta.owner_references.unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.unwrap_or_default(),
        }
    }

    /// Is there anything that could be due for it.
    fn concerns_anybody(&self) -> bool {
        self.deleting || !self.owners.is_empty()
    }

    /// Is it being deleted and waits for this finalizer.
    pub fn waits_for(&self, finalizer: &str) -> bool {
        self.deleting && self.finalizers.iter().any(|has| has == finalizer)
    }

    /// Does the owner with this uid have to stay for as long as this one is there.
    pub fn blocks(&self, owner: &str) -> bool {
        let named = |reference: &&OwnerReference| reference.uid == owner;
        self.owners.iter().find(named).and_then(|found| found.block_owner_deletion) == Some(true)
    }

    /// An owner is in the dependent's namespace, or in none.
    pub fn may_own(&self, dependent: &Object) -> bool {
        self.namespace.is_none() || self.namespace == dependent.namespace
    }
}

/// All objects by uid, and for each uid the objects that name it as an owner.
#[derive(Default)]
pub(crate) struct Graph {
    objects: BTreeMap<Uid, Object>,
    dependents: BTreeMap<Uid, BTreeSet<Uid>>,
    listed: BTreeSet<String>,
}

impl Graph {
    /// Takes a change in. Returns the objects that have to be looked at because of it.
    pub fn apply(&mut self, change: Change) -> Vec<Uid> {
        match change {
            Change::Seen(uid, object) => self.insert(uid, object),
            Change::Gone(uid) => self.remove(&uid),
            Change::Listed { kind, present } => self.listed(kind, &present),
        }
    }

    /// The object, if it exists as far as the graph knows.
    pub fn get(&self, uid: &str) -> Option<&Object> {
        self.objects.get(uid)
    }

    /// The objects that name `uid` as an owner.
    pub fn dependents<'a>(&'a self, uid: &str) -> impl Iterator<Item = (&'a Uid, &'a Object)> {
        let all = self.dependents.get(uid).into_iter().flatten();
        all.filter_map(|uid| self.objects.get_key_value(uid))
    }

    /// Was every object of this kind seen.
    pub fn has_listed(&self, kind: &str) -> bool {
        self.listed.contains(kind)
    }

    fn insert(&mut self, uid: Uid, object: Object) -> Vec<Uid> {
        let before = self.objects.insert(uid.clone(), object.clone());
        if before.as_ref() == Some(&object) {
            return Vec::new();
        }
        // An owner that waits for its dependents may be waiting for this one's change: who is
        // its owner now, and who was.
        let owners = before.iter().flat_map(|before| &before.owners).chain(&object.owners);
        let owners: BTreeSet<Uid> = owners.map(|owner| owner.uid.clone()).collect();
        self.unlink(&uid, before);
        let concerned = object.concerns_anybody().then(|| uid.clone());
        for owner in object.owners {
            self.dependents.entry(owner.uid).or_default().insert(uid.clone());
        }
        concerned.into_iter().chain(owners).collect()
    }

    fn remove(&mut self, uid: &str) -> Vec<Uid> {
        let Some(object) = self.objects.remove(uid) else { return Vec::new() };
        let owners: Vec<Uid> = object.owners.iter().map(|owner| owner.uid.clone()).collect();
        self.unlink(uid, Some(object));
        let dependents = self.dependents.get(uid).into_iter().flatten().cloned();
        dependents.chain(owners).collect()
    }

    fn unlink(&mut self, uid: &str, object: Option<Object>) {
        for owner in object.into_iter().flat_map(|object| object.owners) {
            if let Some(all) = self.dependents.get_mut(&owner.uid) {
                all.remove(uid);
                if all.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    /// A kind was listed from the start: what is not in the list was deleted unseen.
    fn listed(&mut self, kind: String, present: &BTreeSet<Uid>) -> Vec<Uid> {
        let missed = |(uid, object): (&Uid, &Object)| {
            (key(&object.kind) == kind && !present.contains(uid)).then(|| uid.clone())
        };
        let gone: Vec<Uid> = self.objects.iter().filter_map(missed).collect();
        let mut affected: Vec<Uid> = gone.iter().flat_map(|uid| self.remove(uid)).collect();
        if self.listed.insert(kind) {
            // Owners of this kind could not be judged before.
            affected.extend(self.objects.keys().cloned());
        }
        affected
    }
}

/// One name per kind: `deployments.apps`.
pub(crate) fn key(kind: &ApiResource) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind() -> Arc<ApiResource> {
        Arc::new(ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&()))
    }

    fn object(owners: &[&str]) -> Object {
        let owners: Vec<_> = owners
            .iter()
            .map(|uid| json!({"apiVersion": "v1", "kind": "Pod", "name": uid, "uid": uid}))
            .collect();
        let meta = serde_json::from_value(json!({"name": "x", "ownerReferences": owners}));
        Object::new(kind(), meta.expect("metadata"))
    }

    fn check(changes: Vec<Change>, expected: &[&str]) {
        let mut graph = Graph::default();
        let mut affected = Vec::new();
        for change in changes {
            affected = graph.apply(change);
        }
        assert_eq!(affected, expected);
    }

    fn seen(uid: &str, owners: &[&str]) -> Change {
        Change::Seen(uid.into(), object(owners))
    }

    #[test]
    fn a_deleted_owner_brings_up_its_dependents() {
        check(vec![seen("a", &[]), seen("b", &["a"]), Change::Gone("a".into())], &["b"]);
    }

    #[test]
    fn an_object_that_changed_its_owner_is_no_longer_a_dependent() {
        let changes =
            vec![seen("a", &[]), seen("b", &["a"]), seen("b", &[]), Change::Gone("a".into())];
        check(changes, &[]);
    }

    #[test]
    fn what_a_new_list_lacks_is_gone() {
        let relist = Change::Listed { kind: key(&kind()), present: ["b".to_owned()].into() };
        let first =
            Change::Listed { kind: key(&kind()), present: ["a".to_owned(), "b".into()].into() };
        check(vec![seen("a", &[]), seen("b", &["a"]), first, relist], &["b"]);
    }

    #[test]
    fn an_owner_that_lost_a_dependent_is_looked_at() {
        check(vec![seen("a", &[]), seen("b", &["a"]), seen("b", &["c"])], &["b", "a", "c"]);
    }

    #[test]
    fn an_owner_is_in_the_same_namespace_or_in_none() {
        let check = |owner: Option<&str>, expected| {
            let mut has = object(&[]);
            has.namespace = owner.map(str::to_owned);
            let mut dependent = object(&[]);
            dependent.namespace = Some("here".to_owned());
            assert_eq!(has.may_own(&dependent), expected);
        };
        check(Some("here"), true);
        check(Some("there"), false);
        check(None, true);
    }

    #[test]
    fn an_unchanged_object_needs_no_look() {
        check(vec![seen("b", &["a"]), seen("b", &["a"])], &[]);
    }

    #[test]
    fn an_object_that_nobody_owns_and_that_stays_needs_no_look() {
        check(vec![seen("a", &[])], &[]);
        check(vec![seen("a", &["b"])], &["a", "b"]);
    }
}
