//! Reads from etcd: whether it is there, one key, and all of the store at one revision.

use bytes::Bytes;
use store::{KeyValue, Revision};
use tokio::time::Instant;
use tonic::Status;

use super::client::{Client, Repeat};
use super::keys::{Keys, revision, signed};
use super::{RemoteConfig, RemoteError};
use crate::pb::etcdserverpb::kv_client::KvClient;
use crate::pb::etcdserverpb::{RangeRequest, RangeResponse, ResponseHeader};
use crate::pb::mvccpb;

/// Keys read at once.
const PAGE_KEYS: i64 = 500;

/// When history is compacted under a load, it begins again, at most so often.
const LOADS_MAX: usize = 10;

/// One page may take so long, on all members together.
const PAGE_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";

/// All of the store at one revision.
pub(super) struct Loaded {
    pub entries: Vec<KeyValue>,
    pub revision: Revision,
    /// The cluster it was read from.
    pub cluster: u64,
}

/// Whether any member answers.
pub(super) async fn reach(
    client: &Client,
    keys: &Keys,
    config: &RemoteConfig,
) -> Result<(), RemoteError> {
    match leader(client, keys, Instant::now() + config.reach_max).await {
        Ok(_) => Ok(()),
        Err(source) if is_away(&source) => {
            Err(RemoteError::Unreachable { endpoints: config.endpoints.join(", "), source })
        }
        Err(source) => Err(RemoteError::Refused { action: "read the leader key", source }),
    }
}

/// Whether an error says that nobody answered, rather than what was answered.
pub(super) fn is_away(status: &Status) -> bool {
    use tonic::Code;
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
        || std::error::Error::source(status).is_some()
}

/// The leader key as the whole cluster sees it now.
pub(super) async fn leader(
    client: &Client,
    keys: &Keys,
    deadline: Instant,
) -> Result<(ResponseHeader, Option<mvccpb::KeyValue>), Status> {
    let request = RangeRequest { key: keys.leader.clone(), ..RangeRequest::default() };
    let mut answer = range(client, deadline, &request).await?;
    Ok((answer.header.unwrap_or_default(), answer.kvs.pop()))
}

async fn range(
    client: &Client,
    deadline: Instant,
    request: &RangeRequest,
) -> Result<RangeResponse, Status> {
    let rpc = |channel, request| async move {
        KvClient::new(channel).max_decoding_message_size(usize::MAX).range(request).await
    };
    client.call(Repeat::Always, deadline, request, rpc).await
}

/// Reads all of the store, page by page; says after each how many keys there are so far.
pub(super) async fn load(
    client: &Client,
    keys: &Keys,
    on_page: impl Fn(usize),
) -> Result<Loaded, Status> {
    for _ in 1..LOADS_MAX {
        match load_at_once(client, keys, &on_page).await {
            Err(status) if status.message() == COMPACTED => {
                tracing::info!("etcd was compacted while the store was read; reading it again");
            }
            outcome => return outcome,
        }
    }
    load_at_once(client, keys, &on_page).await
}

async fn load_at_once(
    client: &Client,
    keys: &Keys,
    on_page: &impl Fn(usize),
) -> Result<Loaded, Status> {
    let span = keys.data();
    let mut request = RangeRequest {
        key: span.key,
        range_end: span.range_end,
        limit: PAGE_KEYS,
        ..RangeRequest::default()
    };
    let mut loaded = Loaded { entries: Vec::new(), revision: Revision::NONE, cluster: 0 };
    loop {
        let answer = range(client, Instant::now() + PAGE_TIME_MAX, &request).await?;
        if loaded.revision == Revision::NONE {
            // The first page says which revision the others are read at.
            let header = answer.header.unwrap_or_default();
            loaded.revision = revision(header.revision);
            loaded.cluster = header.cluster_id;
            request.revision = signed(loaded.revision.0);
        }
        loaded.entries.extend(answer.kvs.iter().filter_map(|kv| keys.key_value(kv)));
        on_page(loaded.entries.len());
        match answer.kvs.last() {
            Some(last) if answer.more => request.key = Bytes::from([&last.key[..], &[0]].concat()),
            _ => return Ok(loaded),
        }
    }
}
