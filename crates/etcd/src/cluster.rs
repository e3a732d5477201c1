//! The Cluster service: one member, which is all there is.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::member::Member;
use crate::pb::etcdserverpb as pb;

/// The Cluster service of a member.
pub(crate) struct Cluster {
    member: Arc<Member>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Cluster {
    pub(crate) fn new(member: Arc<Member>) -> Cluster {
        Cluster { member }
    }

    /// The answer to whoever wants to change the members, and may.
    fn refuse<T, A>(&self, request: &Request<T>) -> Answer<A> {
        let caller = self.member.auth.caller(request)?;
        self.member.auth.is_admin(&caller)?;
        Err(Status::unimplemented(format!(
            "etcdserver: the cluster is the one member {:x} and stays so; \
             keep the state in an etcd cluster to have several",
            self.member.member_id
        )))
    }
}

#[tonic::async_trait]
impl pb::cluster_server::Cluster for Cluster {
    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Answer<pb::MemberListResponse> {
        self.member.auth.caller(&request)?;
        let member = pb::Member {
            id: self.member.member_id,
            name: self.member.name.clone(),
            // No other member ever calls; etcd's clients want a list that is not empty.
            peer_ur_ls: self.member.client_urls.clone(),
            client_ur_ls: self.member.client_urls.clone(),
            is_learner: false,
        };
        let header = Some(self.member.header());
        Ok(Response::new(pb::MemberListResponse { header, members: vec![member] }))
    }

    async fn member_add(
        &self,
        request: Request<pb::MemberAddRequest>,
    ) -> Answer<pb::MemberAddResponse> {
        self.refuse(&request)
    }

    async fn member_remove(
        &self,
        request: Request<pb::MemberRemoveRequest>,
    ) -> Answer<pb::MemberRemoveResponse> {
        self.refuse(&request)
    }

    async fn member_update(
        &self,
        request: Request<pb::MemberUpdateRequest>,
    ) -> Answer<pb::MemberUpdateResponse> {
        self.refuse(&request)
    }

    async fn member_promote(
        &self,
        request: Request<pb::MemberPromoteRequest>,
    ) -> Answer<pb::MemberPromoteResponse> {
        self.refuse(&request)
    }
}
