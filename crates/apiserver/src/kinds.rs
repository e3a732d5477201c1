//! The one table of kinds: everything that distinguishes one kind from another.

mod autoscaling;
mod events;
pub(crate) mod notes;
mod served;
mod table;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use api::status::Resource;
use serde_json::Value;
use store::KeyValue;

pub(crate) use self::served::Served;
use crate::bootstrap;
use crate::custom::{Custom, ScalePaths};
use crate::strategy::Strategy;
use crate::table::{Column, Shown};

/// What the table says of a built-in kind.
pub(crate) struct Entry {
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

/// A name of a kind: the table's, or a custom resource's own.
pub(crate) type Name = Cow<'static, str>;

/// A served kind: built in, or defined by a CustomResourceDefinition.
pub(crate) struct Kind {
    pub(crate) group: Name,
    pub(crate) version: Name,
    pub(crate) kind: Name,
    pub(crate) plural: Name,
    pub(crate) singular: Name,
    pub(crate) short_names: Vec<Name>,
    pub(crate) categories: Vec<Name>,
    pub(crate) namespaced: bool,
    /// The key prefix: `pods`, `deployments.apps`. Two kinds with one prefix are two
    /// forms of the same objects.
    pub(crate) storage: Name,
    pub(crate) subresources: Cow<'static, [Subresource]>,
    pub(crate) strategy: Strategy,
    pub(crate) columns: Cow<'static, [Column]>,
    pub(crate) row: fn(&Value) -> Vec<Value>,
    pub(crate) conversion: Option<Conversion>,
    /// What a CustomResourceDefinition says of it.
    pub(crate) custom: Option<Box<Custom>>,
}

impl From<&'static Entry> for Kind {
    fn from(entry: &'static Entry) -> Self {
        let names = |names: &'static [&'static str]| names.iter().map(|name| (*name).into());
        Self {
            group: entry.group.into(),
            version: entry.version.into(),
            kind: entry.kind.into(),
            plural: entry.plural.into(),
            singular: entry.singular.into(),
            short_names: names(entry.short_names).collect(),
            categories: names(entry.categories).collect(),
            namespaced: entry.namespaced,
            storage: entry.storage.into(),
            subresources: entry.subresources.into(),
            strategy: entry.strategy,
            columns: entry.columns.into(),
            row: entry.row,
            conversion: entry.conversion,
            custom: None,
        }
    }
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
    Resize,
    Finalize,
    Token,
    Approval,
    PodProxy,
    ServiceProxy,
    NodeProxy,
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
            Self::Resize => "resize",
            Self::Finalize => "finalize",
            Self::Token => "token",
            Self::Approval => "approval",
            Self::PodProxy | Self::ServiceProxy | Self::NodeProxy => "proxy",
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
            Self::PodProxy => Some(("", "v1", "PodProxyOptions")),
            Self::ServiceProxy => Some(("", "v1", "ServiceProxyOptions")),
            Self::NodeProxy => Some(("", "v1", "NodeProxyOptions")),
            Self::Status
            | Self::Approval
            | Self::Log
            | Self::EphemeralContainers
            | Self::Resize
            | Self::Finalize => None,
        }
    }

    pub(crate) fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Status
            | Self::Scale
            | Self::Approval
            | Self::EphemeralContainers
            | Self::Resize => &["get", "patch", "update"],
            Self::Binding | Self::Eviction | Self::Token => &["create"],
            Self::Exec | Self::Attach | Self::PortForward => &["create", "get"],
            Self::PodProxy | Self::ServiceProxy | Self::NodeProxy => {
                &["create", "delete", "get", "patch", "update"]
            }
            Self::Log => &["get"],
            Self::Finalize => &["update"],
        }
    }
}

/// Verbs every kind has.
const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The same of custom kinds, in upstream's order.
const CUSTOM_VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

impl Kind {
    /// The verbs of its objects, as discovery lists them.
    pub(crate) fn verbs(&self) -> [&'static str; 8] {
        if self.custom.is_some() { CUSTOM_VERBS } else { VERBS }
    }

    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        self.gvk().api_version()
    }

    pub(crate) fn gvk(&self) -> api::Gvk {
        api::Gvk::new(&*self.group, &*self.version, &*self.kind)
    }

    /// The form that is validated, defaulted and stored.
    pub(crate) fn stored_gvk(&self) -> api::Gvk {
        match self.conversion {
            Some(_) => self.stored_kind().gvk(),
            None => self.gvk(),
        }
    }

    /// By whose rules a stored form is judged: those for Events depend on how they came.
    fn judged_gvk(&self) -> api::Gvk {
        match &*self.group {
            "events.k8s.io" => self.gvk(),
            _ => self.stored_gvk(),
        }
    }

    /// `group/version/Kind` of what is stored.
    pub(crate) fn stored_as(&self) -> String {
        match &self.custom {
            Some(custom) => format!("{}/{}", custom.storage_version(), self.kind),
            None => {
                let stored = self.stored_gvk();
                format!("{}/{}/{}", stored.group, stored.version, stored.kind)
            }
        }
    }

    /// The kind of the same objects that is stored as it is served.
    fn stored_kind(&self) -> &'static Arc<Kind> {
        BUILT_IN
            .iter()
            .find(|kind| kind.storage == self.storage && kind.conversion.is_none())
            .expect("every storage has the kind that is stored as it is")
    }

    /// What custom kinds begin with.
    pub(crate) fn blank() -> Self {
        static PLAIN: Entry = table::PLAIN;
        Self::from(&PLAIN)
    }

    /// Are the bytes of this version what is served?
    pub(crate) fn is_stored_as_served(&self, kv: &KeyValue) -> bool {
        let custom = self.custom.as_ref();
        self.conversion.is_none() && custom.is_none_or(|custom| custom.is_stored_as_served(kv))
    }

    /// Is every version of every object of this kind stored as it is served?
    pub(crate) fn is_never_converted(&self) -> bool {
        self.conversion.is_none() && self.custom.is_none()
    }

    /// From the served to the stored form.
    pub(crate) fn to_stored(&self, object: &mut Value) {
        if let Some(conversion) = self.conversion {
            (conversion.to_stored)(object);
        }
    }

    /// From the stored to the served form.
    pub(crate) fn to_served(&self, object: &mut Value) {
        if let Some(conversion) = self.conversion {
            (conversion.from_stored)(object);
        }
        self.freshen(object);
    }

    /// A custom object as it is served, whatever it was stored as: that is the form in which
    /// custom objects are worked on.
    pub(crate) fn freshen(&self, object: &mut Value) {
        if let Some(custom) = &self.custom {
            custom.serve(object);
        }
    }

    /// The type of the form that is worked on.
    pub(crate) fn schema(&self) -> Option<Arc<api::TypeSchema>> {
        match &self.custom {
            Some(custom) => Some(custom.shape.clone()),
            None => api::schema::of(&self.stored_gvk()),
        }
    }

    /// Fills in what an object does not say.
    pub(crate) fn fill(&self, object: &mut Value) {
        crate::object::drop_empty_metadata(object);
        match &self.custom {
            Some(custom) => custom.schema.set_defaults(object),
            None => api::defaults::apply(&self.stored_gvk(), object),
        }
    }

    /// What is wrong with an object; `old` is what it replaces. `warn` is told what is wrong and
    /// let pass.
    pub(crate) fn problems(
        &self,
        object: &Value,
        old: Option<&Value>,
        warn: &mut dyn FnMut(String),
    ) -> Vec<api::FieldError> {
        let mut errors = match old {
            Some(old) => api::validation::update(&self.judged_gvk(), object, old),
            None => api::validation::create(&self.judged_gvk(), object),
        };
        if let Some(custom) = &self.custom {
            errors.extend(custom.problems(object, old, warn));
        } else {
            errors.extend(bootstrap::flow_control_problem(&self.group, &self.plural, object));
        }
        errors
    }

    /// Where a custom kind keeps its size.
    pub(crate) fn scale_paths(&self) -> Option<&ScalePaths> {
        self.custom.as_ref()?.scale.as_ref()
    }

    /// The columns of its Tables.
    pub(crate) fn shown(&self) -> Shown<'_> {
        let of = if self.custom.is_some() { "" } else { &*self.kind };
        Shown { of, columns: &self.columns }
    }

    /// The cells of an object's row, in served form.
    pub(crate) fn cells(&self, object: &Value) -> Vec<Value> {
        match &self.custom {
            Some(custom) => custom.cells(object),
            None => (self.row)(object),
        }
    }

    /// `pods`, `deployments.apps`: as messages name it.
    pub(crate) fn resource(&self) -> Resource<'_> {
        Resource::new(&self.group, &self.plural)
    }

    pub(crate) fn list_kind(&self) -> String {
        match &self.custom {
            Some(custom) => custom.list_kind.clone(),
            None => format!("{}List", self.kind),
        }
    }
}

/// The kinds of the table.
static BUILT_IN: LazyLock<Vec<Arc<Kind>>> =
    LazyLock::new(|| table::all().map(|entry| Arc::new(entry.into())).collect());

/// Every built-in kind.
pub(crate) fn built_in() -> impl Iterator<Item = &'static Arc<Kind>> {
    BUILT_IN.iter()
}

/// A built-in kind. What a request's path names may be a custom one: see [`Served::find`].
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Arc<Kind>> {
    BUILT_IN
        .iter()
        .find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_a_user_may_type_means_one_kind() {
        let mut seen = BTreeSet::new();
        for kind in table::all().filter(|kind| kind.conversion.is_none()) {
            // Endpoints are many even when there is one.
            let names: BTreeSet<&str> = [kind.plural, kind.singular].into();
            for name in names.iter().chain(kind.short_names) {
                assert!(seen.insert(*name), "{name} means two kinds");
            }
        }
    }

    #[test]
    fn every_row_has_a_cell_for_each_column() {
        for kind in table::all() {
            let object = serde_json::json!({"metadata": {"name": "x"}});
            assert_eq!((kind.row)(&object).len(), kind.columns.len(), "{}", kind.kind);
        }
    }

    #[test]
    fn every_kind_has_a_schema() {
        for kind in &*BUILT_IN {
            assert!(api::schema::of(&kind.gvk()).is_some(), "{}", kind.gvk());
        }
    }
}
