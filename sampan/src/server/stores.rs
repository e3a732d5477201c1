//! The key spaces of an instance, in its data directory or, for the objects, in an external etcd.

use std::time::Duration;

use anyhow::Context;
use store::{Options, Store};

use crate::backup::Space;
use crate::cli::server::StoreArgs;
use crate::instance::Instance;

/// More history than any memory holds.
const HISTORY_BYTES_MAX: usize = 1 << 40;
/// How long closing may take.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// The bounds of the Kubernetes objects' key space.
pub fn options(args: &StoreArgs) -> Options {
    Options {
        history_revisions_max: args.store_history_revisions,
        history_bytes_max: usize::try_from(args.store_history_bytes)
            .unwrap_or(HISTORY_BYTES_MAX)
            .min(HISTORY_BYTES_MAX),
        history_age_max: Some(args.store_history_age).filter(|age| !age.is_zero()),
        ..Options::default()
    }
}

/// For whoever only reads: no history is compacted.
pub fn untouched() -> Options {
    Options {
        history_revisions_max: usize::MAX,
        history_bytes_max: HISTORY_BYTES_MAX,
        ..Options::default()
    }
}

/// Opens a key space in the data directory. What a crash left of it is put in order.
fn open(instance: &Instance, space: Space, options: Options) -> anyhow::Result<Store> {
    let dir = instance.data_dir().join(space.folder());
    Store::open(&dir, options)
        .with_context(|| format!("open the {} in {}", space.title(), dir.display()))
}

/// Opens several at once: each reads its whole log.
pub async fn open_all(
    instance: &Instance,
    wanted: Vec<(Space, Options)>,
) -> anyhow::Result<Vec<(Space, Store)>> {
    let opening: Vec<_> = wanted
        .into_iter()
        .map(|(space, options)| {
            let instance = instance.clone();
            let open = move || open(&instance, space, options);
            (space, tokio::task::spawn_blocking(open))
        })
        .collect();
    let mut opened = Vec::new();
    for (space, store) in opening {
        let store = store.await.context("open a key space")??;
        opened.push((space, store));
    }
    Ok(opened)
}

/// Closes all of them: what they hold back reaches the disk, and a lease on an external etcd is
/// given back, so that the next server need not wait for it to run out.
pub async fn close_all(spaces: Vec<(Space, Store)>) {
    let closing = spaces.into_iter().map(|(_, store)| store.close());
    if tokio::time::timeout(CLOSE_MAX, futures::future::join_all(closing)).await.is_err() {
        tracing::warn!("the stores did not close in time; nothing acknowledged is lost");
    }
}

/// The key spaces that are in the data directory.
pub fn present(instance: &Instance) -> Vec<Space> {
    let there = |space: &Space| instance.data_dir().join(space.folder()).is_dir();
    [Space::Kubernetes, Space::Etcd].into_iter().filter(there).collect()
}
