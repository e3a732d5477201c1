//! The Lease service: keys that go when nobody keeps them alive.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::Stream;
use store::{LeaseId, Range, WriteError};
use tonic::{Request, Response, Status, Streaming};

use crate::auth::Caller;
use crate::error;
use crate::member::Member;
use crate::pb::etcdserverpb::lease_server;
use crate::pb::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};

/// The longest and the shortest time to live, in seconds, as in etcd. Shorter ones are raised.
const TTL_SECONDS_MAX: i64 = 9_000_000_000;
const TTL_SECONDS_MIN: i64 = 2;

/// What is said of a lease that is not there.
const NO_TTL: i64 = -1;

/// The Lease service of a member.
#[derive(Clone)]
pub(crate) struct Lease {
    member: Arc<Member>,
}

impl Lease {
    pub(crate) fn new(member: Arc<Member>) -> Lease {
        Lease { member }
    }

    /// Whoever ends a lease, or puts its end off, decides about its keys.
    fn may_end(&self, caller: &Caller, id: LeaseId) -> Result<(), Status> {
        let auth = &self.member.auth;
        self.each_key(caller, id, |range| auth.may_write(caller, range))
    }

    fn may_see_keys(&self, caller: &Caller, id: LeaseId) -> Result<(), Status> {
        let auth = &self.member.auth;
        self.each_key(caller, id, |range| auth.may_read(caller, range))
    }

    fn each_key(
        &self,
        caller: &Caller,
        id: LeaseId,
        check: impl Fn(&Range) -> Result<(), Status>,
    ) -> Result<(), Status> {
        if let Caller::Anyone = caller {
            return Ok(());
        }
        self.member.store.lease_keys(id).into_iter().try_for_each(|key| check(&Range::key(key)))
    }

    /// Keeps one lease alive. The header is made before, so that no client sees a lease kept alive
    /// at a revision at which it was gone.
    async fn keep_alive(
        &self,
        caller: &Request<()>,
        id: LeaseId,
    ) -> Result<LeaseKeepAliveResponse, Status> {
        self.may_end(&self.member.auth.caller(caller)?, id)?;
        let header = Some(self.member.header());
        let ttl = match self.member.store.keep_alive(id).await {
            Ok(lease) => {
                self.member.counts.leases_renewed.fetch_add(1, Ordering::Relaxed);
                seconds(lease.ttl)
            }
            Err(WriteError::LeaseNotFound) => 0,
            Err(refused) => return Err(error::write(refused)),
        };
        Ok(LeaseKeepAliveResponse { header, id: id.0, ttl })
    }
}

/// A stream of keep-alives; answered in the order in which they come.
struct KeepAlives {
    lease: Lease,
    caller: Request<()>,
    requests: Streaming<LeaseKeepAliveRequest>,
}

impl KeepAlives {
    async fn next(&mut self) -> Option<Result<LeaseKeepAliveResponse, Status>> {
        let request = tokio::select! {
            request = self.requests.message() => request,
            () = self.lease.member.closing.cancelled() => Err(error::STOPPED.into()),
        };
        match request {
            Ok(Some(request)) => {
                Some(self.lease.keep_alive(&self.caller, LeaseId(request.id)).await)
            }
            Ok(None) => None,
            Err(status) => Some(Err(status)),
        }
    }

    fn responses(self) -> impl Stream<Item = Result<LeaseKeepAliveResponse, Status>> {
        futures::stream::unfold(Some(self), |stream| async {
            let mut stream = stream?;
            let response = stream.next().await?;
            let rest = response.is_ok().then_some(stream);
            Some((response, rest))
        })
    }
}

#[tonic::async_trait]
impl lease_server::Lease for Lease {
    type LeaseKeepAliveStream =
        Pin<Box<dyn Stream<Item = Result<LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        self.member.auth.caller(&request)?;
        let LeaseGrantRequest { ttl, id } = *request.get_ref();
        if ttl > TTL_SECONDS_MAX {
            return Err(error::LEASE_TTL_TOO_LARGE.into());
        }
        let ttl = Duration::from_secs(ttl.max(TTL_SECONDS_MIN).unsigned_abs());
        let granted = self.member.store.grant_lease(LeaseId(id), ttl).await;
        let lease = granted.map_err(error::write)?;
        Ok(Response::new(LeaseGrantResponse {
            header: Some(self.member.header()),
            id: lease.id.0,
            ttl: seconds(lease.ttl),
            error: String::new(),
        }))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let id = LeaseId(request.get_ref().id);
        self.may_end(&self.member.auth.caller(&request)?, id)?;
        let revision = self.member.store.revoke_lease(id).await.map_err(error::write)?;
        let header = Some(self.member.header_at(revision));
        Ok(Response::new(LeaseRevokeResponse { header }))
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let (metadata, extensions, requests) = request.into_parts();
        let caller = Request::from_parts(metadata, extensions, ());
        let stream = KeepAlives { lease: self.clone(), caller, requests };
        Ok(Response::new(Box::pin(stream.responses())))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let LeaseTimeToLiveRequest { id, keys } = *request.get_ref();
        let caller = self.member.auth.caller(&request)?;
        if keys {
            self.may_see_keys(&caller, LeaseId(id))?;
        }
        let store = &self.member.store;
        let (ttl, granted_ttl, keys) = match store.lease(LeaseId(id)) {
            Some(lease) => {
                let keys = if keys { store.lease_keys(lease.id) } else { Vec::new() };
                (seconds(lease.remaining), seconds(lease.ttl), keys)
            }
            None => (NO_TTL, 0, Vec::new()),
        };
        let header = Some(self.member.header());
        Ok(Response::new(LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys }))
    }

    /// Those that end soonest come first.
    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let caller = self.member.auth.caller(&request)?;
        let store = &self.member.store;
        let mut leases = store.leases();
        for id in &leases {
            self.may_see_keys(&caller, *id)?;
        }
        leases.sort_by_cached_key(|id| store.lease(*id).map(|lease| lease.remaining));
        let leases = leases.into_iter().map(|id| LeaseStatus { id: id.0 }).collect();
        Ok(Response::new(LeaseLeasesResponse { header: Some(self.member.header()), leases }))
    }
}

/// Whole seconds, cut off as etcd does.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
