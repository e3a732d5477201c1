//! The Election service: a leader by name, as long as its lease.

mod observe;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use store::{Compare, LeaseId, Op, Revision, Txn, TxnReply};
use tonic::{Request, Response, Status};

use self::observe::{Observer, first};
use crate::auth::Caller;
use crate::claim::{Claim, Lost, may_attach, queue, session, through_client};
use crate::error;
use crate::kv::key_value;
use crate::member::{Member, int64};
use crate::pb::v3electionpb::election_server;
use crate::pb::v3electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};

const NOT_LEADER: &str = "election: not leader";
const NO_LEADER: &str = "election: no leader";
const MISSING_LEADER_KEY: &str = "\"leader\" field must be provided";

/// The Election service of a member.
pub(crate) struct Election {
    member: Arc<Member>,
}

impl Election {
    pub(crate) fn new(member: Arc<Member>) -> Election {
        Election { member }
    }

    async fn campaign(
        &self,
        caller: &Caller,
        request: CampaignRequest,
    ) -> Result<CampaignResponse, Status> {
        let CampaignRequest { name, lease, value } = request;
        let claim = Claim::make(&self.member, caller, &name, lease, &value).await?;
        if claim.found.as_ref().is_some_and(|found| found.value != value) {
            self.change(claim.holds(), claim.key.clone(), &value, claim.lease).await?;
        }
        claim.turn(&self.member).await.map_err(|lost| self.lost(&claim, &lost))?;
        let leader =
            LeaderKey { name, key: claim.key, rev: int64(claim.place), lease: claim.lease.0 };
        let header = Some(self.member.header_at(claim.revision));
        Ok(CampaignResponse { header, leader: Some(leader) })
    }

    /// What a campaign is told whose key is gone. etcd, when the others are gone too, calls it the
    /// leader.
    fn lost(&self, claim: &Claim, lost: &Lost) -> Status {
        match lost {
            Lost::Stopped => error::STOPPED.into(),
            Lost::Key if self.member.store.lease(claim.lease).is_none() => {
                error::LEASE_NOT_FOUND.into()
            }
            Lost::Key => Status::unknown(NOT_LEADER),
        }
    }

    async fn proclaim(
        &self,
        caller: &Caller,
        request: ProclaimRequest,
    ) -> Result<ProclaimResponse, Status> {
        let leader = request.leader.ok_or_else(|| Status::unknown(MISSING_LEADER_KEY))?;
        let lease = session(&self.member, leader.lease).await?;
        let (holds, key) = leadership(leader)?;
        may_attach(&self.member, caller, &key, lease)?;
        let reply = self.change(holds, key, &request.value, lease).await?;
        Ok(ProclaimResponse { header: Some(self.member.header_at(reply.revision)) })
    }

    /// Gives a leader's key another value, if it still is the leader's.
    async fn change(
        &self,
        holds: Compare,
        key: Bytes,
        value: &[u8],
        lease: LeaseId,
    ) -> Result<TxnReply, Status> {
        let txn =
            Txn::new().when(holds).then(Op::put_leased(key, Bytes::copy_from_slice(value), lease));
        let reply = self.member.store.commit(txn).await.map_err(error::write)?;
        if reply.succeeded { Ok(reply) } else { Err(Status::unknown(NOT_LEADER)) }
    }

    fn leader(&self, caller: &Caller, request: &LeaderRequest) -> Result<LeaderResponse, Status> {
        let queue = queue(&request.name);
        self.member.auth.may_read(caller, &queue)?;
        let found = self.member.store.range(&queue, None, 0).map_err(error::read)?;
        let leader = first(found.entries).ok_or_else(|| Status::unknown(NO_LEADER))?;
        let header = Some(self.member.header_at(found.revision));
        Ok(LeaderResponse { header, kv: Some(key_value(leader)) })
    }

    async fn resign(
        &self,
        caller: &Caller,
        request: ResignRequest,
    ) -> Result<ResignResponse, Status> {
        let leader = request.leader.ok_or_else(|| Status::unknown(MISSING_LEADER_KEY))?;
        let (holds, key) = leadership(leader)?;
        may_attach(&self.member, caller, &key, LeaseId::NONE)?;
        let txn = Txn::new().when(holds).then(Op::delete(key));
        let reply = self.member.store.commit(txn).await.map_err(error::write)?;
        Ok(ResignResponse { header: Some(self.member.header_at(reply.revision)) })
    }
}

#[tonic::async_trait]
impl election_server::Election for Election {
    type ObserveStream = Pin<Box<dyn Stream<Item = Result<LeaderResponse, Status>> + Send>>;

    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let response = Election::campaign(self, &caller, request.into_inner()).await;
        response.map(Response::new).map_err(through_client)
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let response = Election::proclaim(self, &caller, request.into_inner()).await;
        response.map(Response::new).map_err(through_client)
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let response = Election::leader(self, &caller, request.get_ref());
        response.map(Response::new).map_err(through_client)
    }

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let queue = queue(&request.get_ref().name);
        self.member.auth.may_read(&caller, &queue).map_err(through_client)?;
        let observer = Observer::new(self.member.clone(), queue);
        Ok(Response::new(Box::pin(observer.responses())))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let response = Election::resign(self, &caller, request.into_inner()).await;
        response.map(Response::new).map_err(through_client)
    }
}

/// What holds while the key of a leader is the one it won with, and that key.
fn leadership(leader: LeaderKey) -> Result<(Compare, Bytes), Status> {
    if leader.key.is_empty() {
        return Err(error::EMPTY_KEY.into());
    }
    // No key was ever created at a negative revision, and none at the last one there could be.
    let place = Revision(u64::try_from(leader.rev).unwrap_or(u64::MAX));
    let key = Bytes::copy_from_slice(&leader.key);
    Ok((Compare::create_revision(key.clone(), place), key))
}
