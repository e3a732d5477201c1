//! Every namespace has a ServiceAccount named `default`.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let controller = Controller::new(context.all::<Namespace>(), watcher::Config::default())
        .watches(context.all::<ServiceAccount>(), watcher::Config::default(), its_namespace);
    drive(controller, context, reconcile).await
}

/// A deleted `default` comes back.
fn its_namespace(account: ServiceAccount) -> Option<ObjectRef<Namespace>> {
    account.metadata.namespace.as_deref().map(ObjectRef::new)
}

async fn reconcile(namespace: Arc<Namespace>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let api: Api<ServiceAccount> = ctx.api(name(&namespace.metadata));
    if api.get_opt("default").await?.is_none() {
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some("default".into()), ..Default::default() },
            ..Default::default()
        };
        ignore_exists(api.create(&PostParams::default(), &account).await)?;
    }
    Ok(Action::await_change())
}

/// Somebody else made it, or its namespace goes away: either way there is nothing to do.
pub(crate) fn ignore_exists<T>(outcome: kube::Result<T>) -> Result<(), ReconcileError> {
    match outcome {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404 | 409) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
