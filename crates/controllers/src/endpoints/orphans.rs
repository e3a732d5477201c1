//! Takes away the Endpoints of Services that went. They have no owner, as upstream's have none.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};

use super::is_ours;
use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let any = watcher::Config::default;
    let controller = Controller::new(context.all::<Endpoints>(), any()).watches(
        context.all::<Service>(),
        any(),
        its_endpoints,
    );
    drive(controller, context, reconcile).await
}

fn its_endpoints(service: Service) -> Option<ObjectRef<Endpoints>> {
    let place = service.metadata.namespace.as_deref()?;
    Some(ObjectRef::new(name(&service.metadata)).within(place))
}

async fn reconcile(endpoints: Arc<Endpoints>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let (ns, name) = (namespace(&endpoints.metadata), name(&endpoints.metadata));
    if !is_ours(&endpoints) || ctx.api::<Service>(ns).get_opt(name).await?.is_some() {
        return Ok(Action::await_change());
    }
    let api: Api<Endpoints> = ctx.api(ns);
    let only_these = Preconditions { uid: endpoints.metadata.uid.clone(), resource_version: None };
    let params = DeleteParams { preconditions: Some(only_these), ..Default::default() };
    match api.delete(name, &params).await {
        Ok(_) => {}
        // Gone already, or others by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Action::await_change())
}
