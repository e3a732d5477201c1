//! Whose is this token, and is it for these audiences?

use std::sync::Arc;

use serde_json::{Value, json};

use super::user_info;
use crate::authn::{self, Refused};
use crate::error::{ApiError, ApiResult};
use crate::object::text;
use crate::pki::token::{ISSUER, TokenError};
use crate::server::Shared;

pub(super) async fn review(shared: &Arc<Shared>, object: &Value) -> ApiResult<Value> {
    let token = text(object, "/spec/token");
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = object["spec"]["audiences"].as_array().into_iter().flatten();
    let mut audiences: Vec<String> =
        audiences.filter_map(|audience| audience.as_str().map(str::to_owned)).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    Ok(match authn::authenticate(shared, token, &audiences).await {
        Ok(known) => json!({
            "authenticated": true,
            "user": user_info(&known.user),
            "audiences": known.audiences,
        }),
        Err(error) => json!({"user": {}, "error": why(&error)}),
    })
}

/// As upstream lists what its authenticators said.
fn why(error: &Refused) -> String {
    match error {
        Refused::Token(TokenError::Malformed | TokenError::Signature) => {
            "invalid bearer token".to_owned()
        }
        Refused::Token(TokenError::Audience { have, wanted }) => format!(
            "[invalid bearer token, token audiences {} is invalid for the target audiences {}]",
            listed(have),
            listed(wanted)
        ),
        other => format!("[invalid bearer token, {other}]"),
    }
}

fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}
