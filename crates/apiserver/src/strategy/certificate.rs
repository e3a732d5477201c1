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

/// A status keeps the decisions there are as they are. Whether there are others, or fewer, is for
/// validation to find.
pub(crate) fn keep_decisions(old: &Value, new: &mut Value) {
    for kind in DECISIONS {
        let of = |object: &Value| -> Vec<Value> {
            let all = list(object, "/status/conditions").iter();
            all.filter(|condition| condition["type"] == kind).cloned().collect()
        };
        let (had, given) = (of(old), of(new));
        if had.len() != given.len() {
            continue;
        }
        let conditions = new.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        let places = conditions.into_iter().flatten().filter(|one| one["type"] == kind);
        places.zip(had).for_each(|(place, kept)| *place = kept);
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
    fn a_status_keeps_the_decisions() {
        let condition = |kind: &str, reason: &str| {
            json!({"type": kind, "status": "True", "reason": reason, "lastUpdateTime": "t",
                "lastTransitionTime": "t"})
        };
        let with = |all: &[Value]| json!({"status": {"conditions": all}});
        let failed = json!({"type": "Failed", "status": "True"});
        let mut new = with(&[failed, condition("Approved", "changed")]);
        keep_decisions(&with(&[condition("Approved", "first")]), &mut new);
        assert_eq!(new["status"]["conditions"][1], condition("Approved", "first"));
        assert!(new["status"]["conditions"][0]["lastUpdateTime"].is_string());
    }

    #[test]
    fn a_decision_by_the_status_is_left_for_validation() {
        let given = json!({"type": "Approved", "status": "True", "lastUpdateTime": "t", "lastTransitionTime": "t"});
        let mut new = json!({"status": {"conditions": [given]}});
        keep_decisions(&json!({"status": {}}), &mut new);
        assert_eq!(new["status"]["conditions"], json!([given]));
    }
}
