//! Who may do what: one question, asked of every request.
//!
//! [`Authorizer`] is the seam. [`ClusterAuthorizer`] answers as kube-apiserver with
//! `--authorization-mode=Node,RBAC`: `system:masters` may everything, a node what a node needs, and
//! everybody else what roles and bindings say.

mod escalation;
mod index;
pub(crate) mod node;
pub(crate) mod policy;
mod rbac;
mod rule;

use std::sync::Arc;

pub(crate) use self::escalation::{Writer, check_binding, check_role, missing};
pub(crate) use self::index::GROUP;
pub use self::rbac::ClusterAuthorizer;
pub use self::rule::Rule;
use crate::user::UserInfo;

/// What a request wants, as rules judge it.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    /// Who asks.
    pub user: &'a UserInfo,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'a str,
    /// The resource's API group; empty for core.
    pub group: &'a str,
    /// The resource's plural; empty when a path is asked for.
    pub resource: &'a str,
    /// The subresource, or empty.
    pub subresource: &'a str,
    /// The namespace, or empty.
    pub namespace: &'a str,
    /// The object's name, or empty.
    pub name: &'a str,
    /// The URL path, when no resource is asked for.
    pub path: &'a str,
    /// What a list or watch is narrowed to: fields that must have these values.
    pub fields: &'a [(String, String)],
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on; the reason may be empty.
    Allow(String),
    /// Refused; the reason may be empty.
    Deny(String),
}

impl Decision {
    /// Is it allowed?
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// What a user may do in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The user may do more than these say.
    pub incomplete: bool,
    /// What went wrong while they were looked for; usually empty.
    pub error: String,
}

/// Decides who may do what. Asked on every request, so it must not block.
pub trait Authorizer: Send + Sync {
    /// May this be done?
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision;

    /// What this user may do in a namespace, for `kubectl auth can-i --list`, and for whether the
    /// user may give others the same.
    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules;

    /// The rules of one role: of this namespace, or of the cluster where that is `None`.
    fn role(&self, namespace: Option<&str>, name: &str) -> Option<Arc<[Rule]>>;
}
