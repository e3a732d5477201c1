//! Feeds the graph: one watch for every kind that can be deleted, of which little is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use kube::Api;
use kube::api::ApiResource;
use kube::discovery::{Discovery, verbs};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::graph::{Graph, Object, Uid, key};
use super::owned::Owned;
use crate::context::Context;
use crate::drive::ReconcileError;

/// What happened to an object.
#[derive(Debug)]
pub(crate) enum Change {
    /// It exists, and this is what it is like.
    Seen(Uid, Object),
    /// It is gone.
    Gone(Uid),
    /// All objects of a kind were seen; these are there.
    Listed { kind: String, present: BTreeSet<Uid> },
}

/// How long a kind's first list is waited for. One that cannot be listed, as when its webhook
/// for conversion is gone, must not hold up all others.
const LISTING_MAX: Duration = Duration::from_secs(30);

/// The watches that run, by kind.
pub(crate) struct Sources {
    context: Arc<Context>,
    changes: Sender<Change>,
    running: BTreeMap<String, Running>,
}

struct Running {
    stop: CancellationToken,
    since: Instant,
}

impl Sources {
    pub fn new(context: Arc<Context>, changes: Sender<Change>) -> Self {
        Self { context, changes, running: BTreeMap::new() }
    }

    /// Starts watches of kinds that are new and ends those of kinds that went.
    pub async fn discover(&mut self) -> Result<(), ReconcileError> {
        let kinds = collectable(&self.context).await?;
        self.running.retain(|kind, watch| {
            let stays = kinds.contains_key(kind);
            if !stays {
                watch.stop.cancel();
            }
            stays
        });
        for (kind, resource) in kinds {
            if !self.running.contains_key(&kind) {
                let stop = self.start(&kind, resource);
                self.running.insert(kind, Running { stop, since: Instant::now() });
            }
        }
        Ok(())
    }

    /// Has every kind been listed once, as far as it can be.
    pub fn all_listed(&self, graph: &Graph) -> bool {
        let listed = |(kind, running): (&String, &Running)| {
            graph.has_listed(kind) || running.since.elapsed() > LISTING_MAX
        };
        !self.running.is_empty() && self.running.iter().all(listed)
    }

    fn start(&self, kind: &str, resource: ApiResource) -> CancellationToken {
        let stop = self.context.shutdown().child_token();
        // Boxed: what waits for it would else hold it twice, for every kind there is.
        let watch = Box::pin(feed(self.context.clone(), resource, self.changes.clone()));
        let until = stop.clone();
        self.context.tasks.spawn(format!("garbage-collector/{kind}"), async move {
            until.run_until_cancelled(watch).await;
        });
        stop
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.running.values().for_each(|running| running.stop.cancel());
    }
}

/// Events come and go in great numbers and own nothing.
const NOT_COLLECTED: [&str; 2] = ["events.", "events.events.k8s.io"];

async fn collectable(ctx: &Context) -> Result<BTreeMap<String, ApiResource>, ReconcileError> {
    let discovery = Discovery::new(ctx.client.clone()).run_aggregated().await?;
    let kinds = discovery.groups().flat_map(|group| group.recommended_resources());
    let usable = kinds.filter(|(_, can)| {
        [verbs::LIST, verbs::WATCH, verbs::DELETE, verbs::PATCH]
            .iter()
            .all(|verb| can.supports_operation(verb))
    });
    let named = usable.map(|(kind, _)| (key(&kind), kind));
    Ok(named.filter(|(name, _)| !NOT_COLLECTED.contains(&name.as_str())).collect())
}

/// Watches one kind for as long as the graph listens.
async fn feed(ctx: Arc<Context>, kind: ApiResource, changes: Sender<Change>) {
    let api: Api<Owned> = Api::all_with(ctx.client.clone(), &kind);
    let kind = Arc::new(kind);
    let mut watch =
        std::pin::pin!(watch_objects(api, watcher::Config::default()).default_backoff());
    let mut listing = BTreeSet::new();
    loop {
        let event = match watch.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(kind = key(&kind), error, "watch ended; it starts again");
                continue;
            }
        };
        if let Some(change) = to_change(&kind, event, &mut listing)
            && changes.send(change).await.is_err()
        {
            return;
        }
    }
}

fn to_change(
    kind: &Arc<ApiResource>,
    event: Event<Owned>,
    listing: &mut BTreeSet<Uid>,
) -> Option<Change> {
    match event {
        Event::Init => {
            listing.clear();
            None
        }
        Event::InitApply(object) => {
            let uid = object.metadata.uid.clone()?;
            listing.insert(uid.clone());
            Some(Change::Seen(uid, Object::new(kind.clone(), object.metadata)))
        }
        Event::InitDone => {
            Some(Change::Listed { kind: key(kind), present: std::mem::take(listing) })
        }
        Event::Apply(object) => {
            let uid = object.metadata.uid.clone()?;
            Some(Change::Seen(uid, Object::new(kind.clone(), object.metadata)))
        }
        Event::Delete(object) => object.metadata.uid.map(Change::Gone),
    }
}
