//! The loop around a reconcile function: kube-rs drives, we say what a failure means.

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Resource;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use serde::de::DeserializeOwned;

use crate::context::Context;

/// How soon an object is looked at again after somebody else wrote it first.
const RETRY_CONFLICT: Duration = Duration::from_millis(50);
/// How soon an object is looked at again after any other failure.
const RETRY_FAILURE: Duration = Duration::from_secs(1);

/// Why an object could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("talk to the API")]
    Api(#[from] kube::Error),
    #[error("read the label selector")]
    Selector(#[from] kube::core::ParseExpressionError),
    #[error("encode a status")]
    Encode(#[from] serde_json::Error),
    #[error("sign with the cluster's keys")]
    Sign(#[source] crate::SignError),
}

impl ReconcileError {
    /// Somebody else wrote first: normal, and over at the next look.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == 409)
    }
}

/// Runs `reconcile` for every object that `controller` wakes, until shutdown.
pub(crate) async fn drive<K, F>(
    controller: Controller<K>,
    context: Arc<Context>,
    reconcile: fn(Arc<K>, Arc<Context>) -> F,
) -> Result<(), ReconcileError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Debug + Eq + Hash + Clone + Unpin,
    F: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let shutdown = context.shutdown();
    controller
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, after_failure, context)
        .for_each(|_| std::future::ready(()))
        .await;
    Ok(())
}

fn after_failure<K>(object: Arc<K>, error: &ReconcileError, _: Arc<Context>) -> Action
where
    K: Resource<DynamicType = ()>,
{
    if error.is_conflict() {
        return Action::requeue(RETRY_CONFLICT);
    }
    let meta = object.meta();
    tracing::warn!(
        kind = %K::kind(&()),
        namespace = meta.namespace.as_deref().unwrap_or_default(),
        name = meta.name.as_deref().unwrap_or_default(),
        error = error as &dyn std::error::Error,
        "reconcile failed; it is tried again"
    );
    Action::requeue(RETRY_FAILURE)
}
