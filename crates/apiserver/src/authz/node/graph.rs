//! Which node uses which objects, by the pods that are on it.
//!
//! It follows the pods of the store by a watch that is read when somebody asks, as the index of
//! roles does. Its size is that of the references in pods that have a node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use store::{EventKind, KeyValue, Range, Store, WatchError, WatchSet};
use tokio::task::coop;

use super::uses::{Stored, What};

/// Where pods are stored.
const PODS: &str = "pods/";

/// Follows the pods.
pub(super) struct Graph {
    store: Store,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What has changed since; `None` before the first question.
    changes: Option<WatchSet>,
    edges: Edges,
}

impl Graph {
    /// Nothing is read before the first question.
    pub(super) fn new(store: Store) -> Self {
        Self { store, state: Mutex::default() }
    }

    /// Does a pod on this node use this object?
    pub(super) fn uses(&self, node: &str, what: What, namespace: &str, name: &str) -> bool {
        let edge = Edge::new(node, what, namespace, name);
        self.now(|edges| edges.counts.contains_key(&edge))
    }

    /// The claims that pods on this node use: namespace and name.
    pub(super) fn claims(&self, node: &str) -> Vec<(String, String)> {
        self.now(|edges| {
            let all = edges.counts.keys();
            let own = all.filter(|edge| edge.what == What::Claim && *edge.node == *node);
            own.map(|edge| (edge.namespace.to_string(), edge.name.to_string())).collect()
        })
    }

    fn now<R>(&self, ask: impl FnOnce(&Edges) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up(&self.store);
        ask(&state.edges)
    }
}

fn range() -> Range {
    Range::prefix(format!("{}{PODS}", crate::registry::PREFIX))
}

impl State {
    /// Brings the edges up to what the store holds now.
    fn catch_up(&mut self, store: &Store) {
        if self.changes.is_none() {
            self.read_all(store);
        }
        let Some(mut changes) = self.changes.take() else { return };
        // What is there can be had at once; waiting for more is not our matter.
        while let Some(next) = coop::unconstrained(changes.next()).now_or_never() {
            match next {
                Ok((_, Ok(found))) => {
                    for event in found.batches.iter().flat_map(|batch| batch.events.iter()) {
                        match event.kind {
                            EventKind::Put => self.edges.put(&event.kv),
                            EventKind::Delete => self.edges.remove(&event.kv.key),
                        }
                    }
                }
                // It fell behind what the store keeps: begin anew.
                Ok((_, Err(_))) => return self.read_all(store),
                // A closed store changes no more.
                Err(_) => break,
            }
        }
        self.changes = Some(changes);
    }

    /// Reads everything, and watches from there on; nothing of a closed store.
    fn read_all(&mut self, store: &Store) {
        *self = Self::default();
        let Ok(found) = store.range(&range(), None, 0) else { return };
        found.entries.iter().for_each(|kv| self.edges.put(kv));
        let mut watches = store.watch_set();
        match watches.add(0, range(), found.revision.next()) {
            Ok(()) => self.changes = Some(watches),
            Err(WatchError::Closed | WatchError::Lagged | WatchError::Compacted { .. }) => {}
        }
    }
}

/// A node uses an object.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Edge {
    node: Box<str>,
    what: What,
    namespace: Box<str>,
    name: Box<str>,
}

impl Edge {
    fn new(node: &str, what: What, namespace: &str, name: &str) -> Self {
        Self { node: node.into(), what, namespace: namespace.into(), name: name.into() }
    }
}

#[derive(Default)]
struct Edges {
    /// By how many pods.
    counts: HashMap<Arc<Edge>, u32>,
    /// Those of each pod, by its key.
    of_pods: HashMap<Box<[u8]>, Box<[Arc<Edge>]>>,
}

impl Edges {
    fn put(&mut self, kv: &KeyValue) {
        self.remove(&kv.key);
        // What cannot be read uses nothing.
        let Ok(pod) = serde_json::from_slice::<Stored>(&kv.value) else { return };
        let Some(node) = pod.node() else { return };
        let Some(namespace) = namespace_of(&kv.key) else { return };
        let uses = pod.uses();
        let edges =
            uses.iter().map(|(what, name)| self.count(Edge::new(node, *what, namespace, name)));
        let edges = edges.collect();
        self.of_pods.insert(kv.key.as_ref().into(), edges);
    }

    fn count(&mut self, edge: Edge) -> Arc<Edge> {
        let known = self.counts.get_key_value(&edge).map(|(edge, _)| edge.clone());
        let edge = known.unwrap_or_else(|| Arc::new(edge));
        *self.counts.entry(edge.clone()).or_default() += 1;
        edge
    }

    fn remove(&mut self, key: &[u8]) {
        for edge in self.of_pods.remove(key).into_iter().flatten() {
            if let Some(count) = self.counts.get_mut(&edge) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&edge);
                }
            }
        }
    }
}

fn namespace_of(key: &[u8]) -> Option<&str> {
    let place = key.get(crate::registry::PREFIX.len() + PODS.len()..)?;
    let (namespace, _) = std::str::from_utf8(place).ok()?.split_once('/')?;
    Some(namespace)
}
