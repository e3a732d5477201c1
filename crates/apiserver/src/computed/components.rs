//! ComponentStatus: whether the parts of the cluster are well. The store is the only part that is
//! not the server itself: controllers and scheduler live and end with the process that answers here.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::object::{meta, text};
use crate::server::Shared;
use crate::table::{self, Column, list};

/// The store goes by upstream's name for its own.
const STORE: &str = "etcd-0";

pub(super) const COLUMNS: &[Column] =
    &[table::name(), table::text("Status"), table::text("Message"), table::text("Error")];

/// All, or the one of this name; as upstream, one that nobody knows is unhealthy, not missing.
pub(super) fn find(shared: &Arc<Shared>, name: &str) -> Vec<Value> {
    let fine = shared.registry.store.revision().0 > 0;
    let store = match fine {
        true => component(STORE, "True", "ok"),
        false => component(STORE, "False", "the store has not begun"),
    };
    match name {
        "" | STORE => vec![store],
        other => vec![component(other, "False", "component not known")],
    }
}

fn component(name: &str, status: &str, message: &str) -> Value {
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": status, "message": message}]})
}

pub(super) fn cells(object: &Value) -> Vec<Value> {
    let condition = list(object, "/conditions").iter().find(|c| c["type"] == "Healthy");
    let condition = condition.unwrap_or(&Value::Null);
    let status = match text(condition, "/status") {
        "True" => "Healthy",
        "" => "Unknown",
        _ => "Unhealthy",
    };
    let (message, error) = (text(condition, "/message"), text(condition, "/error"));
    vec![meta(object, "name").into(), status.into(), message.into(), error.into()]
}
