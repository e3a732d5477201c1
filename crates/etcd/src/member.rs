//! Who we say we are. Shared by the services.

mod identity;

use store::{Revision, Store};
use tokio_util::sync::CancellationToken;

use self::identity::Identity;
use crate::auth::Auth;
use crate::calls::{Calls, Counts};
use crate::pb::etcdserverpb::ResponseHeader;
use crate::server::Config;

/// The version of etcd that we speak like.
pub(crate) const VERSION: &str = "3.5.21";

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Who we are could not be written down.
    #[error("keep the ids of the member in the store")]
    Ids(#[source] store::WriteError),
    /// The record of who we are is damaged.
    #[error("the record of the member's ids in the store is damaged")]
    Identity,
    /// The record of users and roles is damaged.
    #[error("read the users and roles in the store")]
    Auth(#[source] prost::DecodeError),
}

/// The one member of the cluster, and what its services share.
pub(crate) struct Member {
    /// What is served.
    pub(crate) store: Store,
    /// The cluster we say we are.
    pub(crate) cluster_id: u64,
    /// The member of it we say we are.
    pub(crate) member_id: u64,
    /// Counts the starts, as etcd's term does for a cluster of one.
    pub(crate) raft_term: u64,
    /// What it was asked to be.
    pub(crate) name: String,
    /// Where clients find it.
    pub(crate) client_urls: Vec<String>,
    /// How many bytes the key space may have.
    pub(crate) quota_bytes: u64,
    /// Users and roles.
    pub(crate) auth: Auth,
    /// The calls so far.
    pub(crate) calls: Calls,
    /// What else the services count.
    pub(crate) counts: Counts,
    /// Cancelled when the server goes: streams end then.
    pub(crate) closing: CancellationToken,
}

impl Member {
    pub(crate) async fn start(config: Config) -> Result<Member, StartError> {
        let identity = Identity::claim(&config.store).await?;
        Ok(Member {
            auth: Auth::open(config.store.clone(), config.client_cert_auth)
                .map_err(StartError::Auth)?,
            store: config.store,
            cluster_id: identity.cluster_id,
            member_id: identity.member_id,
            raft_term: identity.term,
            name: config.name,
            client_urls: config.client_urls,
            quota_bytes: config.quota_bytes,
            calls: Calls::new(),
            counts: Counts::default(),
            closing: CancellationToken::new(),
        })
    }

    /// The header of a response, with the newest revision.
    pub(crate) fn header(&self) -> ResponseHeader {
        self.header_at(self.store.revision())
    }

    /// The header of a response about a revision.
    pub(crate) fn header_at(&self, revision: Revision) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster_id,
            member_id: self.member_id,
            revision: int64(revision),
            raft_term: self.raft_term,
        }
    }
}

/// A revision as the API has it.
pub(crate) fn int64(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
