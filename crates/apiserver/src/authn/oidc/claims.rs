//! What an ID token says, and the user that follows from it.

use serde_json::Value;

use super::mapping::MappingError;
use super::{Issuer, OidcSettings, Rules};
use crate::user::{CREDENTIAL_ID, UserInfo};

/// Clocks may differ so much about a token's beginning.
const EARLY_SECONDS: i64 = 300;

/// Why a token's claims are not enough; in upstream's words where it has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimsError {
    #[error("oidc: verify token: oidc: token is expired (Token Expiry: {0})")]
    Expired(String),
    #[error("oidc: verify token: oidc: token is not valid yet")]
    TooEarly,
    #[error(
        "oidc: verify token: oidc: expected audience in {} got {}",
        listed(expected),
        listed(got)
    )]
    Audience { expected: Vec<String>, got: Vec<String> },
    #[error("oidc: parse username claims {0:?}: claim not present")]
    NoUser(String),
    #[error("oidc: email not verified")]
    EmailNotVerified,
    #[error("oidc: parse groups claim {0:?}: it is neither a text nor a list of texts")]
    Groups(String),
    #[error("oidc: required claim {0} not present in ID token")]
    NoRequired(String),
    #[error("oidc: required claim {claim} value does not match. Got = {got}, want = {wanted}")]
    OtherRequired { claim: String, got: String, wanted: String },
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// The user of a token whose signature is good.
pub(super) fn user(issuer: &Issuer, claims: &Value, now: i64) -> Result<UserInfo, ClaimsError> {
    in_time(claims, now)?;
    let audiences = texts(&claims["aud"]).unwrap_or_default();
    if !audiences.iter().any(|audience| issuer.audiences.contains(audience)) {
        return Err(ClaimsError::Audience { expected: issuer.audiences.clone(), got: audiences });
    }
    match &issuer.rules {
        Rules::Flags(settings) => by_flags(settings, claims),
        Rules::File(mapping) => mapping.user(claims),
    }
}

/// As Go prints a list of texts with `%q`.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

/// Which token it was.
pub(super) fn credential(claims: &Value) -> Option<(String, Vec<String>)> {
    let id = claims["jti"].as_str().filter(|id| !id.is_empty())?;
    Some((CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]))
}

fn by_flags(settings: &OidcSettings, claims: &Value) -> Result<UserInfo, ClaimsError> {
    for (claim, wanted) in &settings.required_claims {
        required(claims, claim, wanted)?;
    }
    let name = name(settings, claims)?;
    let mut user = UserInfo::new(name, groups(settings, claims)?);
    user.extra.extend(credential(claims));
    Ok(user)
}

/// Seconds may have a part behind the point.
fn second(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

fn in_time(claims: &Value, now: i64) -> Result<(), ClaimsError> {
    let end = second(&claims["exp"]).unwrap_or(0);
    if end <= now {
        let shown = jiff::Timestamp::from_second(end).map(|end| end.to_string());
        return Err(ClaimsError::Expired(shown.unwrap_or_default()));
    }
    match second(&claims["nbf"]) {
        Some(begin) if begin > now.saturating_add(EARLY_SECONDS) => Err(ClaimsError::TooEarly),
        _ => Ok(()),
    }
}

pub(super) fn required(claims: &Value, claim: &str, wanted: &str) -> Result<(), ClaimsError> {
    let got = claims[claim].as_str().ok_or_else(|| ClaimsError::NoRequired(claim.to_owned()))?;
    if got == wanted {
        return Ok(());
    }
    let (claim, got, wanted) = (claim.to_owned(), got.to_owned(), wanted.to_owned());
    Err(ClaimsError::OtherRequired { claim, got, wanted })
}

fn name(settings: &OidcSettings, claims: &Value) -> Result<String, ClaimsError> {
    let claim = &settings.username_claim;
    let name = claims[claim.as_str()].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ClaimsError::NoUser(claim.clone()))?;
    let verified = &claims["email_verified"];
    if claim == "email" && !verified.is_null() && *verified != true {
        return Err(ClaimsError::EmailNotVerified);
    }
    Ok(match (settings.username_prefix.as_str(), claim.as_str()) {
        ("-", _) | ("", "email") => name.to_owned(),
        ("", _) => format!("{}#{name}", settings.issuer_url),
        (prefix, _) => format!("{prefix}{name}"),
    })
}

fn groups(settings: &OidcSettings, claims: &Value) -> Result<Vec<String>, ClaimsError> {
    let claim = &settings.groups_claim;
    if claim.is_empty() || claims[claim.as_str()].is_null() {
        return Ok(Vec::new());
    }
    let groups = texts(&claims[claim.as_str()]);
    let groups = groups.ok_or_else(|| ClaimsError::Groups(claim.clone()))?;
    Ok(groups.iter().map(|group| format!("{}{group}", settings.groups_prefix)).collect())
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> OidcSettings {
        OidcSettings {
            issuer_url: "https://i".to_owned(),
            client_id: "us".to_owned(),
            username_claim: "sub".to_owned(),
            groups_claim: "groups".to_owned(),
            groups_prefix: "oidc:".to_owned(),
            ..OidcSettings::default()
        }
    }

    /// What a good token says, with this put in.
    fn with(more: Value) -> Value {
        let mut claims = json!({"sub": "amy", "aud": ["us", "them"], "exp": 1000});
        for (key, value) in more.as_object().unwrap() {
            claims[key] = value.clone();
        }
        claims
    }

    #[track_caller]
    fn check(settings: &OidcSettings, more: Value, expected: Result<(&str, &[&str]), &str>) {
        let user = user(&settings.clone().into(), &with(more), 500);
        let found = user.map(|user| (user.name, user.groups)).map_err(|error| error.to_string());
        let expected = expected.map(|(name, groups)| {
            let all = groups.iter().chain(&["system:authenticated"]);
            (name.to_owned(), all.map(|group| (*group).to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_user_has_the_name_and_groups_of_the_claims() {
        check(&settings(), json!({}), Ok(("https://i#amy", &[])));
        let groups = json!({"groups": ["a", "b"]});
        check(&settings(), groups, Ok(("https://i#amy", &["oidc:a", "oidc:b"])));
        let plain = OidcSettings { username_prefix: "-".to_owned(), ..settings() };
        check(&plain, json!({"groups": "a", "aud": "us"}), Ok(("amy", &["oidc:a"])));
        let email = OidcSettings { username_claim: "email".to_owned(), ..settings() };
        check(&email, json!({"email": "a@b", "email_verified": true}), Ok(("a@b", &[])));
        let unverified = json!({"email": "a@b", "email_verified": false});
        check(&email, unverified, Err("oidc: email not verified"));
    }

    #[test]
    fn what_is_not_for_us_or_not_in_time_is_refused() {
        let expired =
            "oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01T00:08:20Z)";
        check(&settings(), json!({"exp": 500}), Err(expired));
        check(
            &settings(),
            json!({"nbf": 801}),
            Err("oidc: verify token: oidc: token is not valid yet"),
        );
        let other = "oidc: verify token: oidc: expected audience in [\"us\"] got [\"them\"]";
        check(&settings(), json!({"aud": "them"}), Err(other));
        let nobody = "oidc: parse username claims \"sub\": claim not present";
        check(&settings(), json!({"sub": ""}), Err(nobody));
        let strict = OidcSettings {
            required_claims: vec![("team".to_owned(), "red".to_owned())],
            ..settings()
        };
        check(&strict, json!({"team": "red"}), Ok(("https://i#amy", &[])));
        let blue = "oidc: required claim team value does not match. Got = blue, want = red";
        check(&strict, json!({"team": "blue"}), Err(blue));
        check(&strict, json!({}), Err("oidc: required claim team not present in ID token"));
    }
}
