//! Every call of the API that has one request and one reply.

use etcd::pb::etcdserverpb::*;
use etcd::pb::{v3electionpb, v3lockpb};
use tonic::{Request, Status};

use crate::masks::Mask;
use crate::peer::Peer;

macro_rules! asks {
    ($($name:ident($request:ty) = $service:ident.$call:ident;)+) => {
        /// A request.
        #[derive(Debug, Clone)]
        pub enum Ask {
            $($name($request)),+
        }

        $(impl From<$request> for Ask {
            fn from(request: $request) -> Ask {
                Ask::$name(request)
            }
        })+

        impl Peer {
            /// Asks, and shows the reply as text, without what differs between any two servers.
            pub async fn ask(&self, ask: Ask) -> Result<String, Status> {
                match ask {
                    $(Ask::$name(request) => {
                        let mut client = self.$service();
                        let request = self.signed(Request::new(request));
                        let mut reply = client.$call(request).await?.into_inner();
                        reply.mask();
                        Ok(format!("{reply:#?}"))
                    })+
                }
            }
        }
    };
}

asks! {
    Range(RangeRequest) = kv.range;
    Put(PutRequest) = kv.put;
    Delete(DeleteRangeRequest) = kv.delete_range;
    Txn(TxnRequest) = kv.txn;
    Compact(CompactionRequest) = kv.compact;
    Grant(LeaseGrantRequest) = lease.lease_grant;
    Revoke(LeaseRevokeRequest) = lease.lease_revoke;
    TimeToLive(LeaseTimeToLiveRequest) = lease.lease_time_to_live;
    Leases(LeaseLeasesRequest) = lease.lease_leases;
    Lock(v3lockpb::LockRequest) = lock.lock;
    Unlock(v3lockpb::UnlockRequest) = lock.unlock;
    Campaign(v3electionpb::CampaignRequest) = election.campaign;
    Proclaim(v3electionpb::ProclaimRequest) = election.proclaim;
    Leader(v3electionpb::LeaderRequest) = election.leader;
    Resign(v3electionpb::ResignRequest) = election.resign;
    AuthEnable(AuthEnableRequest) = auth.auth_enable;
    AuthDisable(AuthDisableRequest) = auth.auth_disable;
    AuthStatus(AuthStatusRequest) = auth.auth_status;
    Authenticate(AuthenticateRequest) = auth.authenticate;
    UserAdd(AuthUserAddRequest) = auth.user_add;
    UserGet(AuthUserGetRequest) = auth.user_get;
    UserList(AuthUserListRequest) = auth.user_list;
    UserDelete(AuthUserDeleteRequest) = auth.user_delete;
    UserChangePassword(AuthUserChangePasswordRequest) = auth.user_change_password;
    UserGrantRole(AuthUserGrantRoleRequest) = auth.user_grant_role;
    UserRevokeRole(AuthUserRevokeRoleRequest) = auth.user_revoke_role;
    RoleAdd(AuthRoleAddRequest) = auth.role_add;
    RoleGet(AuthRoleGetRequest) = auth.role_get;
    RoleList(AuthRoleListRequest) = auth.role_list;
    RoleDelete(AuthRoleDeleteRequest) = auth.role_delete;
    RoleGrant(AuthRoleGrantPermissionRequest) = auth.role_grant_permission;
    RoleRevoke(AuthRoleRevokePermissionRequest) = auth.role_revoke_permission;
    Alarm(AlarmRequest) = maintenance.alarm;
    Status(StatusRequest) = maintenance.status;
    Defragment(DefragmentRequest) = maintenance.defragment;
    Hash(HashRequest) = maintenance.hash;
    HashKv(HashKvRequest) = maintenance.hash_kv;
    MoveLeader(MoveLeaderRequest) = maintenance.move_leader;
    Downgrade(DowngradeRequest) = maintenance.downgrade;
    MemberAdd(MemberAddRequest) = cluster.member_add;
    MemberRemove(MemberRemoveRequest) = cluster.member_remove;
    MemberUpdate(MemberUpdateRequest) = cluster.member_update;
    MemberList(MemberListRequest) = cluster.member_list;
    MemberPromote(MemberPromoteRequest) = cluster.member_promote;
}
