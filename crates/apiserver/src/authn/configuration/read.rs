//! The file as it is written, and what is wrong with it but its expressions.

use std::collections::HashSet;

use api::FieldError;
use api::validation::ErrorKind;
use serde::Deserialize;
use serde_json::Value;

use crate::authn::oidc::{NO_CERTIFICATES, has_certificates};
use crate::pki::token::ISSUER as OURS;

const GROUP: &str = "apiserver.config.k8s.io";
const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha1"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    pub(super) jwt: Vec<Jwt>,
    pub(super) anonymous: Option<Anonymous>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Anonymous {
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Jwt {
    pub(super) issuer: Issuer,
    #[serde(default)]
    pub(super) claim_validation_rules: Vec<ClaimRule>,
    pub(super) claim_mappings: ClaimMappings,
    #[serde(default)]
    pub(super) user_validation_rules: Vec<UserRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Issuer {
    pub(super) url: String,
    #[serde(rename = "discoveryURL")]
    pub(super) discovery_url: String,
    pub(super) certificate_authority: String,
    pub(super) audiences: Vec<String>,
    audience_match_policy: String,
    egress_selector_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimRule {
    pub(super) claim: String,
    pub(super) required_value: String,
    pub(super) expression: String,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimMappings {
    pub(super) username: Part,
    pub(super) groups: Part,
    pub(super) uid: Part,
    pub(super) extra: Vec<Extra>,
}

/// A part of a user: a claim, or an expression. A uid has no prefix.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Part {
    pub(super) claim: String,
    pub(super) prefix: Option<String>,
    pub(super) expression: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Extra {
    pub(super) key: String,
    pub(super) value_expression: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UserRule {
    pub(super) expression: String,
    pub(super) message: String,
}

/// Something is wrong with a field.
pub(super) fn wrong(kind: ErrorKind, path: String, value: &str, detail: &str) -> FieldError {
    FieldError { path, kind, value: Value::from(value), detail: detail.to_owned() }
}

impl File {
    /// Is it such a file at all?
    pub(super) fn check_kind(&self) -> Result<(), String> {
        let version = self.api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'));
        if self.kind == "AuthenticationConfiguration"
            && version.is_some_and(|v| VERSIONS.contains(&v))
        {
            return Ok(());
        }
        Err(format!(
            "it is a {} of {}, not an AuthenticationConfiguration of {GROUP}/v1",
            self.kind, self.api_version
        ))
    }

    /// What is wrong with it.
    pub(super) fn complaints(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let (mut urls, mut discovered) = (HashSet::new(), HashSet::new());
        for (index, jwt) in self.jwt.iter().enumerate() {
            let path = format!("jwt[{index}].issuer");
            let issuer = &jwt.issuer;
            issuer.check(&path, &mut errors);
            if !urls.insert(&issuer.url) {
                errors.push(wrong(ErrorKind::Duplicate, format!("{path}.url"), &issuer.url, ""));
            }
            if !issuer.discovery_url.is_empty() && !discovered.insert(&issuer.discovery_url) {
                let path = format!("{path}.discoveryURL");
                errors.push(wrong(ErrorKind::Duplicate, path, &issuer.discovery_url, ""));
            }
        }
        if let Some(Anonymous { enabled: false, conditions }) = &self.anonymous
            && !conditions.is_empty()
        {
            let detail = "enabled should be set to true when conditions are defined";
            let path = "anonymous.conditions".to_owned();
            errors.push(wrong(ErrorKind::Invalid, path, &conditions[0].path, detail));
        }
        errors
    }
}

impl Issuer {
    fn check(&self, path: &str, errors: &mut Vec<FieldError>) {
        let mut add = |kind, field: &str, value: &str, detail: &str| {
            errors.push(wrong(kind, format!("{path}.{field}"), value, detail));
        };
        match self.url.as_str() {
            "" => add(ErrorKind::Required, "url", "", ""),
            OURS => {
                let detail =
                    format!("URL must not overlap with disallowed issuers: [{}]", self.url);
                add(ErrorKind::Invalid, "url", &self.url, &detail);
            }
            url => {
                bad_url(url).into_iter().for_each(|why| add(ErrorKind::Invalid, "url", url, why))
            }
        }
        let found_at = self.discovery_url.as_str();
        if !found_at.is_empty() {
            if found_at.trim_end_matches('/') == self.url.trim_end_matches('/') {
                let detail = "discoveryURL must be different from URL";
                add(ErrorKind::Invalid, "discoveryURL", found_at, detail);
            }
            for why in bad_url(found_at) {
                add(ErrorKind::Invalid, "discoveryURL", found_at, why);
            }
        }
        if self.audiences.is_empty() {
            let detail = format!("at least one {path}.audiences is required");
            add(ErrorKind::Required, "audiences", "", &detail);
        }
        let mut seen = HashSet::new();
        for (index, audience) in self.audiences.iter().enumerate() {
            let field = format!("audiences[{index}]");
            if audience.is_empty() {
                add(ErrorKind::Required, &field, "", "");
            }
            if !seen.insert(audience) {
                add(ErrorKind::Duplicate, &field, audience, "");
            }
        }
        let authorities = self.certificate_authority.as_str();
        if !authorities.is_empty() && !has_certificates(authorities.as_bytes()) {
            add(ErrorKind::Invalid, "certificateAuthority", "<omitted>", NO_CERTIFICATES);
        }
        let policy = self.audience_match_policy.as_str();
        match (self.audiences.len(), policy) {
            (_, "MatchAny") | (..=1, "") => {}
            (..=1, _) => {
                let detail = "audienceMatchPolicy must be empty or MatchAny for single audience";
                add(ErrorKind::Invalid, "audienceMatchPolicy", policy, detail);
            }
            _ => {
                let detail = "audienceMatchPolicy must be MatchAny for multiple audiences";
                add(ErrorKind::Invalid, "audienceMatchPolicy", policy, detail);
            }
        }
        if !self.egress_selector_type.is_empty() {
            let detail = "egress selectors are not supported by this server";
            add(ErrorKind::Invalid, "egressSelectorType", &self.egress_selector_type, detail);
        }
    }
}

/// What is wrong with the URL of an issuer.
fn bad_url(url: &str) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    let Some(rest) = url.strip_prefix("https://") else { return vec!["URL scheme must be https"] };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        wrong.push("URL must not contain a username or password");
    }
    if rest.split('#').next().is_some_and(|before| before.contains('?')) {
        wrong.push("URL must not contain a query");
    }
    if rest.contains('#') {
        wrong.push("URL must not contain a fragment");
    }
    wrong
}
