//! The one table of kinds: everything that distinguishes one kind from another.

mod events;
mod table;

use api::status::Resource;
use serde_json::Value;

pub(crate) use self::table::KINDS;
use crate::strategy::Strategy;
use crate::table::Column;

/// A served kind.
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// The key prefix: `pods`, `deployments.apps`. Two kinds with one prefix are two
    /// forms of the same objects.
    pub(crate) storage: &'static str,
    pub(crate) subresources: &'static [Subresource],
    pub(crate) strategy: Strategy,
    pub(crate) columns: &'static [Column],
    pub(crate) row: fn(&Value) -> Vec<Value>,
    /// Where the served form differs from the stored one.
    pub(crate) conversion: Option<Conversion>,
}

/// Between the served and the stored form.
#[derive(Clone, Copy)]
pub(crate) struct Conversion {
    pub(crate) to_stored: fn(&mut Value),
    pub(crate) from_stored: fn(&mut Value),
}

/// What hangs below an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subresource {
    Status,
    Scale,
    Binding,
    Eviction,
    Log,
    Exec,
    Attach,
    PortForward,
    EphemeralContainers,
    Finalize,
    Token,
}

impl Subresource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Binding => "binding",
            Self::Eviction => "eviction",
            Self::Log => "log",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Finalize => "finalize",
            Self::Token => "token",
        }
    }

    /// Group, version and kind of its body, where it is not the parent's.
    pub(crate) fn own_kind(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Scale => Some(("autoscaling", "v1", "Scale")),
            Self::Binding => Some(("", "v1", "Binding")),
            Self::Eviction => Some(("policy", "v1", "Eviction")),
            Self::Exec => Some(("", "v1", "PodExecOptions")),
            Self::Attach => Some(("", "v1", "PodAttachOptions")),
            Self::PortForward => Some(("", "v1", "PodPortForwardOptions")),
            Self::Token => Some(("authentication.k8s.io", "v1", "TokenRequest")),
            Self::Status | Self::Log | Self::EphemeralContainers | Self::Finalize => None,
        }
    }

    pub(crate) fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Status | Self::Scale | Self::EphemeralContainers => &["get", "patch", "update"],
            Self::Binding | Self::Eviction | Self::Token => &["create"],
            Self::Exec | Self::Attach | Self::PortForward => &["create", "get"],
            Self::Log => &["get"],
            Self::Finalize => &["update"],
        }
    }
}

/// Verbs every kind has.
pub(crate) const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Kind {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        self.gvk().api_version()
    }

    pub(crate) fn gvk(&self) -> api::Gvk {
        api::Gvk::new(self.group, self.version, self.kind)
    }

    /// The form that is validated, defaulted and stored.
    pub(crate) fn stored_gvk(&self) -> api::Gvk {
        match self.conversion {
            Some(_) => self.stored_kind().gvk(),
            None => self.gvk(),
        }
    }

    /// The kind of the same objects that is stored as it is served.
    pub(crate) fn stored_kind(&self) -> &'static Kind {
        KINDS
            .iter()
            .find(|kind| kind.storage == self.storage && kind.conversion.is_none())
            .expect("every storage has the kind that is stored as it is")
    }

    /// `pods`, `deployments.apps`: as messages name it.
    pub(crate) fn resource(&self) -> Resource<'static> {
        Resource::new(self.group, self.plural)
    }

    pub(crate) fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }
}

/// The kind of a request's path.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
}

/// The groups and versions in discovery order; core first.
pub(crate) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<(&str, &str)> = Vec::new();
    let reviews = [("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1")];
    for pair in KINDS.iter().map(|kind| (kind.group, kind.version)).chain(reviews) {
        if !all.contains(&pair) {
            all.push(pair);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_a_user_may_type_means_one_kind() {
        let mut seen = BTreeSet::new();
        for kind in KINDS.iter().filter(|kind| kind.conversion.is_none()) {
            let names = [kind.plural, kind.singular];
            for name in names.iter().chain(kind.short_names) {
                assert!(seen.insert(*name), "{name} means two kinds");
            }
        }
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        for kind in KINDS {
            let object = serde_json::json!({"metadata": {"name": "x"}});
            assert_eq!((kind.row)(&object).len(), kind.columns.len(), "{}", kind.kind);
        }
    }

    #[test]
    fn every_kind_has_a_schema() {
        for kind in KINDS {
            assert!(api::schema::of(&kind.gvk()).is_some(), "{}", kind.gvk());
        }
    }
}
