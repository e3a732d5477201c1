//! The authorizer of a cluster: `system:masters`, nodes, and RBAC.
//!
//! The index of roles and bindings follows the store by a watch that is read when somebody asks:
//! a request that comes after a binding was answered sees it, and there is no task to die.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use futures::FutureExt as _;
use store::{EventKind, Range, Revision, Store, WatchError, WatchSet};
use tokio::task::coop;

use super::index::{Index, RoleRef, Seen, Source};
use super::node::{self, NodeAuthorizer};
use super::{Attributes, Authorizer, Decision, Rule, Rules};
use crate::object;
use crate::user::{MASTERS, UserInfo};

/// Where every object's key begins.
const PREFIX: &str = crate::registry::PREFIX;

/// Decides by the roles and bindings in a store, and what nodes and `system:masters` may anyway.
pub struct ClusterAuthorizer {
    store: Store,
    nodes: NodeAuthorizer,
    index: RwLock<Index>,
    /// What has changed since the index was made; `None` before the first question.
    changes: Mutex<Option<WatchSet>>,
}

impl ClusterAuthorizer {
    /// An authorizer over this store. Nothing is read before the first question.
    pub fn new(store: Store) -> Self {
        let nodes = NodeAuthorizer::new(store.clone());
        Self { store, nodes, index: RwLock::default(), changes: Mutex::new(None) }
    }

    /// Brings the index up to what the store holds now.
    fn catch_up(&self) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.is_none() {
            *changes = self.read_all();
        }
        let Some(watches) = changes.as_mut() else { return };
        // What is there can be had at once; waiting for more is not our matter.
        while let Some(next) = coop::unconstrained(watches.next()).now_or_never() {
            match next {
                Ok((token, Ok(found))) => self.apply(token, &found.batches),
                Ok((_, Err(_))) => {
                    // It fell behind what the store keeps: begin anew.
                    *changes = self.read_all();
                    return;
                }
                // A closed store changes no more.
                Err(_) => return,
            }
        }
    }

    /// Reads everything, and watches from there on; `None` when the store is closed.
    fn read_all(&self) -> Option<WatchSet> {
        let mut index = Index::default();
        let mut watches = self.store.watch_set();
        for (token, source) in (0..).zip(Source::ALL) {
            let range = range(source);
            let found = self.store.range(&range, None, 0).ok()?;
            for kv in &found.entries {
                put(&mut index, source, &kv.key, kv);
            }
            match watches.add(token, range, found.revision.next()) {
                Ok(()) => {}
                Err(WatchError::Closed | WatchError::Lagged | WatchError::Compacted { .. }) => {
                    return None;
                }
            }
        }
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        Some(watches)
    }

    fn apply(&self, token: u64, batches: &[store::Batch]) {
        let Some(source) = usize::try_from(token).ok().and_then(|at| Source::ALL.get(at)) else {
            return;
        };
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for event in batches.iter().flat_map(|batch| batch.events.iter()) {
            match event.kind {
                EventKind::Put => put(&mut index, *source, &event.kv.key, &event.kv),
                EventKind::Delete => index.remove(*source, name_of(*source, &event.kv.key)),
            }
        }
    }

    fn by_roles(&self, asked: &Attributes<'_>) -> Decision {
        self.catch_up();
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut allowed = None;
        let mut errors = Vec::new();
        index.visit(asked.user, asked.namespace, &mut |grant| {
            match &grant.rules {
                Ok(rules) if rules.iter().any(|rule| rule.allows(asked)) => {
                    allowed = Some(format!("RBAC: allowed by {grant}"));
                    return Seen::Enough;
                }
                Ok(_) => {}
                Err(error) => errors.push(error.to_string()),
            }
            Seen::More
        });
        match (allowed, errors.is_empty()) {
            (Some(reason), _) => Decision::Allow(reason),
            (None, true) => Decision::Deny(String::new()),
            (None, false) => Decision::Deny(format!("RBAC: {}", aggregate(errors))),
        }
    }
}

impl Authorizer for ClusterAuthorizer {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.in_group(MASTERS) {
            return Decision::Allow(String::new());
        }
        let because = match self.nodes.authorize(attributes) {
            Some(Ok(())) => return Decision::Allow(String::new()),
            Some(Err(why)) => why,
            None => String::new(),
        };
        match self.by_roles(attributes) {
            Decision::Deny(more) => {
                let reasons = [because, more].into_iter().filter(|reason| !reason.is_empty());
                Decision::Deny(reasons.collect::<Vec<_>>().join("\n"))
            }
            allowed => allowed,
        }
    }

    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        self.catch_up();
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<Rule> = Vec::new();
        let mut errors = Vec::new();
        index.visit(user, namespace, &mut |grant| {
            match &grant.rules {
                Ok(found) => rules.extend(found.iter().cloned()),
                Err(error) => errors.push(error.to_string()),
            }
            Seen::More
        });
        let incomplete = node::is_node(user);
        if incomplete {
            errors.insert(0, node::NO_RULES.to_owned());
        }
        let error = if errors.is_empty() { String::new() } else { aggregate(errors) };
        Rules { rules, incomplete, error }
    }

    fn role(&self, namespace: Option<&str>, name: &str) -> Option<Arc<[Rule]>> {
        self.catch_up();
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let role = RoleRef { cluster: namespace.is_none(), name: name.to_owned() };
        index.role(&role, namespace.unwrap_or("")).ok()
    }
}

/// As upstream shows several errors at once, each once.
fn aggregate(mut errors: Vec<String>) -> String {
    let mut seen = std::collections::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.as_slice() {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}

fn range(source: Source) -> Range {
    Range::prefix(format!("{PREFIX}{}/", source.storage()))
}

/// What follows the kind's prefix: the name, in a namespace or not.
fn name_of(source: Source, key: &[u8]) -> &str {
    let at = PREFIX.len() + source.storage().len() + 1;
    key.get(at..).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("")
}

fn put(index: &mut Index, source: Source, key: &[u8], kv: &store::KeyValue) {
    match object::decode_at(kv, Revision::NONE) {
        Ok(object) => index.put(source, name_of(source, key), &object),
        Err(error) => {
            tracing::error!(%error, key = %String::from_utf8_lossy(key), "a role or binding cannot be read: it gives nothing");
            index.remove(source, name_of(source, key));
        }
    }
}

#[cfg(test)]
mod tests;
