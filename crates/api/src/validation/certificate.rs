//! CertificateSigningRequests: the form of what is asked for; whether it may be had is not ours.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::field::Field;
use crate::{names, read};

/// No certificate is for less.
const SECONDS_MIN: i64 = 600;
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

pub(super) fn update(object: &Field<'_>, old: &Value) {
    let spec = object.at("spec");
    if !super::field::same(spec.value, read::at(old, &["spec"])) {
        spec.invalid("field is immutable");
    }
}
