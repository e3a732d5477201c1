//! ResourceQuotas: a new object is charged to the quotas of its namespace in the transaction that
//! writes it, so that no two of them can take the same rest.
//! Source: Kubernetes, "Resource Quotas", <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.

use api::quota::{self, ResourceList};
use serde_json::Value;
use store::KeyValue;
use tokio::sync::MutexGuard;

use crate::error::{ApiError, ApiResult};
use crate::kinds::{self, Kind};
use crate::object::{child_mut, meta};
use crate::registry::{Along, Registry};
use crate::request::Call;
use crate::verbs::mutate::Part;

/// What takes more or less by a change. The rest is counted once, when it is made.
const CHANGING: [&str; 2] = ["persistentvolumeclaims", "services"];

fn kind() -> &'static Kind {
    kinds::find("", "v1", "resourcequotas").expect("quotas are in the table")
}

/// The turn to be charged to the quotas of the call's namespace, where there are any.
pub(crate) async fn turn<'c>(call: &'c Call<'_>) -> Option<MutexGuard<'c, ()>> {
    if !call.kind.namespaced || stored(call.registry(), call.namespace()).ok()?.is_empty() {
        return None;
    }
    Some(call.registry().turns.of(call.namespace()).await)
}

/// The quotas of a new object's namespace, with it charged to them.
pub(crate) fn charge(call: &Call<'_>, new: &Value) -> ApiResult<Along> {
    if !call.kind.namespaced {
        return Ok(Along::new());
    }
    charge_for(call, None, new)
}

/// The same for a change of an object.
pub(crate) fn change(call: &Call<'_>, part: Part, old: &Value, new: &Value) -> ApiResult<Along> {
    let counts = match part {
        Part::Main => CHANGING.contains(&&*call.kind.storage),
        Part::Resources => true,
        _ => false,
    };
    if !counts {
        return Ok(Along::new());
    }
    charge_for(call, Some(old), new)
}

fn charge_for(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<Along> {
    let quotas = stored(call.registry(), meta(new, "namespace"))?;
    if quotas.is_empty() {
        return Ok(Along::new());
    }
    let resource = &*call.kind.storage;
    let cost = cost(call, resource, old, new)?;
    let mut along = Along::new();
    for kv in quotas {
        let mut quota = call.registry().decode(&kv)?;
        if quota::in_scope(&quota, resource, new)
            && charge_one(call, &mut quota, resource, new, &cost)?
        {
            along.push((kv, quota));
        }
    }
    Ok(along)
}

fn stored(registry: &Registry, namespace: &str) -> ApiResult<Vec<KeyValue>> {
    let all = registry.store.range(&Registry::range(kind(), Some(namespace)), None, 0);
    let all = all.map_err(|error| ApiError::internal("read the ResourceQuotas", &error))?;
    Ok(all.entries.to_vec())
}

/// What the object takes that what it replaces did not.
fn cost(
    call: &Call<'_>,
    resource: &str,
    old: Option<&Value>,
    new: &Value,
) -> ApiResult<ResourceList> {
    let now = jiff::Timestamp::now().as_second();
    let usage = quota::usage(resource, new, now);
    let negative = usage.filter(|_, amount| amount.is_negative());
    if !negative.is_empty() {
        let names = joined(&negative);
        return refuse(call, new, format!("quota usage is negative for resource(s): {names}"));
    }
    let cost = match old {
        Some(old) => usage.beyond(&quota::usage(resource, old, now)),
        None => usage,
    };
    Ok(cost.filter(|_, amount| !amount.is_zero()))
}

/// Charges one quota, or refuses. Returns whether the quota has to be written with the object.
fn charge_one(
    call: &Call<'_>,
    quota: &mut Value,
    resource: &str,
    object: &Value,
    cost: &ResourceList,
) -> ApiResult<bool> {
    let tracked = |list: &Value| {
        ResourceList::read(list).filter(|entry, _| quota::resource_of(entry) == Some(resource))
    };
    let (hard, wanted) = (tracked(&quota["status"]["hard"]), tracked(&quota["spec"]["hard"]));
    // While the controller counts for the first time, it must not overlook this object: what it
    // would write is out of date by this.
    let uncounted = wanted.names().any(|entry| hard.get(entry).is_none());
    if hard.is_empty() {
        return Ok(uncounted);
    }
    let name = meta(quota, "name").to_owned();
    if resource == "pods"
        && let Some(missing) = quota::missing_in_pod(object, hard.names())
    {
        return refuse(call, object, format!("failed quota: {name}: must specify {missing}"));
    }
    let mut used = ResourceList::read(&quota["status"]["used"]);
    if hard.names().any(|entry| used.get(entry).is_none()) {
        let names = joined(&hard);
        return refuse(
            call,
            object,
            format!("status unknown for quota: {name}, resources: {names}"),
        );
    }
    let requested = cost.filter(|entry, _| hard.get(entry).is_some());
    let before = used.clone();
    used.add(&requested);
    let exceeded = requested.filter(|entry, _| used.get(entry) > hard.get(entry));
    if !exceeded.is_empty() {
        let within = |list: &ResourceList| list.filter(|entry, _| exceeded.get(entry).is_some());
        let (before, hard) = (within(&before), within(&hard));
        return refuse(
            call,
            object,
            format!(
                "exceeded quota: {name}, requested: {exceeded}, used: {before}, limited: {hard}"
            ),
        );
    }
    child_mut(quota, "status").insert("used".to_owned(), used.to_value());
    Ok(uncounted || !requested.is_empty())
}

fn joined(list: &ResourceList) -> String {
    list.names().collect::<Vec<_>>().join(",")
}

fn refuse<T>(call: &Call<'_>, object: &Value, why: String) -> ApiResult<T> {
    Err(ApiError::forbidden(call.kind, super::shown_name(object), &why))
}
