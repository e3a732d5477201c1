//! Counts what one quota limits, and writes its status.

use api::Quantity;
use api::quota::{self, ResourceList, resource_of};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use serde_json::Value;

use super::sources::{Sources, WHOLE};
use super::{hard, read};
use crate::context::Context;
use crate::drive::ReconcileError;

/// What a quota's status says.
#[derive(Debug, PartialEq)]
pub(super) struct Status {
    pub hard: ResourceList,
    pub used: ResourceList,
}

/// The status as it is.
pub(super) fn status(quota: &ResourceQuota) -> Status {
    let side = |side: fn(&ResourceQuotaStatus) -> Result<Value, serde_json::Error>| {
        quota.status.as_ref().map(|status| read(side(status))).unwrap_or_default()
    };
    Status {
        hard: side(|status| serde_json::to_value(&status.hard)),
        used: side(|status| serde_json::to_value(&status.used)),
    }
}

/// Counts one quota. A conflict means that it was charged meanwhile: count again.
pub(super) async fn recount(
    namespace: &str,
    name: &str,
    ctx: &Context,
    sources: &Sources,
) -> Result<(), ReconcileError> {
    let quotas: Api<ResourceQuota> = ctx.api(namespace);
    // Before what it counts: see the module above.
    let found =
        quotas.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
    let Some(mut quota) = found.items.into_iter().next() else { return Ok(()) };
    let (hard, old) = (hard(&quota), status(&quota));
    let as_value = serde_json::to_value(&quota)?;
    let mut used = old.used.filter(|entry, _| hard.get(entry).is_some());
    for resource in sources.of(&hard) {
        let objects = list(namespace, resource, &sources.kinds()[resource], ctx).await?;
        let total = quota::total(&as_value, resource, &objects, Timestamp::now().as_second());
        for entry in hard.names().filter(|entry| resource_of(entry) == Some(resource)) {
            used.set(entry, total.get(entry).unwrap_or(Quantity::ZERO));
        }
    }
    if old == (Status { hard: hard.clone(), used: used.clone() }) {
        return Ok(());
    }
    quota.status = Some(ResourceQuotaStatus {
        hard: serde_json::from_value(hard.to_value())?,
        used: serde_json::from_value(used.to_value())?,
    });
    quotas.replace_status(name, &PostParams::default(), &quota).await?;
    Ok(())
}

/// The objects of a resource; of those that are only counted, no more than that they are there.
async fn list(
    namespace: &str,
    resource: &str,
    kind: &ApiResource,
    ctx: &Context,
) -> Result<Vec<Value>, ReconcileError> {
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), namespace, kind);
    let all = ListParams::default();
    if !WHOLE.contains(&resource) {
        return Ok(vec![Value::Null; api.list_metadata(&all).await?.items.len()]);
    }
    let objects = api.list(&all).await?.items;
    Ok(objects.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
}
