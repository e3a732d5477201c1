//! Tokens that a Secret of type `kubernetes.io/service-account-token` holds: good as long as the
//! Secret holds them and the ServiceAccount is the same.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bootstrap;
use crate::kinds;
use crate::object::{meta, metadata_mut, text};
use crate::pki::token::SecretClaims;
use crate::server::Shared;
use crate::user::UserInfo;

/// When a Secret's token was last shown, to the day.
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// Set on a Secret whose token counts no more.
const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";

/// Whose token this is; `None` where it counts no more.
pub(super) fn user(shared: &Arc<Shared>, token: &str, claims: &SecretClaims) -> Option<UserInfo> {
    let kind = kinds::find("", "v1", "secrets").expect("Secrets are in the table");
    let kv = shared.registry.get(kind, &claims.namespace, &claims.secret)?;
    let secret = shared.registry.decode(&kv).ok()?;
    let account = shared.registry.uid_of("serviceaccounts", &claims.namespace, &claims.account)?;
    if account != claims.account_uid || !holds(&secret, token) {
        return None;
    }
    note_use(shared, secret);
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{}", claims.namespace),
    ];
    Some(UserInfo { uid: account, ..UserInfo::new(claims.user(), groups) })
}

fn holds(secret: &Value, token: &str) -> bool {
    let held = STANDARD.decode(text(secret, "/data/token")).unwrap_or_default();
    meta(secret, "deletionTimestamp").is_empty()
        && label(secret, INVALID_SINCE).is_empty()
        && Sha256::digest(held) == Sha256::digest(token)
}

fn label<'a>(secret: &'a Value, name: &str) -> &'a str {
    secret["metadata"]["labels"][name].as_str().unwrap_or("")
}

/// Writes on the Secret that its token was used today, once a day, and one at a time; who comes
/// second writes it at its next use.
fn note_use(shared: &Arc<Shared>, mut secret: Value) {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    if label(&secret, LAST_USED) == today {
        return;
    }
    let Ok(turn) = shared.noting_use.clone().try_acquire_owned() else { return };
    let labels = metadata_mut(&mut secret)
        .entry("labels")
        .or_insert_with(|| Value::Object(Default::default()));
    let Some(labels) = labels.as_object_mut() else { return };
    labels.insert(LAST_USED.to_owned(), today.into());
    let (namespace, name) = (meta(&secret, "namespace"), meta(&secret, "name"));
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let _turn = turn;
        // It is a note: where it fails, the next use writes it.
        if let Err(error) = bootstrap::ask(&shared, Method::PUT, &path, Some(&secret)).await {
            tracing::debug!(%error, "the use of a token was not noted");
        }
    });
}
