//! From a definition to the kinds it defines: one for each version that is served.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use api::FieldError;
use api::TypeSchema;
use api::custom::{Rules, Schema};
use api::schema::{ObjectShape, Shape};
use api::validation::ErrorKind;
use serde_json::Value;
use store::KeyValue;
use tokio_util::sync::CancellationToken;

use super::cells::Cells;
use super::conversion::Conversion;
use super::serve::priority;
use super::settled::Settled;
use super::{ScalePaths, is_deleting};
use crate::kinds::{Kind, Name, Subresource};
use crate::object::text;
use crate::strategy;
use crate::table::Column;

/// What an object must not have for rules to be evaluated.
const RULED_OUT_BY: [ErrorKind; 5] = [
    ErrorKind::NotSupported,
    ErrorKind::Required,
    ErrorKind::TooLong,
    ErrorKind::TooMany,
    ErrorKind::TypeInvalid,
];
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; \
                           correct the existing errors to complete validation";

/// What a custom kind has beyond a built-in one.
pub(crate) struct Custom {
    /// Its own version's schema.
    pub(crate) schema: Schema,
    /// Its rules, compiled when the first object is written.
    rules: OnceLock<Rules>,
    /// The schema as it was written, for OpenAPI; null where there is none.
    pub(crate) document: Value,
    /// As server-side apply sees it.
    pub(crate) shape: Arc<TypeSchema>,
    /// What can be read strictly of any custom object: its metadata.
    pub(crate) envelope: Arc<TypeSchema>,
    /// `example.com/v1`: what objects are stored as.
    storage_version: String,
    /// By apiVersion: objects may be stored as any of them.
    schemas: Arc<BTreeMap<String, Schema>>,
    api_version: String,
    /// Who turns one version into another; `None`: nobody need, they have the same fields.
    pub(super) conversion: Option<Conversion>,
    pub(crate) list_kind: String,
    /// What is said of every request to this version, where it is on its way out.
    pub(crate) deprecation: Option<String>,
    cells: Cells,
    pub(crate) scale: Option<ScalePaths>,
    /// Fields that objects can be selected by: `spec.color`.
    pub(crate) selectable: Vec<String>,
    /// No new objects: the definition is being deleted.
    pub(crate) terminating: AtomicBool,
    /// Cancelled when this is no longer what is served.
    pub(crate) gone: CancellationToken,
    settled: Settled,
}

impl Custom {
    /// A stored object, in whatever version, as this version serves it.
    pub(crate) fn serve(&self, object: &mut Value) {
        if text(object, "/apiVersion") != self.api_version {
            self.fill_stored(object);
            object["apiVersion"] = self.api_version.clone().into();
        }
        self.schema.prune(object);
        self.schema.fill(object);
    }

    /// Are the bytes of this version what `serve` would make of them?
    pub(crate) fn is_stored_as_served(&self, kv: &KeyValue) -> bool {
        self.settled.is(kv, || {
            let Ok(stored) = serde_json::from_slice::<Value>(&kv.value) else { return false };
            let mut served = stored.clone();
            self.serve(&mut served);
            served == stored
        })
    }

    /// An object of this version as it is stored.
    pub(crate) fn store(&self, object: &Value) -> Option<Value> {
        if self.storage_version == self.api_version {
            return None;
        }
        let mut stored = object.clone();
        stored["apiVersion"] = self.storage_version.clone().into();
        self.prune_stored(&mut stored);
        Some(stored)
    }

    /// What the schema and its rules say of an object; `warn` is told what was wrong before and
    /// was not touched.
    pub(crate) fn problems(
        &self,
        object: &Value,
        old: Option<&Value>,
        warn: &mut dyn FnMut(String),
    ) -> Vec<FieldError> {
        let mut errors = match old {
            Some(old) => self.schema.validate_update(object, old),
            None => self.schema.validate(object),
        };
        if let Some(scale) = &self.scale {
            errors.extend(scale.problems(object));
        }
        let rules = self.rules.get_or_init(|| Rules::compile(&self.schema));
        if rules.is_empty() {
            return errors;
        }
        // Rules rely on what the schema says.
        if errors.iter().any(|error| RULED_OUT_BY.contains(&error.kind)) {
            let detail = NOT_CHECKED.to_owned();
            let path = "<nil>".to_owned();
            let kind = ErrorKind::Invalid;
            errors.push(FieldError { path, kind, value: Value::Null, detail });
            return errors;
        }
        let verdict = rules.check(object, old);
        verdict.warnings.into_iter().for_each(warn);
        errors.extend(verdict.errors);
        errors
    }

    pub(crate) fn cells(&self, object: &Value) -> Vec<Value> {
        self.cells.of(object)
    }

    /// `example.com/v1`
    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// What objects are stored as: `example.com/v1`.
    pub(crate) fn storage_version(&self) -> &str {
        &self.storage_version
    }

    /// Is this the version that objects are stored as?
    pub(super) fn is_stored_version(&self) -> bool {
        self.storage_version == self.api_version
    }

    /// Is a stored object of this version?
    pub(super) fn is_version_of(&self, kv: &KeyValue) -> bool {
        // Only our own encoding writes values, and it begins so.
        let start = kv.value.strip_prefix(b"{\"apiVersion\":\"");
        let rest = start.and_then(|rest| rest.strip_prefix(self.api_version.as_bytes()));
        rest.is_some_and(|rest| rest.starts_with(b"\""))
    }

    /// A stored object as its own version has it.
    pub(super) fn fill_stored(&self, object: &mut Value) {
        if let Some(schema) = self.schemas.get(text(object, "/apiVersion")) {
            schema.prune(object);
            schema.fill(object);
        }
    }

    /// Nothing is stored that the version it is stored in does not know.
    pub(super) fn prune_stored(&self, object: &mut Value) {
        if let Some(schema) = self.schemas.get(&self.storage_version) {
            schema.prune(object);
        }
    }
}

/// The kinds of a definition that is established.
pub(super) fn kinds_of(definition: &Value) -> Vec<Kind> {
    let terminating = is_deleting(definition);
    let versions = definition["spec"]["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let schemas = Arc::new(schemas(definition, versions));
    versions
        .iter()
        // Objects are deleted through the version that they are stored as.
        .filter(|v| v["served"] == true || terminating && v["storage"] == true)
        .map(|version| kind(definition, version, versions, &schemas))
        .collect()
}

fn schemas(definition: &Value, versions: &[Value]) -> BTreeMap<String, Schema> {
    let group = text(definition, "/spec/group");
    let schema =
        |version: &Value| (format!("{group}/{}", text(version, "/name")), schema_of(version));
    versions.iter().map(schema).collect()
}

/// Validation has read every schema before it was stored.
fn schema_of(version: &Value) -> Schema {
    match &version["schema"]["openAPIV3Schema"] {
        Value::Null => Schema::open(),
        document => Schema::read(document).unwrap_or_else(|_| Schema::open()),
    }
}

fn kind(
    definition: &Value,
    version: &Value,
    versions: &[Value],
    schemas: &Arc<BTreeMap<String, Schema>>,
) -> Kind {
    let names = &definition["status"]["acceptedNames"];
    let name = |field: &str| -> Name { text(names, field).to_owned().into() };
    let list = |field: &str| -> Vec<Name> {
        let texts = names[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(|text| Cow::Owned(text.to_owned())).collect()
    };
    let group = text(definition, "/spec/group");
    let has_status = version["subresources"]["status"].is_object();
    let has_scale = version["subresources"]["scale"].is_object();
    let subresources = [(has_status, Subresource::Status), (has_scale, Subresource::Scale)];
    let subresources = subresources.into_iter().filter_map(|(has, sub)| has.then_some(sub));
    let (columns, cells) = Cells::read(version);
    let storage = versions.iter().find(|version| version["storage"] == true).unwrap_or(version);
    let own = Own { definition, group, version, storage, schemas, cells };
    let custom = own.custom(text(names, "/listKind"), is_deleting(definition));
    Kind {
        group: group.to_owned().into(),
        version: text(version, "/name").to_owned().into(),
        kind: name("/kind"),
        plural: name("/plural"),
        singular: name("/singular"),
        short_names: list("shortNames"),
        categories: list("categories"),
        namespaced: definition["spec"]["scope"] == "Namespaced",
        storage: format!("{}.{group}", text(names, "/plural")).into(),
        subresources: subresources.collect::<Vec<_>>().into(),
        strategy: if has_status { strategy::CUSTOM_WITH_STATUS } else { strategy::CUSTOM },
        columns: Cow::<[Column]>::Owned(columns),
        custom: Some(Box::new(custom)),
        ..Kind::blank()
    }
}

struct Own<'a> {
    definition: &'a Value,
    group: &'a str,
    version: &'a Value,
    storage: &'a Value,
    schemas: &'a Arc<BTreeMap<String, Schema>>,
    cells: Cells,
}

impl Own<'_> {
    /// The warning of a version that is deprecated: the definition's own words, or what is better.
    fn deprecation(&self) -> Option<String> {
        if self.version["deprecated"] != true {
            return None;
        }
        if let Some(given) = self.version["deprecationWarning"].as_str() {
            return Some(given.to_owned());
        }
        let (group, kind) = (self.group, text(self.definition, "/spec/names/kind"));
        let name = |version: &Value| text(version, "/name").to_owned();
        let own = name(self.version);
        let versions = self.definition["spec"]["versions"].as_array().into_iter().flatten();
        let others = versions.filter(|v| v["served"] == true && v["deprecated"] != true).map(name);
        let better = others.filter(|other| priority(other) > priority(&own));
        let mut warning = format!("{group}/{own} {kind} is deprecated");
        if let Some(best) = better.max_by_key(|other| priority(other)) {
            warning.push_str(&format!("; use {group}/{best} {kind}"));
        }
        Some(warning)
    }

    fn custom(self, list_kind: &str, terminating: bool) -> Custom {
        let api_version = |version: &Value| format!("{}/{}", self.group, text(version, "/name"));
        let schema = schema_of(self.version);
        let shape = schema.shape();
        let selectable = self.version["selectableFields"].as_array().into_iter().flatten();
        let selectable = selectable.map(|f| text(f, "/jsonPath").trim_start_matches('.'));
        Custom {
            envelope: Arc::new(envelope(&shape)),
            shape: Arc::new(shape),
            document: self.version["schema"]["openAPIV3Schema"].clone(),
            storage_version: api_version(self.storage),
            api_version: api_version(self.version),
            conversion: Conversion::read(&self.definition["spec"]["conversion"]),
            schemas: self.schemas.clone(),
            list_kind: list_kind.to_owned(),
            deprecation: self.deprecation(),
            cells: self.cells,
            scale: ScalePaths::read(&self.version["subresources"]["scale"]),
            selectable: selectable.map(str::to_owned).collect(),
            terminating: AtomicBool::new(terminating),
            gone: CancellationToken::new(),
            settled: Settled::default(),
            rules: OnceLock::new(),
            schema,
        }
    }
}

/// `apiVersion`, `kind` and `metadata` as every resource has them, and anything else.
fn envelope(shape: &TypeSchema) -> TypeSchema {
    let names = ["apiVersion", "kind", "metadata"];
    let fields =
        names.into_iter().filter_map(|name| Some((name.into(), shape.field(name)?.clone())));
    let object = ObjectShape {
        fields: fields.collect(),
        required: Vec::new(),
        atomic: false,
        retain_keys: false,
        preserve_unknown: true,
        definition: None,
    };
    TypeSchema { shape: Shape::Object(object), description: None, nullable: false }
}
