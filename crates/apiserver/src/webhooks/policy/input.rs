//! What expressions see of a write.

use std::sync::Arc;

use api::policy::{Authorize, Inputs, Question};
use serde_json::{Map, Value};

use super::super::asked::Asked;
use super::super::{matching, review, rounds};
use super::authorizer;
use crate::error::ApiResult;
use crate::kinds::Kind;

/// Of the metadata of the namespace expressions see these.
const NAMESPACE_METADATA: [&str; 12] = [
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
    "finalizers",
];

/// A write in the form of one kind, to be evaluated by expressions.
pub(in super::super) struct Input {
    object: Value,
    old: Value,
    request: Value,
    namespace: Value,
    authorizer: Arc<dyn Authorize>,
    resource: Question,
}

impl Input {
    pub(in super::super) async fn of(asked: &Asked<'_>, kind: &Kind) -> ApiResult<Self> {
        Ok(Self {
            object: rounds::show(asked, kind, asked.object.clone()).await?,
            old: rounds::show(asked, kind, asked.old.clone()).await?,
            request: review::request(asked, kind),
            namespace: namespace(asked)?,
            authorizer: authorizer::of(asked),
            resource: authorizer::of_request(asked),
        })
    }

    /// The object as it is to be.
    pub(in super::super) fn object(&self) -> &Value {
        &self.object
    }

    /// The same as the evaluator takes it.
    pub(in super::super) fn with<'i>(&'i self, params: Option<&'i Value>) -> Inputs<'i> {
        Inputs {
            object: &self.object,
            old_object: &self.old,
            request: &self.request,
            namespace: &self.namespace,
            params: params.unwrap_or(&Value::Null),
            authorizer: self.authorizer.clone(),
            resource: self.resource.clone(),
        }
    }
}

/// The namespace that the write is in, or null.
fn namespace(asked: &Asked<'_>) -> ApiResult<Value> {
    if asked.namespace.is_empty() || asked.is_namespace() {
        return Ok(Value::Null);
    }
    let mut namespace = matching::namespace(asked)?;
    let metadata = namespace.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        let all: Map<String, Value> = std::mem::take(metadata);
        let seen = all.into_iter().filter(|(key, _)| NAMESPACE_METADATA.contains(&key.as_str()));
        *metadata = seen.collect();
    }
    Ok(namespace)
}
