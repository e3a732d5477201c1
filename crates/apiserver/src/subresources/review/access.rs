//! May this be done? Asked of oneself or, by who may ask so, of others.

use std::collections::BTreeMap;

use api::status::Status;
use api::validation::ErrorKind;
use api::{FieldError, Gvk};
use serde_json::{Value, json};

use super::{Asked, selectors};
use crate::authz::{Attributes, Decision};
use crate::error::ApiResult;
use crate::object::{metadata_mut, text};
use crate::server::Shared;
use crate::user::UserInfo;

/// May the asker?
pub(super) fn own(shared: &Shared, asked: &Asked, object: &Value) -> ApiResult<Value> {
    let mut errors = Errors::default();
    errors.exactly_one(&object["spec"]);
    errors.empty_metadata(object, &[], "must be empty");
    errors.into_result()?;
    Ok(decide(shared, &asked.user, &object["spec"]))
}

/// May this user, anywhere?
pub(super) fn of(shared: &Shared, object: &Value) -> ApiResult<Value> {
    let mut errors = Errors::default();
    errors.exactly_one(&object["spec"]);
    errors.somebody(&object["spec"]);
    errors.empty_metadata(object, &[], "must be empty");
    errors.into_result()?;
    Ok(decide(shared, &user(&object["spec"]), &object["spec"]))
}

/// May this user, in this namespace?
pub(super) fn local(shared: &Shared, asked: &Asked, object: &mut Value) -> ApiResult<Value> {
    let metadata = metadata_mut(object);
    if metadata.get("namespace").and_then(Value::as_str).unwrap_or("").is_empty() {
        metadata.insert("namespace".to_owned(), asked.namespace.clone().into());
    }
    let spec = &object["spec"];
    let mut errors = Errors::default();
    errors.exactly_one(spec);
    errors.somebody(spec);
    errors.empty_metadata(object, &["namespace"], "must be empty except for namespace");
    let namespace = text(spec, "/resourceAttributes/namespace");
    if !spec["resourceAttributes"].is_null() && namespace != asked.namespace {
        let path = "spec.resourceAttributes.namespace";
        errors.add(path, namespace.into(), "must match metadata.namespace");
    }
    if !spec["nonResourceAttributes"].is_null() {
        let value = spec["nonResourceAttributes"].clone();
        errors.add("spec.nonResourceAttributes", value, "disallowed on this kind of request");
    }
    errors.into_result()?;
    Ok(decide(shared, &user(spec), spec))
}

fn decide(shared: &Shared, user: &UserInfo, spec: &Value) -> Value {
    let resource = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    let asked = if path.is_null() { resource } else { path };
    // Whoever asks of no resource asks of any; only a path is asked of without one.
    let plural = match text(resource, "/resource") {
        "" if path.is_null() => "*",
        plural => plural,
    };
    let fields = selectors::fields(resource);
    let attributes = Attributes {
        user,
        verb: text(asked, "/verb"),
        group: text(resource, "/group"),
        resource: plural,
        subresource: text(resource, "/subresource"),
        namespace: text(resource, "/namespace"),
        name: text(resource, "/name"),
        path: text(path, "/path"),
        fields: &fields,
    };
    let (allowed, reason) = match shared.authorizer.authorize(&attributes) {
        Decision::Allow(reason) => (true, reason),
        Decision::Deny(reason) => (false, reason),
    };
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    let left_out = selectors::left_out(resource);
    if !left_out.is_empty() {
        status["evaluationError"] = left_out.into();
    }
    status
}

/// The user that is asked of, as given: no group is added.
fn user(spec: &Value) -> UserInfo {
    let texts = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    let extra: BTreeMap<String, Vec<String>> =
        extra.map(|(key, values)| (key.to_lowercase(), texts(values))).collect();
    UserInfo {
        name: text(spec, "/user").to_owned(),
        uid: text(spec, "/uid").to_owned(),
        groups: texts(&spec["groups"]),
        extra,
    }
}

/// What is wrong with a question.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    pub(super) fn push(&mut self, kind: ErrorKind, path: &str, value: Value, detail: &str) {
        let (path, detail) = (path.to_owned(), detail.to_owned());
        self.0.push(FieldError { path, kind, value, detail });
    }

    pub(super) fn add(&mut self, path: &str, value: Value, detail: &str) {
        self.push(ErrorKind::Invalid, path, value, detail);
    }

    fn exactly_one(&mut self, spec: &Value) {
        let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        match (resource.is_null(), path.is_null()) {
            (false, false) => self.add(
                "spec.nonResourceAttributes",
                path.clone(),
                "cannot be specified in combination with resourceAttributes",
            ),
            (true, true) => self.add(
                "spec.resourceAttributes",
                Value::Null,
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ),
            _ => {}
        }
        selectors::check(self, resource);
    }

    fn somebody(&mut self, spec: &Value) {
        let groups = spec["groups"].as_array().is_some_and(|groups| !groups.is_empty());
        if text(spec, "/user").is_empty() && !groups {
            self.add("spec.user", "".into(), "at least one of user or group must be specified");
        }
    }

    fn empty_metadata(&mut self, object: &Value, but: &[&str], detail: &str) {
        let fields = object["metadata"].as_object().into_iter().flatten();
        let mut given = fields.filter(|(key, value)| {
            let free = *key == "managedFields" || but.contains(&key.as_str());
            !free && !value.is_null() && **value != json!("") && **value != json!({})
        });
        if given.next().is_some() {
            self.add("metadata", object["metadata"].clone(), detail);
        }
    }

    /// Upstream knows no kind here.
    fn into_result(self) -> ApiResult<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => {
                let gvk = Gvk::new("authorization.k8s.io", "v1", "");
                Err(Status::invalid(&gvk, "", self.0).into())
            }
        }
    }
}
