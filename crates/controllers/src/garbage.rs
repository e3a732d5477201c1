//! Deletes what nobody owns any more, and carries out foreground and orphan deletion.
//! Source: Kubernetes, "Garbage Collection", <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>.
//!
//! One task holds a graph of all objects' owners, fed by watches of every kind
//! that can be deleted. What the graph suggests is checked against the API before anything
//! is deleted.

mod collect;
mod graph;
mod owned;
mod owners;
mod sources;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::drive::ReconcileError;
use collect::{Round, WORKERS};
use graph::{Graph, Uid};
use owners::Owners;
use sources::{Change, Sources};

/// How many changes may wait for the graph before the watches are held back.
const CHANGES_MAX: usize = 1024;
/// How often kinds that came or went are looked for.
const REDISCOVER: Duration = Duration::from_secs(30);
/// How soon a failed deletion is tried again.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let (sender, mut changes) = mpsc::channel(CHANGES_MAX);
    let mut sources = Sources::new(context.clone(), sender);
    let mut collector =
        Collector { context: context.clone(), graph: Graph::default(), dirty: BTreeSet::new() };
    let mut rediscover = tokio::time::interval(REDISCOVER);
    let mut retry = tokio::time::interval(RETRY);
    let shutdown = context.shutdown();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = rediscover.tick() => sources.discover().await?,
            Some(change) = changes.recv() => collector.take(change),
            _ = retry.tick(), if !collector.dirty.is_empty() => {}
        }
        while let Ok(change) = changes.try_recv() {
            collector.take(change);
        }
        // Until every kind was listed once, owners may only seem to be missing, and all would be
        // asked for.
        if !collector.dirty.is_empty() && sources.all_listed(&collector.graph) {
            collector.collect().await;
        }
    }
}

/// The graph and what in it has to be looked at.
struct Collector {
    context: Arc<Context>,
    graph: Graph,
    dirty: BTreeSet<Uid>,
}

impl Collector {
    fn take(&mut self, change: Change) {
        self.dirty.extend(self.graph.apply(change));
    }

    /// Looks at each object that a change may have made garbage, and at what that leads to.
    /// What fails stays for the next round.
    async fn collect(&mut self) {
        let (graph, ctx) = (&self.graph, &*self.context);
        let round = &Round { graph, ctx, owners: Owners::default() };
        let mut failed = BTreeSet::new();
        // It ends: only an object that waits for its dependents leads to others, namely those
        // that are not being deleted, and these lead to none.
        while !self.dirty.is_empty() {
            let mut looks = stream::iter(std::mem::take(&mut self.dirty))
                .map(|uid| round.looked(uid))
                .buffer_unordered(WORKERS);
            while let Some((uid, looked)) = looks.next().await {
                match looked {
                    Ok(more) => self.dirty.extend(more),
                    Err(error) => {
                        tell(&uid, &error);
                        failed.insert(uid);
                    }
                }
            }
        }
        self.dirty = failed;
    }
}

fn tell(uid: &Uid, error: &ReconcileError) {
    let cause = error as &dyn std::error::Error;
    match error.is_conflict() || error.is_gone() {
        true => tracing::debug!(uid, error = cause, "garbage changed meanwhile"),
        false => tracing::warn!(uid, error = cause, "garbage not collected"),
    }
}
