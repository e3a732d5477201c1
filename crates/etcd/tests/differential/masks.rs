//! What must differ between any two servers is taken out of a reply. All else is compared.

use etcd::pb::etcdserverpb::*;
use etcd::pb::{v3electionpb, v3lockpb};

/// Seconds that may have gone by since a lease was granted.
const SECONDS_PASSED_MAX: i64 = 3;

/// A reply that can be compared with another server's.
pub trait Mask {
    fn mask(&mut self);
}

impl Mask for Option<ResponseHeader> {
    /// Ids and the term of raft. The revision stays.
    fn mask(&mut self) {
        if let Some(header) = self {
            let known = header.cluster_id != 0 && header.member_id != 0 && header.raft_term != 0;
            // A part of a transaction has a header without them.
            let empty = header.cluster_id == 0 && header.member_id == 0 && header.raft_term == 0;
            assert!(known || empty, "{header:?}");
            (header.cluster_id, header.member_id) = (u64::from(known), u64::from(known));
            header.raft_term = u64::from(known);
        }
    }
}

macro_rules! header_only {
    ($($reply:ty),+ $(,)?) => {$(
        impl Mask for $reply {
            fn mask(&mut self) {
                self.header.mask();
            }
        }
    )+};
}

header_only! {
    RangeResponse, PutResponse, DeleteRangeResponse, TxnResponse, CompactionResponse,
    LeaseRevokeResponse, LeaseLeasesResponse, v3lockpb::LockResponse, v3lockpb::UnlockResponse,
    v3electionpb::CampaignResponse, v3electionpb::ProclaimResponse, v3electionpb::LeaderResponse,
    v3electionpb::ResignResponse, AuthEnableResponse, AuthDisableResponse, AuthStatusResponse,
    AuthUserAddResponse, AuthUserGetResponse, AuthUserListResponse, AuthUserDeleteResponse,
    AuthUserChangePasswordResponse, AuthUserGrantRoleResponse, AuthUserRevokeRoleResponse,
    AuthRoleAddResponse, AuthRoleGetResponse, AuthRoleListResponse, AuthRoleDeleteResponse,
    AuthRoleGrantPermissionResponse, AuthRoleRevokePermissionResponse, AlarmResponse,
    DefragmentResponse, MoveLeaderResponse, DowngradeResponse, LeaseKeepAliveResponse,
    WatchResponse,
}

impl Mask for LeaseGrantResponse {
    /// Ids in conversations are below 2^32; one that the server chose is far above.
    fn mask(&mut self) {
        self.header.mask();
        if self.id > 1 << 32 {
            self.id = i64::MAX;
        }
    }
}

impl Mask for LeaseTimeToLiveResponse {
    fn mask(&mut self) {
        self.header.mask();
        let passed = self.granted_ttl - self.ttl;
        // etcd tells them in the order of a map, which is any.
        self.keys.sort();
        if self.ttl > 0 && (0..=SECONDS_PASSED_MAX).contains(&passed) {
            self.ttl = self.granted_ttl;
        }
    }
}

impl Mask for AuthenticateResponse {
    fn mask(&mut self) {
        self.header.mask();
        assert!(!self.token.is_empty());
        self.token.clear();
    }
}

impl Mask for StatusResponse {
    fn mask(&mut self) {
        self.header.mask();
        assert!(self.version.starts_with("3."), "{self:?}");
        assert!(self.db_size > 0 && self.leader != 0 && self.raft_term != 0, "{self:?}");
        assert!(self.raft_index > 0 && self.raft_applied_index > 0, "{self:?}");
        assert!((0..=self.db_size).contains(&self.db_size_in_use), "{self:?}");
        self.version.clear();
        (self.db_size, self.db_size_in_use) = (1, 1);
        (self.leader, self.raft_term, self.raft_index, self.raft_applied_index) = (1, 1, 1, 1);
    }
}

impl Mask for HashResponse {
    fn mask(&mut self) {
        self.header.mask();
        self.hash = 0;
    }
}

impl Mask for HashKvResponse {
    fn mask(&mut self) {
        self.header.mask();
        self.hash = 0;
    }
}

/// Members have ids and addresses of their own.
fn mask_members(members: &mut [Member]) {
    for member in members {
        assert_ne!(member.id, 0);
        assert!(!member.name.is_empty());
        assert!(member.client_ur_ls.iter().all(|url| url.starts_with("http://127.0.0.1:")));
        member.id = 1;
        member.client_ur_ls = vec![member.client_ur_ls.len().to_string()];
        member.peer_ur_ls = vec![member.peer_ur_ls.len().to_string()];
    }
}

macro_rules! members {
    ($($reply:ty),+) => {$(
        impl Mask for $reply {
            fn mask(&mut self) {
                self.header.mask();
                mask_members(&mut self.members);
            }
        }
    )+};
}

members!(MemberAddResponse, MemberRemoveResponse, MemberUpdateResponse, MemberListResponse);
members!(MemberPromoteResponse);
