//! The Auth service.

use std::sync::Arc;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use super::accounts::{Accounts, Change, has_role};
use super::{AuthError, Caller};
use crate::member::Member;
use crate::pb::authpb::UserAddOptions;
use crate::pb::etcdserverpb as pb;

/// The Auth service of a member.
pub(crate) struct AuthService {
    member: Arc<Member>,
}

type Answer<T> = Result<Response<T>, Status>;

impl AuthService {
    pub(crate) fn new(member: Arc<Member>) -> AuthService {
        AuthService { member }
    }

    /// Checks that the request is an administrator's, and takes its message out.
    fn admin<T>(&self, request: Request<T>) -> Result<T, Status> {
        let caller = self.member.auth.caller(&request)?;
        self.member.auth.is_admin(&caller)?;
        Ok(request.into_inner())
    }

    /// Makes a change; the answer is the header to reply with.
    async fn change(
        &self,
        edit: impl FnOnce(&mut Accounts) -> Result<Change, AuthError> + Send + 'static,
    ) -> Result<Option<pb::ResponseHeader>, Status> {
        self.member.auth.change(edit).await?;
        Ok(Some(self.member.header()))
    }

    async fn hash(&self, password: String) -> Result<Bytes, AuthError> {
        self.member.auth.shared.passwords.hash(password).await
    }
}

#[tonic::async_trait]
impl pb::auth_server::Auth for AuthService {
    async fn auth_enable(
        &self,
        request: Request<pb::AuthEnableRequest>,
    ) -> Answer<pb::AuthEnableResponse> {
        self.admin(request)?;
        // What is on already stays as it is, and the revision in any case.
        let header = self.change(|a| a.enable().map(|()| Change::None)).await?;
        tracing::info!("authentication is on");
        Ok(Response::new(pb::AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<pb::AuthDisableRequest>,
    ) -> Answer<pb::AuthDisableResponse> {
        self.admin(request)?;
        let header = self.change(Accounts::disable).await?;
        tracing::info!("authentication is off");
        Ok(Response::new(pb::AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        request: Request<pb::AuthStatusRequest>,
    ) -> Answer<pb::AuthStatusResponse> {
        self.admin(request)?;
        let view = self.member.auth.view();
        Ok(Response::new(pb::AuthStatusResponse {
            header: Some(self.member.header()),
            enabled: view.accounts.enabled,
            auth_revision: view.accounts.revision,
        }))
    }

    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Answer<pb::AuthenticateResponse> {
        let pb::AuthenticateRequest { name, password } = request.into_inner();
        let token = self.member.auth.authenticate(&name, password).await?;
        let header = Some(self.member.header());
        Ok(Response::new(pb::AuthenticateResponse { header, token }))
    }

    async fn user_add(
        &self,
        request: Request<pb::AuthUserAddRequest>,
    ) -> Answer<pb::AuthUserAddResponse> {
        let pb::AuthUserAddRequest { name, password, options, .. } = self.admin(request)?;
        let options = options.unwrap_or(UserAddOptions { no_password: false });
        let hash = if options.no_password { Bytes::new() } else { self.hash(password).await? };
        let header = self.change(move |a| a.user_add(&name, hash, options)).await?;
        Ok(Response::new(pb::AuthUserAddResponse { header }))
    }

    /// Users may look at themselves.
    async fn user_get(
        &self,
        request: Request<pb::AuthUserGetRequest>,
    ) -> Answer<pb::AuthUserGetResponse> {
        let auth = &self.member.auth;
        let caller = auth.caller(&request)?;
        let name = request.into_inner().name;
        let is_own = matches!(&caller, Caller::User(user, _) if **user == *name);
        if !is_own {
            auth.is_admin(&caller)?;
        }
        let roles = auth.view().accounts.user(&name)?.roles.clone();
        let header = Some(self.member.header());
        Ok(Response::new(pb::AuthUserGetResponse { header, roles }))
    }

    async fn user_list(
        &self,
        request: Request<pb::AuthUserListRequest>,
    ) -> Answer<pb::AuthUserListResponse> {
        self.admin(request)?;
        let users = self.member.auth.view().accounts.users.keys().cloned().collect();
        let header = Some(self.member.header());
        Ok(Response::new(pb::AuthUserListResponse { header, users }))
    }

    async fn user_delete(
        &self,
        request: Request<pb::AuthUserDeleteRequest>,
    ) -> Answer<pb::AuthUserDeleteResponse> {
        let name = self.admin(request)?.name;
        let header = self.change(move |a| a.user_delete(&name)).await?;
        Ok(Response::new(pb::AuthUserDeleteResponse { header }))
    }

    async fn user_change_password(
        &self,
        request: Request<pb::AuthUserChangePasswordRequest>,
    ) -> Answer<pb::AuthUserChangePasswordResponse> {
        let pb::AuthUserChangePasswordRequest { name, password, .. } = self.admin(request)?;
        let hash = self.hash(password).await?;
        let header = self.change(move |a| a.user_change_password(&name, hash)).await?;
        Ok(Response::new(pb::AuthUserChangePasswordResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<pb::AuthUserGrantRoleRequest>,
    ) -> Answer<pb::AuthUserGrantRoleResponse> {
        let pb::AuthUserGrantRoleRequest { user, role } = self.admin(request)?;
        let header = self.change(move |a| a.user_grant_role(&user, &role)).await?;
        Ok(Response::new(pb::AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<pb::AuthUserRevokeRoleRequest>,
    ) -> Answer<pb::AuthUserRevokeRoleResponse> {
        let pb::AuthUserRevokeRoleRequest { name, role } = self.admin(request)?;
        let header = self.change(move |a| a.user_revoke_role(&name, &role)).await?;
        Ok(Response::new(pb::AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<pb::AuthRoleAddRequest>,
    ) -> Answer<pb::AuthRoleAddResponse> {
        let name = self.admin(request)?.name;
        let header = self.change(move |a| a.role_add(&name)).await?;
        Ok(Response::new(pb::AuthRoleAddResponse { header }))
    }

    /// Users may look at the roles they have.
    async fn role_get(
        &self,
        request: Request<pb::AuthRoleGetRequest>,
    ) -> Answer<pb::AuthRoleGetResponse> {
        let auth = &self.member.auth;
        let caller = auth.caller(&request)?;
        let role = request.into_inner().role;
        let view = auth.view();
        let user = match &caller {
            Caller::User(user, _) => view.accounts.users.get(user.as_ref()),
            Caller::Anyone | Caller::Nobody => None,
        };
        if !user.is_some_and(|user| has_role(user, &role)) {
            auth.is_admin(&caller)?;
        }
        let perm = view.accounts.permissions_of(&role)?;
        let header = Some(self.member.header());
        Ok(Response::new(pb::AuthRoleGetResponse { header, perm }))
    }

    async fn role_list(
        &self,
        request: Request<pb::AuthRoleListRequest>,
    ) -> Answer<pb::AuthRoleListResponse> {
        self.admin(request)?;
        let roles = self.member.auth.view().accounts.roles.keys().cloned().collect();
        let header = Some(self.member.header());
        Ok(Response::new(pb::AuthRoleListResponse { header, roles }))
    }

    async fn role_delete(
        &self,
        request: Request<pb::AuthRoleDeleteRequest>,
    ) -> Answer<pb::AuthRoleDeleteResponse> {
        let role = self.admin(request)?.role;
        let header = self.change(move |a| a.role_delete(&role)).await?;
        Ok(Response::new(pb::AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<pb::AuthRoleGrantPermissionRequest>,
    ) -> Answer<pb::AuthRoleGrantPermissionResponse> {
        let pb::AuthRoleGrantPermissionRequest { name, perm } = self.admin(request)?;
        let header = self.change(move |a| a.role_grant(&name, perm)).await?;
        Ok(Response::new(pb::AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<pb::AuthRoleRevokePermissionRequest>,
    ) -> Answer<pb::AuthRoleRevokePermissionResponse> {
        let pb::AuthRoleRevokePermissionRequest { role, key, range_end } = self.admin(request)?;
        let header = self.change(move |a| a.role_revoke(&role, &key, &range_end)).await?;
        Ok(Response::new(pb::AuthRoleRevokePermissionResponse { header }))
    }
}
