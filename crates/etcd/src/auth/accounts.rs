//! The users and roles, and every change to them with etcd's checks. No I/O.
//!
//! All of it is one record in the store, so that no crash can leave half of a change.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::AuthError;
use super::permissions::{Permissions, is_valid};
use crate::error;
use crate::pb::authpb::{Permission, Role, User, UserAddOptions, permission};

/// The user that must exist while authentication is on, and the role that may do everything.
pub(super) const ROOT: &str = "root";

/// What all users and roles may take together.
const BYTES_MAX: usize = 1 << 20;

/// A longer name could not be a key in an etcd database.
const NAME_BYTES_MAX: usize = 16 << 10;

/// Users, roles, and whether they are asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accounts {
    /// Whether requests need a user.
    pub(crate) enabled: bool,
    /// Grows with every change.
    pub(crate) revision: u64,
    /// By name.
    pub(crate) users: BTreeMap<String, User>,
    /// By name.
    pub(crate) roles: BTreeMap<String, Role>,
}

impl Default for Accounts {
    /// As in a new cluster, which etcd begins at revision 1.
    fn default() -> Accounts {
        Accounts { enabled: false, revision: 1, users: BTreeMap::new(), roles: BTreeMap::new() }
    }
}

/// How [`Accounts`] are kept.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(bool, tag = "1")]
    enabled: bool,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(message, repeated, tag = "3")]
    users: Vec<User>,
    #[prost(message, repeated, tag = "4")]
    roles: Vec<Role>,
}

/// Whether a request changed anything; if not, the revision stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Made,
    None,
}

type Changed = Result<Change, AuthError>;

impl Accounts {
    /// Reads what [`Accounts::encode`] made.
    pub(super) fn decode(record: Bytes) -> Result<Accounts, prost::DecodeError> {
        let record = Record::decode(record)?;
        let name = |name: &Bytes| String::from_utf8_lossy(name).into_owned();
        Ok(Accounts {
            enabled: record.enabled,
            revision: record.revision,
            users: record.users.into_iter().map(|user| (name(&user.name), user)).collect(),
            roles: record.roles.into_iter().map(|role| (name(&role.name), role)).collect(),
        })
    }

    /// The record to keep.
    pub(super) fn encode(&self) -> Result<Bytes, AuthError> {
        let record = Record {
            enabled: self.enabled,
            revision: self.revision,
            users: self.users.values().cloned().collect(),
            roles: self.roles.values().cloned().collect(),
        };
        if record.encoded_len() > BYTES_MAX {
            return Err(AuthError::TooMuch { max: BYTES_MAX });
        }
        Ok(record.encode_to_vec().into())
    }

    pub(super) fn user(&self, name: &str) -> Result<&User, AuthError> {
        self.users.get(name).ok_or(AuthError::Known(error::USER_NOT_FOUND))
    }

    pub(super) fn role(&self, name: &str) -> Result<&Role, AuthError> {
        self.roles.get(name).ok_or(AuthError::Known(error::ROLE_NOT_FOUND))
    }

    /// What a role permits; root's is everything and needs no list.
    pub(super) fn permissions_of(&self, role: &str) -> Result<Vec<Permission>, AuthError> {
        let found = self.role(role)?;
        Ok(if role == ROOT { vec![everything()] } else { found.key_permission.clone() })
    }

    /// What a user's roles add up to.
    pub(super) fn permissions(&self, user: &User) -> Permissions {
        let roles = user.roles.iter().filter_map(|role| self.roles.get(role));
        Permissions::of(roles.flat_map(|role| &role.key_permission))
    }

    /// Turns authentication on. That alone is no change of revision.
    pub(super) fn enable(&mut self) -> Result<(), AuthError> {
        let root = self.users.get(ROOT).ok_or(error::ROOT_USER_NOT_EXIST)?;
        if !has_role(root, ROOT) {
            return Err(error::ROOT_ROLE_NOT_EXIST.into());
        }
        self.enabled = true;
        Ok(())
    }

    pub(super) fn disable(&mut self) -> Changed {
        if !self.enabled {
            return Ok(Change::None);
        }
        self.enabled = false;
        Ok(Change::Made)
    }

    pub(super) fn user_add(&mut self, name: &str, hash: Bytes, options: UserAddOptions) -> Changed {
        if name.is_empty() {
            return Err(error::USER_EMPTY.into());
        }
        if self.users.contains_key(name) {
            return Err(error::USER_EXISTS.into());
        }
        let user = User {
            name: kept_name(name)?,
            password: hash,
            roles: Vec::new(),
            options: Some(options),
        };
        self.users.insert(name.to_owned(), user);
        Ok(Change::Made)
    }

    pub(super) fn user_delete(&mut self, name: &str) -> Changed {
        if self.enabled && name == ROOT {
            return Err(error::INVALID_AUTH_MANAGEMENT.into());
        }
        self.users.remove(name).ok_or(error::USER_NOT_FOUND)?;
        Ok(Change::Made)
    }

    pub(super) fn user_change_password(&mut self, name: &str, hash: Bytes) -> Changed {
        let user = self.user_mut(name)?;
        user.password = if needs_no_password(user) { Bytes::new() } else { hash };
        Ok(Change::Made)
    }

    pub(super) fn user_grant_role(&mut self, name: &str, role: &str) -> Changed {
        let known = role == ROOT || self.roles.contains_key(role);
        let user = self.user_mut(name)?;
        if !known {
            return Err(error::ROLE_NOT_FOUND.into());
        }
        match user.roles.binary_search_by(|has| has.as_str().cmp(role)) {
            Ok(_) => Ok(Change::None),
            Err(place) => {
                user.roles.insert(place, role.to_owned());
                Ok(Change::Made)
            }
        }
    }

    pub(super) fn user_revoke_role(&mut self, name: &str, role: &str) -> Changed {
        if self.enabled && name == ROOT && role == ROOT {
            return Err(error::INVALID_AUTH_MANAGEMENT.into());
        }
        let user = self.user_mut(name)?;
        let before = user.roles.len();
        user.roles.retain(|has| has != role);
        if user.roles.len() == before {
            return Err(error::ROLE_NOT_GRANTED.into());
        }
        Ok(Change::Made)
    }

    pub(super) fn role_add(&mut self, name: &str) -> Changed {
        if name.is_empty() {
            return Err(error::ROLE_EMPTY.into());
        }
        if self.roles.contains_key(name) {
            return Err(error::ROLE_EXISTS.into());
        }
        let role = Role { name: kept_name(name)?, key_permission: Vec::new() };
        self.roles.insert(name.to_owned(), role);
        Ok(Change::Made)
    }

    /// Deletes a role and takes it from all users.
    pub(super) fn role_delete(&mut self, name: &str) -> Changed {
        if self.enabled && name == ROOT {
            return Err(error::INVALID_AUTH_MANAGEMENT.into());
        }
        self.roles.remove(name).ok_or(error::ROLE_NOT_FOUND)?;
        for user in self.users.values_mut() {
            user.roles.retain(|has| has != name);
        }
        Ok(Change::Made)
    }

    /// Grants a permission, or changes the kind of the one for the same range.
    pub(super) fn role_grant(&mut self, name: &str, permission: Option<Permission>) -> Changed {
        let permission = permission.ok_or(error::PERMISSION_NOT_GIVEN)?;
        if !is_valid(&permission) {
            return Err(error::INVALID_AUTH_MANAGEMENT.into());
        }
        let granted = &mut self.role_mut(name)?.key_permission;
        let range = |one: &Permission| (one.key.clone(), one.range_end.clone());
        match granted.iter_mut().find(|one| range(one) == range(&permission)) {
            Some(same) => same.perm_type = permission.perm_type,
            None => {
                let place = granted.partition_point(|one| one.key <= permission.key);
                granted.insert(place, permission);
            }
        }
        Ok(Change::Made)
    }

    pub(super) fn role_revoke(&mut self, name: &str, key: &Bytes, range_end: &Bytes) -> Changed {
        let granted = &mut self.role_mut(name)?.key_permission;
        let before = granted.len();
        granted.retain(|one| one.key != key || one.range_end != range_end);
        if granted.len() == before {
            return Err(error::PERMISSION_NOT_GRANTED.into());
        }
        Ok(Change::Made)
    }

    fn user_mut(&mut self, name: &str) -> Result<&mut User, AuthError> {
        self.users.get_mut(name).ok_or(AuthError::Known(error::USER_NOT_FOUND))
    }

    fn role_mut(&mut self, name: &str) -> Result<&mut Role, AuthError> {
        self.roles.get_mut(name).ok_or(AuthError::Known(error::ROLE_NOT_FOUND))
    }
}

/// Whether a user has a role.
pub(super) fn has_role(user: &User, role: &str) -> bool {
    user.roles.iter().any(|has| has == role)
}

/// Whether a user was made to come by certificate only.
pub(super) fn needs_no_password(user: &User) -> bool {
    user.options.as_ref().is_some_and(|options| options.no_password)
}

fn everything() -> Permission {
    let (key, range_end) = (Bytes::new(), Bytes::from_static(&[0]));
    Permission { perm_type: permission::Type::Readwrite.into(), key, range_end }
}

fn kept_name(name: &str) -> Result<Bytes, AuthError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(AuthError::TooMuch { max: NAME_BYTES_MAX });
    }
    Ok(Bytes::copy_from_slice(name.as_bytes()))
}

#[cfg(test)]
mod tests;
