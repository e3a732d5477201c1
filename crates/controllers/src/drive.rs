//! The loop around a reconcile function: kube-rs drives, we say what a failure means.

mod patience;

use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryFutureExt};
use kube::Resource;
use kube::core::response::StatusCause;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{Lookup, Store};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use self::patience::Patience;
use crate::context::Context;

/// How soon an object is looked at again after somebody else wrote it first.
const RETRY_CONFLICT: Duration = Duration::from_millis(50);
/// The cause of a refusal to make something in a namespace that is being deleted.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

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

    /// What it was about, or its namespace, went while it was looked at: normal, and the next look finds out.
    pub(crate) fn is_gone(&self) -> bool {
        let Self::Api(kube::Error::Api(status)) = self else { return false };
        let ending = |cause: &StatusCause| cause.reason == NAMESPACE_TERMINATING;
        status.code == 404 || status.details.iter().flat_map(|all| &all.causes).any(ending)
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
    let (shutdown, store) = (context.shutdown(), controller.store());
    let patience = Arc::new(Patience::default());
    let after = {
        let patience = patience.clone();
        move |object: Arc<K>, error: &_, _| after_failure(&*object, error, &patience)
    };
    let look = move |object: Arc<K>, context| {
        let (patience, uid) = (patience.clone(), object.meta().uid.clone().unwrap_or_default());
        let look = reconcile(object, context);
        look.inspect_ok(move |_| patience.succeeded(&uid))
    };
    let work = controller
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(look, after, context)
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = work => {}
        () = before_the_first_list(&shutdown, &store) => {}
    }
    Ok(())
}

/// Resolves at a shutdown that comes before the first list: a kube-rs controller waits for that list for ever then,
/// and has begun nothing that would have to be ended well.
async fn before_the_first_list<K>(shutdown: &CancellationToken, store: &Store<K>)
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    shutdown.cancelled().await;
    if store.wait_until_ready().now_or_never().is_some() {
        std::future::pending::<()>().await;
    }
}

fn after_failure<K>(object: &K, error: &ReconcileError, patience: &Patience) -> Action
where
    K: Resource<DynamicType = ()>,
{
    if error.is_conflict() {
        return Action::requeue(RETRY_CONFLICT);
    }
    let meta = object.meta();
    let wait = patience.failed(meta.uid.as_deref().unwrap_or_default());
    if !error.is_gone() {
        tracing::warn!(
            kind = %K::kind(&()),
            namespace = meta.namespace.as_deref().unwrap_or_default(),
            name = meta.name.as_deref().unwrap_or_default(),
            error = error as &dyn std::error::Error,
            ?wait,
            "reconcile failed; it is tried again"
        );
    }
    Action::requeue(wait)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kit::Tasks;
    use kube::client::{Body, Client};
    use kube::core::Status;
    use kube::runtime::watcher;
    use serde_json::json;

    use super::*;
    use crate::{ControllersConfig, SignError, Signer};

    pub(crate) struct Nobody;

    impl Signer for Nobody {
        fn account_token(&self, _: &str, _: &str, _: &str, _: &str) -> Result<String, SignError> {
            Err("nobody signs".into())
        }

        fn certificate(&self, _: &[u8], _: &[String], _: Option<i64>) -> Result<String, SignError> {
            Err("nobody signs".into())
        }
    }

    async fn nothing(_: Arc<ConfigMap>, _: Arc<Context>) -> Result<Action, ReconcileError> {
        Ok(Action::await_change())
    }

    #[tokio::test]
    async fn it_ends_although_the_first_list_never_came() {
        let silent = tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let config =
            ControllersConfig { root_ca_pem: Arc::new(String::new), signer: Arc::new(Nobody) };
        let tasks = Tasks::new();
        let context = Arc::new(Context::new(Client::new(silent, "default"), tasks.clone(), config));
        let controller = Controller::new(context.all::<ConfigMap>(), watcher::Config::default());
        tasks.spawn("controller", async move {
            drive(controller, context, nothing).await.expect("it ends well");
        });
        tokio::task::yield_now().await;
        assert_eq!(tasks.stop(Duration::from_secs(10)).await, Ok(()));
    }

    #[test]
    fn what_is_gone_is_no_failure() {
        let check = |code: u16, cause: Option<&str>, expected| {
            let causes: Vec<_> =
                cause.map(|reason| json!({"reason": reason})).into_iter().collect();
            let status = json!({"code": code, "details": {"causes": causes}});
            let status: Status = serde_json::from_value(status).expect("a status");
            let error = ReconcileError::Api(kube::Error::Api(Box::new(status)));
            assert_eq!(error.is_gone(), expected, "{code} {cause:?}");
        };
        check(404, None, true);
        check(403, Some("NamespaceTerminating"), true);
        check(403, None, false);
        check(409, None, false);
    }
}
