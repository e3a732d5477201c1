//! AdmissionReview: the question as upstream puts it, and what an answer must be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::asked::Asked;
use super::hook::Hook;
use crate::kinds::Kind;
use crate::object::text;
use crate::table::list;
use crate::user::UserInfo;

/// What a webhook says.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// A `Status`, or null.
    pub(super) result: Value,
    /// JSON patch operations; null for none.
    pub(super) patch: Value,
    pub(super) warnings: Vec<String>,
    /// For the audit log.
    pub(super) annotations: Vec<(String, String)>,
}

/// The review of a write in the form of `kind`, which `objects` have.
pub(super) fn question(
    asked: &Asked<'_>,
    hook: &Hook,
    kind: &Kind,
    uid: &str,
    objects: (Value, Value),
) -> Value {
    let mut request = request(asked, kind);
    request["uid"] = uid.into();
    (request["object"], request["oldObject"]) = objects;
    let version = format!("admission.k8s.io/{}", hook.review_version);
    json!({"kind": "AdmissionReview", "apiVersion": version, "request": request})
}

/// What is asked, without the objects it is about.
pub(super) fn request(asked: &Asked<'_>, kind: &Kind) -> Value {
    let own = asked.call.kind;
    let shown = if asked.is_own_kind() { kind.gvk() } else { asked.gvk.clone() };
    let mut request = json!({
        "kind": gvk(&shown),
        "resource": resource(kind),
        "requestKind": gvk(&asked.gvk),
        "requestResource": resource(own),
        "operation": asked.operation.name(),
        "userInfo": user(&asked.call.user),
        "dryRun": asked.dry_run,
        "options": asked.options,
    });
    let texts = [
        ("subResource", asked.subresource()),
        ("requestSubResource", asked.subresource()),
        ("name", &asked.name),
        ("namespace", &asked.namespace),
    ];
    for (field, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        request[field] = text.into();
    }
    request
}

fn gvk(gvk: &api::Gvk) -> Value {
    json!({"group": gvk.group, "version": gvk.version, "kind": gvk.kind})
}

fn resource(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "resource": kind.plural})
}

fn user(user: &UserInfo) -> Value {
    let mut info = json!({"username": user.name});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    if !user.groups.is_empty() {
        info["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The verdict in a review, or what is wrong with that.
pub(super) fn answer(
    review: &Value,
    version: &str,
    uid: &str,
    mutating: bool,
) -> Result<Verdict, String> {
    let response = &review["response"];
    if !response.is_object() {
        return Err("webhook response was absent".to_owned());
    }
    if version == "v1" {
        check(review, uid, mutating)?;
    }
    Ok(Verdict {
        allowed: response["allowed"] == true,
        result: response["status"].clone(),
        patch: if mutating { patch(response)? } else { Value::Null },
        warnings: texts(list(response, "/warnings")),
        annotations: annotations(&response["auditAnnotations"]),
    })
}

fn annotations(given: &Value) -> Vec<(String, String)> {
    let given = given.as_object().into_iter().flatten();
    given.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What v1 demands and v1beta1 does not.
fn check(review: &Value, uid: &str, mutating: bool) -> Result<(), String> {
    let response = &review["response"];
    let given = text(response, "/uid");
    if given != uid {
        return Err(format!("expected response.uid={uid:?}, got {given:?}"));
    }
    let (version, kind) = (text(review, "/apiVersion"), text(review, "/kind"));
    if (version, kind) != ("admission.k8s.io/v1", "AdmissionReview") {
        return Err(format!(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {version}, Kind={kind}"
        ));
    }
    let (patch, typed) = (!text(response, "/patch").is_empty(), response["patchType"].is_string());
    let wrong = match (mutating, patch, typed) {
        (true, true, false) => "webhook returned response.patch but not response.patchType",
        (true, false, true) => "webhook returned response.patchType but not response.patch",
        (true, true, true) if response["patchType"] == "" => {
            "webhook returned invalid response.patchType of \"\""
        }
        (false, true, _) => "validating webhook may not return response.patch",
        (false, _, true) => "validating webhook may not return response.patchType",
        _ => return Ok(()),
    };
    Err(wrong.to_owned())
}

fn patch(response: &Value) -> Result<Value, String> {
    let encoded = text(response, "/patch");
    if encoded.is_empty() {
        return Ok(Value::Null);
    }
    // Only said where it is not v1beta1, which knows no other.
    let kind = text(response, "/patchType");
    if !matches!(kind, "" | "JSONPatch") {
        return Err(format!("unsupported patch type {kind:?}"));
    }
    let bytes = STANDARD.decode(encoded);
    let bytes = bytes.map_err(|error| format!("response.patch is not base64: {error}"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("received undecodable patch in webhook response: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(response: Value) -> Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    }

    #[track_caller]
    fn check_refused(response: Value, mutating: bool, expected: &str) {
        let error = answer(&review(response), "v1", "1", mutating).unwrap_err();
        assert_eq!(error, expected);
    }

    #[test]
    fn an_answer_that_does_not_belong_to_the_question_is_none() {
        let other = json!({"uid": "2", "allowed": true});
        check_refused(other, true, "expected response.uid=\"1\", got \"2\"");
        let bare = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
        let error = answer(&bare, "v1", "1", true).unwrap_err();
        assert_eq!(error, "webhook response was absent");
    }

    #[test]
    fn a_patch_and_its_type_come_together_and_only_from_who_may_change() {
        let patch = json!({"uid": "1", "allowed": true, "patch": "W10="});
        let why = "webhook returned response.patch but not response.patchType";
        check_refused(patch.clone(), true, why);
        check_refused(patch, false, "validating webhook may not return response.patch");
        let typed = json!({"uid": "1", "allowed": true, "patchType": "JSONPatch"});
        let why = "webhook returned response.patchType but not response.patch";
        check_refused(typed, true, why);
    }

    #[test]
    fn the_older_review_demands_less() {
        let older = json!({"response": {"allowed": true, "patch": "W10="}});
        let verdict = answer(&older, "v1beta1", "1", true).unwrap();
        assert!(verdict.allowed);
        assert_eq!(verdict.patch, json!([]));
    }
}
