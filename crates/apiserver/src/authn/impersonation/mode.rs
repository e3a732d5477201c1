//! The ways in which somebody may be another one. One is to be anybody anywhere, the verb
//! `impersonate`; the others are narrow: one verb says who, another says what for.
//! Source: Kubernetes, "User impersonation", and KEP 5284.

use api::names::{dns_label, dns_subdomain};

use crate::aggregation::refusal;
use crate::authz::{Attributes, Authorizer, Decision};
use crate::error::ApiResult;
use crate::user::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED, UserInfo};

const AUTHENTICATION: &str = "authentication.k8s.io";
const NODE: &str = "system:node:";
const ACCOUNT: &str = "system:serviceaccount:";
/// Where the token of a ServiceAccount says on which node its pod is.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// Of so many groups or values it is asked at once first whether all of them are allowed.
const MANY: usize = 4;

/// A way to be somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The node that one's own pod is on.
    AssociatedNode,
    /// Any node.
    ArbitraryNode,
    /// A ServiceAccount.
    ServiceAccount,
    /// Somebody who is neither.
    UserInfo,
    /// Anybody, for anything.
    Legacy,
}

impl Mode {
    /// In the order in which they are tried.
    pub(super) const ALL: [Self; 5] = [
        Self::AssociatedNode,
        Self::ArbitraryNode,
        Self::ServiceAccount,
        Self::UserInfo,
        Self::Legacy,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::ServiceAccount => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Legacy => "",
        }
    }

    /// The verb that it needs on who is impersonated.
    fn verb(self) -> String {
        match self {
            Self::Legacy => "impersonate".to_owned(),
            narrow => format!("impersonate:{}", narrow.name()),
        }
    }

    /// What an audit log says of it; nothing of what may be used for anything.
    pub(super) fn constraint(self) -> Option<String> {
        (self != Self::Legacy).then(|| self.verb())
    }

    /// Is it for this user?
    fn fits(self, wanted: &UserInfo, caller: &UserInfo) -> bool {
        let name_only =
            wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (node, account) = (node(&wanted.name), account(&wanted.name));
        match self {
            Self::AssociatedNode => {
                let own = caller.extra.get(NODE_NAME).map(Vec::as_slice);
                let is_own = node.is_some_and(|node| matches!(own, Some([own]) if own == node));
                name_only && is_own && self::account(&caller.name).is_some()
            }
            Self::ArbitraryNode => name_only && node.is_some(),
            Self::ServiceAccount => name_only && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }

    /// Who the caller is then; `None`: the way is not for this user.
    pub(super) fn check(
        self,
        authorizer: &dyn Authorizer,
        wanted: &UserInfo,
        asked: &Attributes<'_>,
    ) -> Option<ApiResult<UserInfo>> {
        self.fits(wanted, asked.user).then(|| {
            if self != Self::Legacy {
                let verb = format!("impersonate-on:{}:{}", self.name(), asked.verb);
                ask(authorizer, &Attributes { verb: &verb, ..asked.clone() })?;
            }
            let check = Check { mode: self, verb: &self.verb(), authorizer, caller: asked.user };
            check.user(wanted)?;
            check.groups(&wanted.groups)?;
            check.extra(wanted)?;
            Ok(self.complete(wanted.clone()))
        })
    }

    /// The groups that every user of that sort is in.
    fn complete(self, mut user: UserInfo) -> UserInfo {
        if self != Self::Legacy && node(&user.name).is_some() {
            user.groups = vec!["system:nodes".to_owned()];
        }
        if user.groups.is_empty()
            && let Some((namespace, _)) = account(&user.name)
        {
            let of_namespace = format!("system:serviceaccounts:{namespace}");
            user.groups = vec!["system:serviceaccounts".to_owned(), of_namespace];
        }
        let sort = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
        if !user.in_group(sort) && !user.in_group(UNAUTHENTICATED) {
            user.groups.push(sort.to_owned());
        }
        user
    }
}

fn ask(authorizer: &dyn Authorizer, attributes: &Attributes<'_>) -> ApiResult<()> {
    match authorizer.authorize(attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(reason) => Err(refusal(attributes, &reason)),
    }
}

/// May the caller be all parts of somebody?
struct Check<'a> {
    mode: Mode,
    verb: &'a str,
    authorizer: &'a dyn Authorizer,
    caller: &'a UserInfo,
}

impl Check<'_> {
    fn attributes<'a>(
        &'a self,
        group: &'a str,
        resource: &'a str,
        name: &'a str,
    ) -> Attributes<'a> {
        Attributes {
            user: self.caller,
            verb: self.verb,
            group,
            resource,
            subresource: "",
            namespace: "",
            name,
            path: "",
            fields: &[],
        }
    }

    fn is_narrow(&self) -> bool {
        self.mode != Mode::Legacy
    }

    /// The API group of users and groups.
    fn home(&self) -> &'static str {
        if self.is_narrow() { AUTHENTICATION } else { "" }
    }

    fn user(&self, wanted: &UserInfo) -> ApiResult<()> {
        let plain = self.attributes(self.home(), "users", &wanted.name);
        let attributes = match (node(&wanted.name), account(&wanted.name)) {
            (_, Some((namespace, name))) => {
                Attributes { resource: "serviceaccounts", namespace, name, ..plain }
            }
            // All nodes that it may be, whichever it is.
            (Some(_), _) if self.mode == Mode::AssociatedNode => {
                Attributes { resource: "nodes", name: "*", ..plain }
            }
            (Some(name), _) if self.is_narrow() => Attributes { resource: "nodes", name, ..plain },
            _ => plain,
        };
        ask(self.authorizer, &attributes)?;
        if wanted.uid.is_empty() {
            return Ok(());
        }
        ask(self.authorizer, &self.attributes(AUTHENTICATION, "uids", &wanted.uid))
    }

    fn groups(&self, groups: &[String]) -> ApiResult<()> {
        let of = |name| self.attributes(self.home(), "groups", name);
        if self.is_narrow() {
            for (group, called) in [("", "empty string"), (MASTERS, MASTERS)] {
                if groups.iter().any(|wanted| wanted == group) {
                    let why = format!("impersonating the {called} group is not allowed");
                    return Err(refusal(&of(group), &why));
                }
            }
            if groups.len() >= MANY && ask(self.authorizer, &of("*")).is_ok() {
                return Ok(());
            }
        }
        groups.iter().try_for_each(|group| ask(self.authorizer, &of(group)))
    }

    fn extra(&self, wanted: &UserInfo) -> ApiResult<()> {
        let of = |subresource, name| Attributes {
            subresource,
            ..self.attributes(AUTHENTICATION, "userextras", name)
        };
        if self.is_narrow() {
            if let Some(why) = wanted.extra.iter().find_map(|(key, values)| wrong(key, values)) {
                return Err(refusal(&of("", ""), &why));
            }
            let count = wanted.extra.values().map(Vec::len).sum::<usize>();
            if count >= MANY && ask(self.authorizer, &of("*", "*")).is_ok() {
                return Ok(());
            }
        }
        let all =
            wanted.extra.iter().flat_map(|(key, values)| values.iter().map(move |v| (key, v)));
        all.into_iter().try_for_each(|(key, value)| ask(self.authorizer, &of(key, value)))
    }
}

/// What is wrong with something else that is told of a user.
fn wrong(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".to_owned());
    }
    let invalid = |value: &str, why: &str| {
        Some(format!(
            "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: {value:?}: {why}"
        ))
    };
    let (domain, path) = key.split_once('/').unwrap_or((key, ""));
    if domain.is_empty() || path.is_empty() {
        return invalid(key, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
    if let Some(why) = dns_subdomain(domain).first() {
        return invalid(domain, why);
    }
    if key.chars().any(char::is_uppercase) {
        return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key:?}"));
    }
    if values.is_empty() {
        return Some("impersonating empty values in extra is not allowed".to_owned());
    }
    let empty = values.iter().any(String::is_empty);
    empty.then(|| "impersonating the empty string value in extra is not allowed".to_owned())
}

/// The node that a user is.
fn node(user: &str) -> Option<&str> {
    user.strip_prefix(NODE).filter(|name| dns_subdomain(name).is_empty())
}

/// The namespace and name of the ServiceAccount that a user is.
fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let valid = dns_label(namespace).is_empty() && dns_subdomain(name).is_empty();
    valid.then_some((namespace, name))
}
