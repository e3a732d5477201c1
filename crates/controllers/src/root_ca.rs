//! Every namespace has the cluster's CA certificate in ConfigMap `kube-root-ca.crt`, so
//! that pods can check whom they talk to when they talk to the API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use serde_json::json;

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;
use crate::serviceaccount::ignore_exists;

const NAME: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
/// The certificate is issued again every nine years, and when a clock was set right.
const LOOK_EVERY: Duration = Duration::from_secs(300);

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let ours = watcher::Config::default().fields("metadata.name=kube-root-ca.crt");
    let controller = Controller::new(context.all::<Namespace>(), watcher::Config::default())
        .watches(context.all::<ConfigMap>(), ours, its_namespace);
    drive(controller, context, reconcile).await
}

fn its_namespace(map: ConfigMap) -> Option<ObjectRef<Namespace>> {
    map.metadata.namespace.as_deref().map(ObjectRef::new)
}

async fn reconcile(namespace: Arc<Namespace>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let api: Api<ConfigMap> = ctx.api(name(&namespace.metadata));
    let wanted = BTreeMap::from([(KEY.to_owned(), (ctx.config.root_ca_pem)())]);
    match api.get_opt(NAME).await? {
        Some(map) if map.data.as_ref() == Some(&wanted) => {}
        Some(_) => {
            let patch = Patch::Merge(json!({ "data": wanted }));
            api.patch(NAME, &PatchParams::default(), &patch).await?;
        }
        None => {
            let map = ConfigMap {
                metadata: ObjectMeta { name: Some(NAME.into()), ..Default::default() },
                data: Some(wanted),
                ..Default::default()
            };
            ignore_exists(api.create(&PostParams::default(), &map).await)?;
        }
    }
    Ok(Action::requeue(LOOK_EVERY))
}
