//! CertificateSigningRequests: who asks is who sent the request, and only the approval
//! subresource approves or denies.

use serde_json::{Value, json};

use crate::object::{child_mut, metadata_mut};
use crate::table::list;
use crate::user::UserInfo;
use crate::verbs::now;

/// Conditions that only the approval subresource sets.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];

/// Writes the requester into a new request.
pub(super) fn sign(user: &UserInfo, request: &mut Value) {
    let spec = child_mut(request, "spec");
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    let fields = [
        ("username", json!(user.name), user.name.is_empty()),
        ("uid", json!(user.uid), user.uid.is_empty()),
        ("groups", json!(user.groups), user.groups.is_empty()),
        ("extra", json!(user.extra), user.extra.is_empty()),
    ];
    for (field, value, _) in fields.into_iter().filter(|(_, _, empty)| !empty) {
        spec.insert(field.to_owned(), value);
    }
}

/// What an approval may change: labels, annotations and the conditions, and nothing else.
pub(crate) fn approve(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    for field in ["labels", "annotations"] {
        match new["metadata"].get(field) {
            Some(value) => metadata_mut(&mut kept).insert(field.to_owned(), value.clone()),
            None => metadata_mut(&mut kept).remove(field),
        };
    }
    let status = child_mut(&mut kept, "status");
    match new["status"].get("conditions") {
        Some(conditions) => status.insert("conditions".to_owned(), conditions.clone()),
        None => status.remove("conditions"),
    };
    date(&mut kept);
    kept
}

/// A status keeps the decisions there are and takes no new ones.
pub(crate) fn keep_decisions(old: &Value, new: &mut Value) {
    let is_decision = |condition: &Value| DECISIONS.iter().any(|kind| condition["type"] == **kind);
    let of = |object: &Value, decided: bool| -> Vec<Value> {
        let all = list(object, "/status/conditions").iter();
        all.filter(|condition| is_decision(condition) == decided).cloned().collect()
    };
    let conditions = [of(old, true), of(new, false)].concat();
    if !conditions.is_empty() || new["status"].get("conditions").is_some() {
        child_mut(new, "status").insert("conditions".to_owned(), conditions.into());
    }
    date(new);
}

/// A condition that does not say since when it holds, holds since now.
fn date(request: &mut Value) {
    let conditions = request.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        for field in ["lastUpdateTime", "lastTransitionTime"] {
            if condition.get(field).is_none_or(Value::is_null) {
                condition.insert(field.to_owned(), now().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requester_is_who_sent_the_request() {
        let mut request = json!({"spec": {"username": "root", "groups": ["system:masters"]}});
        sign(&UserInfo::new("jane", ["dev"]), &mut request);
        let expected = json!({"username": "jane", "groups": ["dev", "system:authenticated"]});
        assert_eq!(request["spec"], expected);
    }

    #[test]
    fn a_status_neither_approves_nor_withdraws_an_approval() {
        let condition = |kind: &str| json!({"type": kind, "status": "True"});
        let with = |kinds: &[&str]| {
            let all: Vec<Value> = kinds.iter().map(|kind| condition(kind)).collect();
            json!({"status": {"conditions": all}})
        };
        let mut new = with(&["Failed", "Denied"]);
        keep_decisions(&with(&["Approved"]), &mut new);
        let kinds: Vec<&Value> =
            list(&new, "/status/conditions").iter().map(|condition| &condition["type"]).collect();
        assert_eq!(kinds, ["Approved", "Failed"]);
        assert!(new["status"]["conditions"][1]["lastUpdateTime"].is_string());
    }
}
