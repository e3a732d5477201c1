//! CertificateSigningRequests: the form of what is asked for; whether it may be had is not ours.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::field::{Field, same};
use crate::{names, read};

/// No certificate is for less.
const SECONDS_MIN: i64 = 600;
/// Conditions that only ever become true.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];
const EXCLUSIVE: &str = "Approved and Denied conditions are mutually exclusive";
const PEM: (&str, &str) =
    ("-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----");
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(super) fn check(object: &Field<'_>) {
    let spec = object.at("spec");
    let request = spec.at("request");
    if !is_request(request.text()) {
        request.invalid("PEM block type must be CERTIFICATE REQUEST");
    }
    let usages = spec.at("usages");
    if usages.is_empty() {
        usages.required("");
    }
    let mut seen = BTreeSet::new();
    for usage in usages.items() {
        if !USAGES.contains(&usage.text()) {
            usage.unsupported(&USAGES);
        }
        if !seen.insert(usage.text()) {
            usage.duplicate();
        }
    }
    signer(&spec.at("signerName"));
    let seconds = spec.at("expirationSeconds");
    if seconds.is_some() && seconds.number() < SECONDS_MIN {
        seconds.invalid("may not specify a duration less than 600 seconds (10 minutes)");
    }
}

/// Text in base64 around a block of base64.
fn is_request(text: &str) -> bool {
    block(text, PEM).is_some_and(|der| !der.is_empty())
}

/// Is there a certificate in a PEM text in base64?
pub(super) fn has_certificates(text: &str) -> bool {
    const PEM: (&str, &str) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    const SEQUENCE: u8 = 0x30;
    block(text, PEM).is_some_and(|der| der.first() == Some(&SEQUENCE))
}

/// What stands between the first marks.
fn block(text: &str, marks: (&str, &str)) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (_, rest) = text.split_once(marks.0)?;
    let (block, _) = rest.split_once(marks.1)?;
    let block: String = block.split_whitespace().collect();
    STANDARD.decode(block).ok()
}

fn signer(signer: &Field<'_>) {
    if signer.is_empty() {
        return signer.required("");
    }
    let Some((domain, path)) =
        signer.text().split_once('/').filter(|(_, path)| !path.contains('/'))
    else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return signer.invalid(why);
    };
    for problem in names::dns_subdomain(domain) {
        signer.invalid(format!("validating label {domain:?}: {problem}"));
    }
    if !domain.contains('.') {
        signer.invalid("should be a domain with at least two segments separated by dots");
    }
    for problem in names::dns_subdomain(path) {
        signer.invalid(format!("validating label {path:?}: {problem}"));
    }
}

/// An update has the spec and the status that there were.
pub(super) fn update(object: &Field<'_>, old: &Value) {
    object.at("spec").immutable(read::at(old, &["spec"]));
}

/// A status says what became of the request; whether it may be had is said elsewhere.
pub(super) fn update_status(object: &Field<'_>, old: &Value) {
    conditions(object, old);
    let certificate = object.at("status").at("certificate");
    let had = read::at(old, &["status", "certificate"]);
    let changed = !same(certificate.value, had);
    if changed && let Some(problem) = pem_problem(certificate.text()) {
        certificate.invalid_as("<certificate data>", problem);
    }
    kept(object, old);
    decisions(object, old);
    if changed && !read::is_zero(had) {
        certificate.forbidden("updates may not modify existing certificate content");
    }
}

/// Only here a request is approved or denied.
pub(super) fn update_approval(object: &Field<'_>, old: &Value) {
    conditions(object, old);
    kept(object, old);
}

fn list(object: &Value) -> &[Value] {
    read::list(read::at(object, &["status"]), "conditions")
}

fn of<'a>(object: &'a Value, kind: &str) -> Vec<&'a Value> {
    list(object).iter().filter(|one| read::text(one, "type") == kind).collect()
}

/// The form of each condition. What was wrong before may stay so.
fn conditions(object: &Field<'_>, old: &Value) {
    let conditions = object.at("status").at("conditions");
    let had = |kind: &str| !of(old, kind).is_empty();
    let (had_both, had_unnamed) = (had("Approved") && had("Denied"), had(""));
    let had_twice = list(old).iter().any(|one| of(old, read::text(one, "type")).len() > 1);
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let (kind, status) = (condition.at("type"), condition.at("status"));
        if kind.is_empty() && !had_unnamed {
            kind.required("");
        }
        match FINAL.contains(&kind.text()) {
            true => status.one_of(&["True"]),
            false => status.one_of(&["False", "True", "Unknown"]),
        }
        let other = match kind.text() {
            "Approved" => Some("Denied"),
            "Denied" => Some("Approved"),
            _ => None,
        };
        if !had_both && other.is_some_and(|other| seen.contains(other)) {
            conditions.invalid_as(kind.text(), EXCLUSIVE);
        }
        if !seen.insert(kind.text()) && !had_twice {
            kind.duplicate();
        }
    }
}

/// What is decided or has failed stays so.
fn kept(object: &Field<'_>, old: &Value) {
    for kind in FINAL {
        if of(object.value, kind).len() < of(old, kind).len() {
            object
                .at("status")
                .at("conditions")
                .forbidden(format!("updates may not remove a condition of type {kind:?}"));
        }
    }
}

fn decisions(object: &Field<'_>, old: &Value) {
    for kind in ["Approved", "Denied"] {
        if of(object.value, kind).len() > of(old, kind).len() {
            object
                .at("status")
                .at("conditions")
                .forbidden(format!("updates may not add a condition of type {kind:?}"));
        }
    }
}

/// What is wrong with certificates as PEM in base64. None at all are fine.
fn pem_problem(text: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN ";
    let bytes = STANDARD.decode(text).unwrap_or_default();
    if bytes.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut blocks = 0;
    for part in text.split(BEGIN).skip(1) {
        let Some((kind, rest)) = part.split_once("-----") else { continue };
        let Some((body, _)) = rest.split_once("-----END ") else { continue };
        if kind != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {kind:?}"));
        }
        if body.contains(':') {
            return Some("no PEM block headers are permitted".to_owned());
        }
        blocks += 1;
    }
    (blocks == 0).then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::validation::{FieldError, update_approval, update_status};

    fn with(conditions: &[(&str, &str)]) -> Value {
        let all: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status}))
            .collect();
        json!({"metadata": {"name": "a"}, "status": {"conditions": all}})
    }

    #[track_caller]
    fn check(errors: &[FieldError], expected: &[&str]) {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, expected);
    }

    fn status(new: &Value, old: &Value) -> Vec<FieldError> {
        let gvk = "certificates.k8s.io/v1/CertificateSigningRequest".parse().unwrap();
        update_status(&gvk, new, old)
    }

    #[test]
    fn a_request_is_approved_or_denied() {
        let none = with(&[]);
        check(&update_approval(&with(&[("Approved", "True")]), &none), &[]);
        check(
            &update_approval(&with(&[("Approved", "False"), ("Denied", "True"), ("", "")]), &none),
            &[
                "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"",
                "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive",
                "status.conditions[2].type: Required value",
                "status.conditions[2].status: Required value",
            ],
        );
        check(
            &update_approval(&none, &with(&[("Denied", "True")])),
            &[
                "status.conditions: Forbidden: updates may not remove a condition of type \"Denied\"",
            ],
        );
    }

    #[test]
    fn a_status_decides_nothing() {
        check(
            &status(&with(&[("Approved", "True"), ("Failed", "True")]), &with(&[])),
            &["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""],
        );
    }

    #[test]
    fn a_certificate_is_written_once() {
        let certificate = |text: &str| json!({"metadata": {"name": "a"}, "status": {"certificate": STANDARD.encode(text)}});
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
        let fine = certificate(&pem("CERTIFICATE"));
        check(&status(&fine, &with(&[])), &[]);
        check(&status(&fine, &fine), &[]);
        check(
            &status(&certificate("text"), &fine),
            &[
                "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block",
                "status.certificate: Forbidden: updates may not modify existing certificate content",
            ],
        );
        check(
            &status(&certificate(&pem("PRIVATE KEY")), &with(&[])),
            &[
                "status.certificate: Invalid value: \"<certificate data>\": only CERTIFICATE PEM blocks are allowed, found \"PRIVATE KEY\"",
            ],
        );
    }
}
