//! The Cluster service: one member, which is all there is.

use std::sync::Arc;

use store::Revision;
use tonic::{Request, Response, Status};

use crate::error;
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

    /// Checks that the request is an administrator's, and takes its message out.
    fn admin<T>(&self, request: Request<T>) -> Result<T, Status> {
        let caller = self.member.auth.caller(&request)?;
        self.member.auth.is_admin(&caller)?;
        Ok(request.into_inner())
    }

    /// Checks that a request is about the one member.
    fn is_ours(&self, id: u64) -> Result<(), Status> {
        if id == self.member.member_id { Ok(()) } else { Err(error::MEMBER_NOT_FOUND.into()) }
    }

    /// The answer to whoever wants to change the members, and may.
    fn refuse<A>(&self) -> Answer<A> {
        Err(Status::unimplemented(format!(
            "etcdserver: the cluster is the one member {:x} and stays so; \
             keep the state in an etcd cluster to have several",
            self.member.member_id
        )))
    }
}

/// Checks what others are to find a member under.
fn are_urls(urls: &[String]) -> Result<(), Status> {
    if !urls.is_empty() && urls.iter().all(|url| is_url(url)) {
        return Ok(());
    }
    Err(error::MEMBER_BAD_URLS.into())
}

/// Whether this is a scheme, a host and a port, as etcd wants it.
fn is_url(url: &str) -> bool {
    let Ok(parsed) = url.parse::<http::Uri>() else { return false };
    let known = matches!(parsed.scheme_str(), Some("http" | "https" | "unix" | "unixs"));
    known && parsed.port().is_some() && parsed.path() == "/" && !url.ends_with('/')
}

#[tonic::async_trait]
impl pb::cluster_server::Cluster for Cluster {
    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Answer<pb::MemberListResponse> {
        let caller = self.member.auth.caller(&request)?;
        self.member.auth.is_somebody(&caller)?;
        let member = pb::Member {
            id: self.member.member_id,
            name: self.member.name.clone(),
            // No other member ever calls; etcd's clients want a list that is not empty.
            peer_ur_ls: self.member.client_urls.clone(),
            client_ur_ls: self.member.client_urls.clone(),
            is_learner: false,
        };
        // Members have nothing to do with revisions of keys.
        let header = Some(self.member.header_at(Revision::NONE));
        Ok(Response::new(pb::MemberListResponse { header, members: vec![member] }))
    }

    async fn member_add(
        &self,
        request: Request<pb::MemberAddRequest>,
    ) -> Answer<pb::MemberAddResponse> {
        are_urls(&self.admin(request)?.peer_ur_ls)?;
        self.refuse()
    }

    async fn member_remove(
        &self,
        request: Request<pb::MemberRemoveRequest>,
    ) -> Answer<pb::MemberRemoveResponse> {
        self.is_ours(self.admin(request)?.id)?;
        self.refuse()
    }

    async fn member_update(
        &self,
        request: Request<pb::MemberUpdateRequest>,
    ) -> Answer<pb::MemberUpdateResponse> {
        let request = self.admin(request)?;
        are_urls(&request.peer_ur_ls)?;
        self.is_ours(request.id)?;
        self.refuse()
    }

    async fn member_promote(
        &self,
        request: Request<pb::MemberPromoteRequest>,
    ) -> Answer<pb::MemberPromoteResponse> {
        self.is_ours(self.admin(request)?.id)?;
        Err(error::MEMBER_NOT_LEARNER.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_member_has_scheme_host_and_port_and_no_more() {
        let check = |url, expected| assert_eq!(is_url(url), expected, "{url}");
        check("http://127.0.0.1:2380", true);
        check("https://[::1]:2380", true);
        check("not a url", false);
        check("http://127.0.0.1", false);
        check("http://127.0.0.1:2380/", false);
        check("http://127.0.0.1:2380/path", false);
        check("ftp://127.0.0.1:2380", false);
        check("127.0.0.1:2380", false);
    }
}
