//! A policy: which requests are recorded, and how much of them.

mod read;

use std::path::Path;

pub(super) use self::read::Level;
use self::read::{GroupResources, Read, Rule};
use super::attributes::Attributes;
use super::event::Stage;
use crate::user::UserInfo;

/// Why a policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It could not be read.
    #[error("read the audit policy {path}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no policy.
    #[error("the audit policy {path} is no audit.k8s.io/v1 Policy: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// The reader's words, with line and field.
        why: String,
    },
    /// It is one that cannot be meant.
    #[error("the audit policy {path} is invalid: {why}")]
    Invalid {
        /// Which file.
        path: String,
        /// Each field that is wrong.
        why: String,
    },
}

/// A policy that was found right.
#[derive(Debug)]
pub struct Policy(Read);

/// What is recorded of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) level: Level,
    omitted: u8,
    pub(super) omit_managed_fields: bool,
}

impl Plan {
    pub(super) fn omits(self, stage: Stage) -> bool {
        self.omitted & bit(stage) != 0
    }
}

fn bit(stage: Stage) -> u8 {
    1 << stage as u8
}

impl Policy {
    /// Reads a policy file, YAML or JSON.
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyError::File { path: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// The policy that a text is; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let read: Read = serde_saphyr::from_str(text).map_err(|error| PolicyError::Unreadable {
            path: name.to_owned(),
            why: error.to_string(),
        })?;
        match read.complaints().as_slice() {
            [] => Ok(Self(read)),
            complaints => {
                Err(PolicyError::Invalid { path: name.to_owned(), why: complaints.join(", ") })
            }
        }
    }

    /// What is recorded of a request; `None`: nothing. Nobody is who showed wrong credentials.
    pub(super) fn plan(&self, user: Option<&UserInfo>, asked: &Attributes) -> Option<Plan> {
        let rule = self.0.rules.iter().find(|rule| rule.matches(user, asked))?;
        let level = rule.level();
        if level == Level::None {
            return None;
        }
        let stages = self.0.omit_stages.iter().chain(&rule.omit_stages);
        Some(Plan {
            level,
            omitted: stages.filter_map(|stage| Stage::named(stage)).fold(0, |all, s| all | bit(s)),
            omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.0.omit_managed_fields),
        })
    }
}

impl Rule {
    fn matches(&self, user: Option<&UserInfo>, asked: &Attributes) -> bool {
        let is_user = |user: &UserInfo| self.users.contains(&user.name);
        let is_member = |user: &UserInfo| user.groups.iter().any(|g| self.user_groups.contains(g));
        (self.users.is_empty() || user.is_some_and(is_user))
            && (self.user_groups.is_empty() || user.is_some_and(is_member))
            && (self.verbs.is_empty() || self.verbs.contains(&asked.verb))
            && self.matches_place(asked)
    }

    fn matches_place(&self, asked: &Attributes) -> bool {
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return asked.is_resource
                && (self.namespaces.is_empty() || self.namespaces.contains(&asked.namespace))
                && (self.resources.is_empty() || self.resources.iter().any(|r| r.matches(asked)));
        }
        self.non_resource_urls.is_empty()
            || (!asked.is_resource
                && self.non_resource_urls.iter().any(|url| url_matches(url, &asked.path)))
    }
}

/// A star at the end stands for anything.
fn url_matches(url: &str, path: &str) -> bool {
    url == path || url.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

impl GroupResources {
    fn matches(&self, asked: &Attributes) -> bool {
        let named = self.resource_names.is_empty() || self.resource_names.contains(&asked.name);
        self.group == asked.group
            && (self.resources.is_empty()
                || (named && self.resources.iter().any(|wanted| resource_matches(wanted, asked))))
    }
}

/// `pods` is no subresource, `pods/log` is one, and `*`, `pods/*` and `*/log` are many.
fn resource_matches(wanted: &str, asked: &Attributes) -> bool {
    if wanted == "*" {
        return true;
    }
    match wanted.split_once('/') {
        None => wanted == asked.resource && asked.subresource.is_empty(),
        Some((resource, "*")) => resource == asked.resource,
        Some(("*", subresource)) => subresource == asked.subresource,
        Some((resource, subresource)) => {
            resource == asked.resource && subresource == asked.subresource
        }
    }
}

#[cfg(test)]
mod tests;
