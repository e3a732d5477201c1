//! All kinds that are served at one moment: a snapshot that requests hold while they last.

use std::sync::{Arc, OnceLock};

use super::{BUILT_IN, Kind};
use crate::discovery::Documents;

/// The kinds of one moment.
pub(crate) struct Served {
    kinds: Vec<Arc<Kind>>,
    /// Their OpenAPI documents, made when first asked for.
    documents: OnceLock<Documents>,
}

impl Served {
    /// The built-in kinds and these.
    pub(crate) fn with(custom: impl IntoIterator<Item = Arc<Kind>>) -> Self {
        let kinds = BUILT_IN.iter().cloned().chain(custom).collect();
        Self { kinds, documents: OnceLock::new() }
    }

    /// Every kind, in discovery order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    /// The kinds of a group's version.
    pub(crate) fn of(&self, group: &str, version: &str) -> impl Iterator<Item = &Arc<Kind>> {
        self.all().filter(move |kind| kind.group == group && kind.version == version)
    }

    /// The kind of a request's path.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.of(group, version).find(|kind| kind.plural == plural)
    }

    /// Is it a group of every server?
    pub(crate) fn is_builtin_group(&self, group: &str) -> bool {
        let asked = ["authentication.k8s.io", "authorization.k8s.io"];
        asked.contains(&group)
            || self.all().any(|kind| kind.custom.is_none() && kind.group == group)
    }

    /// The groups and versions in discovery order; core first.
    pub(crate) fn group_versions(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = Vec::new();
        let reviews = [("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1")];
        for pair in self.all().map(|kind| (&*kind.group, &*kind.version)).chain(reviews) {
            if !all.contains(&pair) {
                all.push(pair);
            }
        }
        all
    }

    pub(crate) fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Documents::of(self))
    }
}
