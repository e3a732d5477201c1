//! CertificateSigningRequests.

use serde_json::Value;

use super::{Column, age, age_of, list, name, or_none, text};
use crate::object::{meta, text as at};

pub(crate) const COLUMNS: &[Column] = &[
    name(),
    text("Age"),
    text("SignerName"),
    text("Requestor"),
    text("RequestedDuration"),
    text("Condition"),
];

pub(crate) fn row(object: &Value) -> Vec<Value> {
    let duration = match object["spec"]["expirationSeconds"].as_i64() {
        Some(seconds) => age::human(seconds),
        None => "<none>".to_owned(),
    };
    vec![
        meta(object, "name").into(),
        age_of(object),
        or_none(at(object, "/spec/signerName")),
        at(object, "/spec/username").into(),
        duration.into(),
        condition(object).into(),
    ]
}

fn condition(object: &Value) -> String {
    let has = |kind: &str| list(object, "/status/conditions").iter().any(|c| c["type"] == kind);
    let decided = match () {
        () if has("Denied") => "Denied",
        () if has("Approved") => "Approved",
        () => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if at(object, "/status/certificate").is_empty() { "" } else { ",Issued" };
    format!("{decided}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_shows_what_became_of_it() {
        let with = |kinds: &[&str]| {
            let conditions: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
            condition(&json!({"status": {"conditions": conditions, "certificate": ""}}))
        };
        assert_eq!(with(&[]), "Pending");
        assert_eq!(with(&["Approved"]), "Approved");
        assert_eq!(with(&["Approved", "Failed"]), "Approved,Failed");
        assert_eq!(with(&["Denied"]), "Denied");
    }
}
