//! A [`store::Store`] that is kept in an external etcd.
//!
//! All keys under one prefix are mirrored in memory, fed by one watch: reads and watches are
//! served as from a store of our own, at etcd's revisions. A write is one transaction of etcd's, and
//! is answered when the mirror shows it. Only one server at a time writes under a prefix: the
//! leader key says who, it is held by a lease, and every write holds only while it is ours.
//!
//! When etcd does not answer, reads go on and writes fail in bounded time; when it is back, so is
//! everything, without a restart. What it deliberately does not do: leases and records, which
//! nobody needs of a store that is not served as etcd (they are refused), and writing under other
//! keys than its own.
//!
//! - `keys`: what lies where under the prefix; `txn`: transactions there and back
//! - `client`, `connect`: the members, TLS, and which one is asked
//! - `campaign`: who may write; `load`, `feed`: the mirror; `requests`: writes; `compaction`

mod campaign;
mod client;
mod compaction;
mod connect;
mod feed;
mod keys;
mod load;
mod requests;
mod state;
mod txn;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use campaign::Held;
use client::Client;
pub use connect::RemoteTls;
use keys::Keys;
use state::State;
use store::Store;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tonic::Status;

use crate::tls::TlsError;

/// Who else may write under the prefix must wait so long after a leader was last heard of.
const LEASE_TTL: Duration = Duration::from_secs(10);

/// How long the lease is tried to be given back at the end.
const RESIGN_MAX: Duration = Duration::from_secs(2);

/// Where the etcd is, and how it is used.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Its members, as `http://host:port` or `https://host:port`. The first that works is used.
    pub endpoints: Vec<String>,
    /// What all our keys begin with.
    pub prefix: String,
    /// For endpoints with https.
    pub tls: Option<RemoteTls>,
    /// Who we are, when etcd has users.
    pub login: Option<Login>,
    /// How much history the mirror keeps; the rest of the options concern files.
    pub options: store::Options,
    /// How old etcd's history may grow before we compact it; `None` leaves that to others.
    pub compact_after: Option<Duration>,
    /// How long a start tries to reach etcd.
    pub reach_max: Duration,
    /// Told what a start waits for.
    pub on_progress: Option<OnProgress>,
}

/// See [`RemoteConfig::on_progress`].
pub type OnProgress = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// A user of etcd's.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// What a start is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another server has the store; this one goes on when that one is gone.
    Waiting {
        /// Who has it.
        holder: &'a str,
    },
    /// The keys are being read.
    Loading {
        /// So many have been.
        keys: usize,
    },
}

impl RemoteConfig {
    /// These endpoints, the prefix `/sampan/`, no TLS and no user, and compaction after five
    /// minutes as kube-apiserver does it.
    pub fn new(endpoints: impl IntoIterator<Item = String>) -> RemoteConfig {
        RemoteConfig {
            endpoints: endpoints.into_iter().collect(),
            prefix: "/sampan/".into(),
            tls: None,
            login: None,
            options: store::Options::default(),
            compact_after: Some(Duration::from_secs(300)),
            reach_max: Duration::from_secs(30),
            on_progress: None,
        }
    }

    fn progress(&self, progress: Progress<'_>) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(progress);
        }
    }
}

/// Why a store could not be opened in an external etcd, or why it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No endpoint was given.
    #[error("no endpoint of etcd is given")]
    NoEndpoint,
    /// Without a prefix, everything in the etcd would be ours.
    #[error("the prefix of the keys in etcd is empty")]
    NoPrefix,
    /// An endpoint cannot be used.
    #[error("use the etcd endpoint {url}: {reason}")]
    Endpoint {
        /// As it was given.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// Certificates cannot be used.
    #[error("set up TLS to etcd")]
    Tls(#[from] TlsError),
    /// No member answered in time.
    #[error("reach etcd at {endpoints}")]
    Unreachable {
        /// All of them.
        endpoints: String,
        /// What the last one said.
        #[source]
        source: Status,
    },
    /// etcd answered, and would not let us.
    #[error("{action} in etcd")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// What it said.
        #[source]
        source: Status,
    },
    /// Another server writes the store now. This one must end.
    #[error("the store in etcd was taken over by {by}")]
    Deposed {
        /// What it says of itself.
        by: String,
    },
    /// A part of this crate panicked.
    #[error("a part of the store in etcd failed")]
    Failed(#[source] JoinError),
    /// The store was closed here.
    #[error("the store was closed")]
    Closed,
}

/// A store in an external etcd.
pub struct RemoteStore {
    /// The store.
    pub store: Store,
    /// Resolves when the store cannot go on, or was closed. It never does only because etcd is away.
    pub ended: Ended,
    /// The lease that holds the leader key; another one after that was lost and won again.
    pub lease: watch::Receiver<i64>,
}

/// See [`RemoteStore::ended`].
pub struct Ended(oneshot::Receiver<RemoteError>);

impl Future for Ended {
    type Output = RemoteError;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RemoteError> {
        Pin::new(&mut self.0).poll(context).map(|end| end.unwrap_or(RemoteError::Closed))
    }
}

/// Opens the store under the prefix: waits until no other server has it, and reads all of it.
///
/// # Errors
/// When the configuration cannot be used, when no member answers in time, or when etcd refuses what
/// is needed.
pub async fn open(config: RemoteConfig) -> Result<RemoteStore, RemoteError> {
    if config.prefix.is_empty() {
        return Err(RemoteError::NoPrefix);
    }
    let client = Client::new(&config)?;
    let keys = Keys::new(&config.prefix);
    load::reach(&client, &keys, &config).await?;
    let held = campaign::win(&client, &keys, &config).await?;
    let (store, mirror) = Store::mirrored(config.options.clone());
    let state = Arc::new(State::new(client, keys, mirror, &held));
    let (end, ended) = oneshot::channel();
    let mut tasks = JoinSet::new();
    // The lease must not run out while a large store is read.
    tasks.spawn(campaign::hold(state.clone(), held.clone()));
    let on_page = |keys| config.progress(Progress::Loading { keys });
    let loaded = match load::load(&state.client, &state.keys, on_page).await {
        Ok(loaded) => loaded,
        Err(source) => {
            close(state, tasks).await;
            return Err(RemoteError::Refused { action: "read the store", source });
        }
    };
    let cluster = loaded.cluster;
    state.reset(loaded);
    tasks.spawn(feed::run(state.clone(), cluster));
    if let Some(age) = config.compact_after {
        tasks.spawn(compaction::run(state.clone(), age));
    }
    let lease = state.lease.subscribe();
    tokio::spawn(supervise(state, tasks, end));
    Ok(RemoteStore { store, ended: Ended(ended), lease })
}

/// How a task of ours ended.
enum End {
    /// Another one is the leader.
    Deposed { by: String },
}

/// Serves requests until the store is closed.
async fn supervise(state: Arc<State>, mut tasks: JoinSet<End>, end: oneshot::Sender<RemoteError>) {
    let mut end = Some(end);
    let mut tell = |error: RemoteError| {
        tracing::error!(%error, "the store in etcd cannot go on");
        if let Some(end) = end.take() {
            // Nobody may be waiting for the end.
            let _ = end.send(error);
        }
    };
    let serving = requests::serve(state.clone());
    tokio::pin!(serving);
    loop {
        tokio::select! {
            () = &mut serving => break,
            Some(ended) = tasks.join_next() => match ended {
                Ok(End::Deposed { by }) => tell(RemoteError::Deposed { by }),
                Err(error) => {
                    tell(RemoteError::Failed(error));
                    break;
                }
            },
        }
    }
    close(state, tasks).await;
}

/// Gives the lease back, so that the next server need not wait, and closes the mirror.
async fn close(state: Arc<State>, mut tasks: JoinSet<End>) {
    tasks.shutdown().await;
    campaign::resign(&state, RESIGN_MAX).await;
    drop(state);
}

impl State {
    fn new(client: Client, keys: Keys, mirror: store::Mirror, held: &Held) -> State {
        State::leading(client, keys, mirror, held.term, held.lease)
    }
}
