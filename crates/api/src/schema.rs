//! The shape of a type: one tree that field validation, pruning, defaulting,
//! strategic merge patch and server-side apply all walk.
//!
//! The tree is built from k8s-openapi's JSON schemas for built-in kinds (and from a
//! CustomResourceDefinition's schema for custom ones); list and map semantics, which
//! those schemas lack, come from an overlay.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::Gvk;

mod builtin;
mod convert;
mod definitions;
mod enums;
mod openapi;
mod overlay;

pub use openapi::{definition_name, kinds, openapi_v3};

/// The shape of one value. Cheap to clone: children are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeSchema {
    /// What the value may be.
    pub shape: Shape,
    /// The human text that `kubectl explain` shows.
    pub description: Option<Arc<str>>,
    /// May the value be JSON null and be kept as null.
    pub nullable: bool,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything at all, kept as it is: RawExtension, FieldsV1, JSON.
    Any,
    /// A string. `format` is OpenAPI's: `date-time`, `byte`, …
    String {
        /// OpenAPI's format, where it has one.
        format: Option<Arc<str>>,
    },
    /// A whole number. `format` is `int32` or `int64`.
    Integer {
        /// OpenAPI's format, where it has one.
        format: Option<Arc<str>>,
    },
    /// A floating-point number.
    Number,
    /// true or false.
    Boolean,
    /// Kubernetes' IntOrString.
    IntOrString,
    /// Kubernetes' resource.Quantity: a string, or a number that is read as one.
    Quantity,
    /// An object with named fields; others are unknown.
    Object(ObjectShape),
    /// An object whose keys are data: labels, ConfigMap data, resource lists.
    Map {
        /// The shape of every value.
        values: Arc<TypeSchema>,
        /// `true`: owned and replaced as a whole by apply.
        atomic: bool,
    },
    /// An array.
    List(ListShape),
}

/// An object with named fields.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectShape {
    /// The known fields by JSON name.
    pub fields: BTreeMap<Arc<str>, Arc<TypeSchema>>,
    /// Fields that must be present.
    pub required: Vec<Arc<str>>,
    /// `true`: owned and replaced as a whole by apply (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Strategic merge: `retainKeys` is among the patch strategies.
    pub retain_keys: bool,
    /// `true`: fields that are not named are kept (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
    /// The OpenAPI definition this is, e.g. `io.k8s.api.core.v1.PodSpec`.
    pub definition: Option<Arc<str>>,
}

/// An array, with the two ways Kubernetes merges it. They differ in a few places
/// (Container.ports: strategic merge by containerPort, apply by containerPort+protocol).
#[derive(Debug, Clone, PartialEq)]
pub struct ListShape {
    /// The shape of every item.
    pub items: Arc<TypeSchema>,
    /// Server-side apply: `x-kubernetes-list-type` and its keys.
    pub apply: ListType,
    /// What keys are that an item leaves out.
    pub key_defaults: BTreeMap<Arc<str>, serde_json::Value>,
    /// Strategic merge patch: `x-kubernetes-patch-strategy` and its key.
    pub strategic: ListPatch,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, PartialEq)]
pub enum ListType {
    /// Owned and replaced as a whole.
    Atomic,
    /// Each scalar value is owned on its own.
    Set,
    /// Items are told apart by these fields.
    Map(Vec<Arc<str>>),
}

/// How strategic merge patch treats a list.
#[derive(Debug, Clone, PartialEq)]
pub enum ListPatch {
    /// The patch's list replaces the old one.
    Replace,
    /// Merge: scalars as a set.
    MergeScalars,
    /// Merge: objects by this field.
    MergeBy(Arc<str>),
}

/// The built-in shapes by definition name.
static DEFINITIONS: LazyLock<BTreeMap<String, Arc<TypeSchema>>> = LazyLock::new(build);

/// The shape of a built-in kind, with `apiVersion`, `kind` and `metadata`; `None` for a kind not
/// known here. All are built at the first call and kept. They carry no descriptions: those are
/// megabytes that only `kubectl explain` asks for, and [`openapi_v3`] has them.
pub fn of(gvk: &Gvk) -> Option<Arc<TypeSchema>> {
    DEFINITIONS.get(&definition_name(gvk)?).cloned()
}

fn build() -> BTreeMap<String, Arc<TypeSchema>> {
    let kinds = builtin::BUILTINS.iter().map(|kind| kind.definition().into_owned());
    let names: Vec<_> = kinds.chain([builtin::DELETE_OPTIONS.to_owned()]).collect();
    let definitions = definitions::reached_from(names.iter().cloned());
    let mut converter = convert::Converter::new(&definitions);
    names.into_iter().map(|name| (name.clone(), converter.definition(&name))).collect()
}

impl TypeSchema {
    /// The shape of a named field, where this is an object that has it or a map.
    pub fn field(&self, name: &str) -> Option<&Arc<TypeSchema>> {
        match &self.shape {
            Shape::Object(object) => object.fields.get(name),
            Shape::Map { values, .. } => Some(values),
            _ => None,
        }
    }

    /// The shape at a dotted path; `[]` steps into a list's items: `spec.containers[].ports`.
    pub fn at(&self, path: &str) -> Option<&TypeSchema> {
        let mut here = self;
        for step in path.split('.') {
            let (name, items) = match step.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (step, false),
            };
            here = here.field(name)?;
            if items {
                let Shape::List(list) = &here.shape else { return None };
                here = &list.items;
            }
        }
        Some(here)
    }
}

#[cfg(test)]
mod tests;
