//! One request to a kind: everything its verb needs to know.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::USER_AGENT;

use super::path::ObjectPath;
use crate::error::ApiResult;
use crate::kinds::{Kind, Subresource};
use crate::media::Translation;
use crate::negotiate::{self, Dialect, Format, Wanted};
use crate::options::Query;
use crate::registry::Registry;
use crate::server::Shared;
use crate::user::UserInfo;

/// The longest name a user agent gives to a field manager.
const MANAGER_MAX: usize = 128;

/// One request to a kind.
pub(crate) struct Call<'k> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kind: &'k Arc<Kind>,
    /// `None`: a cluster-scoped kind, or all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<Subresource>,
    /// Does the path itself ask for a watch?
    pub(crate) watch: bool,
    pub(crate) user: UserInfo,
    pub(crate) query: Query,
    pub(crate) gzip: bool,
    wanted: ApiResult<Wanted>,
    user_agent: String,
    warnings: Mutex<Vec<String>>,
}

impl<'k> Call<'k> {
    pub(super) fn new(
        shared: Arc<Shared>,
        target: ObjectPath<'k>,
        user: UserInfo,
        query: Query,
        wanted: ApiResult<Wanted>,
        headers: &HeaderMap,
    ) -> Self {
        let plain = wanted.as_ref().is_ok_and(|wanted| wanted.dialect.is_plain());
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
        Self {
            shared,
            kind: target.kind,
            namespace: target.namespace,
            name: target.name,
            subresource: target.subresource,
            watch: target.watch,
            user,
            query,
            gzip: plain && negotiate::takes_gzip(headers),
            wanted,
            user_agent: agent.to_owned(),
            warnings: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// The form of the reply, or 406. Asked before anything is written.
    pub(crate) fn format(&self) -> ApiResult<Format> {
        self.wanted.as_ref().map(|wanted| wanted.format).map_err(Clone::clone)
    }

    /// In which words the reply is written.
    pub(crate) fn dialect(&self) -> Dialect {
        self.wanted.as_ref().map_or(Dialect::PLAIN, |wanted| wanted.dialect)
    }

    /// What is to be made of an object's reply.
    pub(super) fn translation(&self, gzip: bool) -> Option<Translation> {
        let dialect = self.dialect();
        (!dialect.is_plain()).then_some(Translation { dialect, gzip })
    }

    /// The namespace's name, or "".
    pub(crate) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }

    /// Where it is judged: as upstream, a Namespace is in itself, so that who may read a namespace's
    /// content may see it.
    pub(crate) fn place(&self) -> &str {
        match &*self.kind.storage {
            "namespaces" => self.name(),
            _ => self.namespace(),
        }
    }

    /// The object's name, or "".
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("")
    }

    /// Who owns the fields this request writes: `fieldManager`, or the client's program.
    pub(crate) fn manager(&self) -> ApiResult<String> {
        if let Some(manager) = self.query.field_manager()? {
            return Ok(manager.to_owned());
        }
        let program = self.user_agent.split('/').next().unwrap_or("");
        let program: String =
            program.chars().filter(|c| !c.is_control()).take(MANAGER_MAX).collect();
        Ok(if program.is_empty() { "unknown".to_owned() } else { program })
    }

    /// Tells the client something, in a Warning header.
    pub(crate) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // A write that was overtaken is decided upon again.
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
