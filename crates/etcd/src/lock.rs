//! The Lock service: locks by name, held as long as a lease.

use std::sync::Arc;

use store::{Op, Range, Txn};
use tonic::{Request, Response, Status};

use crate::claim::{Claim, Lost, through_client};
use crate::error;
use crate::member::Member;
use crate::pb::v3lockpb::lock_server;
use crate::pb::v3lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};

const SESSION_EXPIRED: &str = "mutex: session is expired";

/// The Lock service of a member.
pub(crate) struct Lock {
    member: Arc<Member>,
}

impl Lock {
    pub(crate) fn new(member: Arc<Member>) -> Lock {
        Lock { member }
    }

    async fn unlock(&self, request: &Request<UnlockRequest>) -> Result<UnlockResponse, Status> {
        let caller = self.member.auth.caller(request)?;
        let key = Range::key(request.get_ref().key.clone());
        if key.start().is_empty() {
            return Err(error::EMPTY_KEY.into());
        }
        self.member.auth.may_write(&caller, &key)?;
        let delete = Txn::new().then(Op::delete_range(key));
        let reply = self.member.store.commit(delete).await.map_err(error::write)?;
        Ok(UnlockResponse { header: Some(self.member.header_at(reply.revision)) })
    }
}

#[tonic::async_trait]
impl lock_server::Lock for Lock {
    /// Waits for the lock; a lease that ends before is an error. etcd says so only when the lock
    /// is free, we at once.
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let caller = self.member.auth.caller(&request).map_err(through_client)?;
        let LockRequest { name, lease } = request.into_inner();
        let claim = Claim::make(&self.member, &caller, &name, lease, b"").await;
        let claim = claim.map_err(through_client)?;
        let revision = claim.turn(&self.member).await.map_err(|lost| match lost {
            Lost::Key => Status::unknown(SESSION_EXPIRED),
            Lost::Stopped => error::STOPPED.into(),
        })?;
        let header = Some(self.member.header_at(revision));
        Ok(Response::new(LockResponse { header, key: claim.key }))
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        Lock::unlock(self, &request).await.map(Response::new).map_err(through_client)
    }
}
