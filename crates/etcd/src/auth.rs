//! Who may do what: users, roles and tokens.
//!
//! While authentication is off, every request passes and costs one load of a flag. While it is
//! on, a request belongs to a user by its token, or by the common name in the certificate of its
//! connection, and is checked against the merged ranges of the user's roles. Changes are durable
//! before they are seen.
//!
//! - `accounts`: users and roles, and etcd's rules for changing them
//! - `permissions`: merged ranges; `tokens`; `passwords`
//! - `service`: the Auth service; `record`: where it is kept

mod accounts;
mod error;
mod passwords;
mod permissions;
mod record;
mod service;
mod tokens;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use store::{Range, Store};
use tonic::{Request, Status};

pub(crate) use accounts::Accounts;
use accounts::{Change, ROOT, has_role, needs_no_password};
use error::AuthError;
use passwords::Passwords;
use permissions::Permissions;
pub(crate) use record::accounts_among;
pub(crate) use service::AuthService;
use tokens::Tokens;

use crate::error as client;
use crate::tls::PeerName;

/// Who sent a request, as far as permissions go.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Authentication was off: everybody may do everything.
    Anyone,
    /// Authentication is on, and the request says nothing of who it is from.
    Nobody,
    /// A user, as of a revision of the users and roles.
    User(Arc<str>, u64),
}

/// The users and roles, and whether they are asked for. Clones share them.
#[derive(Clone)]
pub(crate) struct Auth {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    client_cert_auth: bool,
    /// The same as in `view`, where it can be read at no cost.
    enabled: AtomicBool,
    view: RwLock<Arc<View>>,
    /// Held by whoever makes a change.
    changing: tokio::sync::Mutex<()>,
    tokens: Tokens,
    passwords: Passwords,
}

/// Users and roles as they are now, and what follows from them.
struct View {
    accounts: Accounts,
    permissions: HashMap<String, Permissions>,
}

impl View {
    fn new(accounts: Accounts) -> View {
        let users = accounts.users.iter();
        let permissions =
            users.map(|(name, user)| (name.clone(), accounts.permissions(user))).collect();
        View { accounts, permissions }
    }
}

impl Auth {
    /// Reads users and roles from the store.
    ///
    /// # Errors
    /// When the record is not one of ours.
    pub(crate) fn open(store: Store, client_cert_auth: bool) -> Result<Auth, prost::DecodeError> {
        let accounts = record::read(&store)?;
        let shared = Shared {
            store,
            client_cert_auth,
            enabled: AtomicBool::new(accounts.enabled),
            view: RwLock::new(Arc::new(View::new(accounts))),
            changing: tokio::sync::Mutex::new(()),
            tokens: Tokens::default(),
            passwords: Passwords::new(),
        };
        Ok(Auth { shared: Arc::new(shared) })
    }

    /// Who sent this request: by its token, or by the certificate of its connection.
    ///
    /// # Errors
    /// When its token is not valid (any more).
    pub(crate) fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        if !self.is_enabled() {
            return Ok(Caller::Anyone);
        }
        let revision = self.view().accounts.revision;
        let headers = request.metadata();
        if let Some(token) = headers.get("token").or_else(|| headers.get("authorization")) {
            let token = token.to_str().unwrap_or_default();
            let user = self.shared.tokens.user_of(token).ok_or(client::INVALID_AUTH_TOKEN)?;
            return Ok(Caller::User(user, revision));
        }
        // A gateway in between would lend its own certificate to everybody.
        let direct = headers.get("grpcgateway-accept").is_none();
        match request.extensions().get::<PeerName>() {
            Some(PeerName(name)) if self.shared.client_cert_auth && direct => {
                Ok(Caller::User(name.clone(), revision))
            }
            _ => Ok(Caller::Nobody),
        }
    }

    /// Whether the caller may read every key in the range.
    pub(crate) fn may_read(&self, caller: &Caller, range: &Range) -> Result<(), Status> {
        self.check(caller, |permissions| permissions.read.cover(range))
    }

    /// Whether the caller may write every key in the range.
    pub(crate) fn may_write(&self, caller: &Caller, range: &Range) -> Result<(), Status> {
        self.check(caller, |permissions| permissions.write.cover(range))
    }

    /// Whether the caller is a user, whatever it may do. What tells how the server is, is told to
    /// users only, as by etcd since 3.5.28.
    pub(crate) fn is_somebody(&self, caller: &Caller) -> Result<(), Status> {
        match caller {
            Caller::Nobody if self.is_enabled() => Err(client::USER_EMPTY.into()),
            _ => Ok(()),
        }
    }

    /// Whether the caller has the root role.
    pub(crate) fn is_admin(&self, caller: &Caller) -> Result<(), Status> {
        if !self.is_enabled() {
            return Ok(());
        }
        let Caller::User(name, _) = caller else {
            return Err(client::USER_EMPTY.into());
        };
        let view = self.view();
        match view.accounts.users.get(name.as_ref()) {
            _ if name.is_empty() => Err(client::USER_EMPTY.into()),
            Some(user) if has_role(user, ROOT) => Ok(()),
            _ => Err(client::PERMISSION_DENIED.into()),
        }
    }

    /// Users and roles as they are now.
    fn view(&self) -> Arc<View> {
        // What is under the lock is replaced, never changed: it is whole whatever happened.
        self.shared.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Acquire)
    }

    fn check(&self, caller: &Caller, permits: impl Fn(&Permissions) -> bool) -> Result<(), Status> {
        if !self.is_enabled() {
            return Ok(());
        }
        let Caller::User(name, revision) = caller else {
            return Err(client::USER_EMPTY.into());
        };
        let view = self.view();
        if *revision < view.accounts.revision {
            return Err(client::AUTH_OLD_REVISION.into());
        }
        let user = view.accounts.users.get(name.as_ref()).ok_or(client::PERMISSION_DENIED)?;
        let permitted =
            has_role(user, ROOT) || view.permissions.get(name.as_ref()).is_some_and(permits);
        if permitted { Ok(()) } else { Err(client::PERMISSION_DENIED.into()) }
    }

    /// Makes a change: decided on the users and roles as they are, kept, then seen by all.
    async fn change(
        &self,
        edit: impl FnOnce(&mut Accounts) -> Result<Change, AuthError> + Send + 'static,
    ) -> Result<(), AuthError> {
        let auth = self.clone();
        // A task of its own: a client that goes away must not leave what is kept and what is seen
        // apart.
        let made = tokio::spawn(async move {
            let _turn = auth.shared.changing.lock().await;
            let mut accounts = auth.view().accounts.clone();
            if edit(&mut accounts)? == Change::Made {
                accounts.revision += 1;
            }
            auth.keep(accounts).await
        });
        made.await.unwrap_or(Err(AuthError::Write(store::WriteError::Closed)))
    }

    async fn keep(&self, accounts: Accounts) -> Result<(), AuthError> {
        let before = self.view();
        if accounts == before.accounts {
            return Ok(());
        }
        let record = accounts.encode()?;
        record::write(&self.shared.store, record).await.map_err(AuthError::Write)?;
        let after = Arc::new(View::new(accounts));
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = after.clone();
        self.shared.enabled.store(after.accounts.enabled, Ordering::Release);
        self.take_back_tokens(&before.accounts, &after.accounts);
        Ok(())
    }

    /// Takes back the tokens of users that are gone or have another password, or all of them when
    /// nobody is asked for one any more.
    fn take_back_tokens(&self, before: &Accounts, after: &Accounts) {
        if !after.enabled {
            return self.shared.tokens.clear();
        }
        for (name, user) in &before.users {
            if after.users.get(name).is_none_or(|now| now.password != user.password) {
                self.shared.tokens.revoke(name);
            }
        }
    }

    /// A token for a user who knows the password.
    async fn authenticate(&self, name: &str, password: String) -> Result<String, AuthError> {
        let view = self.view();
        if !view.accounts.enabled {
            return Err(client::AUTH_NOT_ENABLED.into());
        }
        let user = view.accounts.users.get(name).ok_or(client::AUTH_FAILED)?;
        if needs_no_password(user) {
            return Err(AuthError::NoPasswordUser);
        }
        if !self.shared.passwords.fits(password, user.password.clone()).await? {
            tracing::info!(user = name, "a wrong password was given");
            return Err(client::AUTH_FAILED.into());
        }
        self.assign(name, &user.password)
    }

    /// A token, if the password that was checked still is the user's: checking took a while.
    fn assign(&self, name: &str, checked: &[u8]) -> Result<String, AuthError> {
        // A change takes back tokens after it is seen; what is assigned under the lock is seen by it.
        let view = self.shared.view.read().unwrap_or_else(PoisonError::into_inner);
        let accounts = &view.accounts;
        if !accounts.enabled {
            return Err(client::AUTH_NOT_ENABLED.into());
        }
        match accounts.users.get(name) {
            Some(user) if user.password == checked => {
                Ok(self.shared.tokens.assign(name, accounts.revision))
            }
            _ => Err(client::AUTH_FAILED.into()),
        }
    }
}

#[cfg(test)]
mod tests;
