//! What webhooks are asked about: one write, in the form in which it is served.

use api::Gvk;
use serde_json::{Value, json};

use crate::error::ApiResult;
use crate::request::Call;
use crate::verbs::delete_options::{DeleteOptions, Propagation};

/// What is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// One write.
pub(super) struct Asked<'c> {
    pub(super) call: &'c Call<'c>,
    pub(super) operation: Operation,
    pub(super) namespace: String,
    pub(super) name: String,
    /// What the objects are; not the call's kind where a subresource has its own.
    pub(super) gvk: Gvk,
    pub(super) object: Option<Value>,
    pub(super) old: Option<Value>,
    pub(super) options: Value,
    pub(super) dry_run: bool,
}

impl<'c> Asked<'c> {
    /// A write of objects of the call's own kind; the objects come later.
    pub(super) fn new(call: &'c Call<'c>, operation: Operation, dry_run: bool) -> ApiResult<Self> {
        let options = match operation {
            Operation::Create => options(call, "CreateOptions", dry_run)?,
            Operation::Update => options(call, "UpdateOptions", dry_run)?,
            Operation::Delete | Operation::Connect => Value::Null,
        };
        let mut asked = Self {
            call,
            operation,
            namespace: call.namespace().to_owned(),
            name: call.name().to_owned(),
            gvk: call.kind.gvk(),
            object: None,
            old: None,
            options,
            dry_run,
        };
        asked.named(call.namespace(), call.name());
        Ok(asked)
    }

    /// Where the object is. As upstream, a Namespace is in itself.
    pub(super) fn named(&mut self, namespace: &str, name: &str) {
        let namespace = if self.is_namespace() { name } else { namespace };
        (self.namespace, self.name) = (namespace.to_owned(), name.to_owned());
    }

    pub(super) fn subresource(&self) -> &'static str {
        self.call.subresource.map_or("", |subresource| subresource.name())
    }

    /// Is it about a Namespace?
    pub(super) fn is_namespace(&self) -> bool {
        self.call.kind.group.is_empty() && self.call.kind.plural == "namespaces"
    }

    /// Are the objects of the call's kind, so that they can be shown in its other versions?
    pub(super) fn is_own_kind(&self) -> bool {
        self.gvk == self.call.kind.gvk()
    }
}

fn options(call: &Call<'_>, kind: &str, dry_run: bool) -> ApiResult<Value> {
    let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    if let Some(manager) = call.query.field_manager()? {
        options["fieldManager"] = manager.into();
    }
    if let Some(level) = call.query.get("fieldValidation") {
        options["fieldValidation"] = level.into();
    }
    Ok(options)
}

/// DeleteOptions as an object.
pub(super) fn delete_options(given: &DeleteOptions) -> Value {
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"});
    if let Some(seconds) = given.grace_seconds {
        options["gracePeriodSeconds"] = seconds.into();
    }
    if let Some(policy) = given.propagation {
        let word = match policy {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        options["propagationPolicy"] = word.into();
    }
    for (field, value) in [("uid", &given.uid), ("resourceVersion", &given.resource_version)] {
        if let Some(value) = value {
            options["preconditions"][field] = value.as_str().into();
        }
    }
    if given.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}
