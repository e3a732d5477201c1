//! Who is at the other end: client certificates, and tokens of a file, of ServiceAccounts, of
//! bootstrap Secrets and of an OpenID Connect issuer.

mod anonymous;
mod bootstrap_token;
mod configuration;
pub(crate) mod impersonation;
mod oidc;
mod secret_token;
mod static_tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};

use crate::error::ApiError;
use crate::pki::token::{Claims, ISSUER, Named, TokenError};
use crate::server::Shared;
use crate::user::{AUTHENTICATED, CREDENTIAL_ID, UserInfo};

pub use self::anonymous::Anonymous;
pub use self::configuration::{AuthenticationConfiguration, ConfigurationError};
pub use self::oidc::{Oidc, OidcSettings, OidcSettingsError};
pub use self::static_tokens::{StaticTokens, TokenFileError};

/// The attribute of a certificate's subject that is its user's unique id.
const SUBJECT_UID: Oid<'static> = oid!(1.3.6.1.4.1.57683.2);

/// The user a verified client certificate speaks for: its common name, its organisations
/// as groups, and which certificate it was. `None` where it names nobody, or has several ids.
pub fn user_of_certificate(der: &[u8]) -> Option<UserInfo> {
    let (_, certificate): (_, X509Certificate<'_>) =
        x509_parser::parse_x509_certificate(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    if name.is_empty() {
        return None;
    }
    let groups = certificate
        .subject()
        .iter_organization()
        .filter_map(|group| group.as_str().ok().map(str::to_owned))
        .collect::<Vec<_>>();
    let mut user = UserInfo::new(name, groups);
    let mut ids = certificate.subject().iter_by_oid(&SUBJECT_UID);
    if let Some(id) = ids.next() {
        user.uid = id.as_str().ok()?.to_owned();
    }
    let digest = format!("X509SHA256={}", hex::encode(Sha256::digest(der)));
    user.extra.insert(CREDENTIAL_ID.to_owned(), vec![digest]);
    ids.next().is_none().then_some(user)
}

/// The user of the request's bearer token; `None` when it has none.
pub(crate) async fn user_of_token(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
) -> Result<Option<UserInfo>, ApiError> {
    // As upstream, credentials of another sort are none.
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let Some(token) = header.and_then(bearer) else { return Ok(None) };
    match authenticate(shared, token, &[ISSUER.to_owned()]).await {
        Ok(known) => Ok(Some(known.user)),
        Err(error) => {
            tracing::debug!(%error, "bearer token refused");
            Err(ApiError::unauthorized())
        }
    }
}

/// Whose a token is.
pub(crate) struct Authenticated {
    pub(crate) user: UserInfo,
    /// Whom it is for, of those who were asked about.
    pub(crate) audiences: Vec<String>,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Oidc(#[from] oidc::OidcError),
}

/// The owner of a token that is for one of these audiences.
pub(crate) async fn authenticate(
    shared: &Arc<Shared>,
    token: &str,
    audiences: &[String],
) -> Result<Authenticated, Refused> {
    if let Some(oidc) = shared.access.oidc.iter().find(|oidc| oidc.issued(token)) {
        let user = oidc.user(token, jiff::Timestamp::now().as_second()).await?;
        return Ok(for_us(user, audiences)?);
    }
    Ok(authenticate_ours(shared, token, audiences)?)
}

/// A user whose token is for this API and for nobody else.
fn for_us(user: UserInfo, audiences: &[String]) -> Result<Authenticated, TokenError> {
    let ours = vec![ISSUER.to_owned()];
    match audiences.contains(&ours[0]) {
        true => Ok(Authenticated { user, audiences: ours }),
        false => Err(TokenError::Audience { have: ours, wanted: audiences.to_vec() }),
    }
}

/// The same of a token that this cluster knows by itself.
fn authenticate_ours(
    shared: &Arc<Shared>,
    token: &str,
    audiences: &[String],
) -> Result<Authenticated, TokenError> {
    let now = jiff::Timestamp::now().as_second();
    if let Some(user) = shared.access.static_tokens.user(token) {
        return Ok(Authenticated { user, audiences: audiences.to_vec() });
    }
    if let Some(user) = bootstrap_token::user(shared, token, now) {
        // It is for whoever asks.
        return Ok(Authenticated { user, audiences: audiences.to_vec() });
    }
    if let Ok(claims) = shared.pki.tokens().verify_secret(token) {
        let user = secret_token::user(shared, token, &claims).ok_or(TokenError::Invalidated)?;
        return for_us(user, audiences);
    }
    let claims = shared.pki.tokens().verify_for(token, audiences, now)?;
    if !still_bound(shared, &claims) {
        return Err(TokenError::Invalidated);
    }
    let common = |audience: &&String| audiences.contains(audience);
    let audiences = claims.aud.iter().filter(common).cloned().collect();
    Ok(Authenticated { user: user_of_claims(claims), audiences })
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The ServiceAccount, and what else the token is bound to, must be there still.
fn still_bound(shared: &Shared, claims: &Claims) -> bool {
    let bound = &claims.kubernetes;
    let exists = |resource: &str, object: &Named| {
        shared.registry.uid_of(resource, &bound.namespace, &object.name).as_deref()
            == Some(object.uid.as_str())
    };
    // A pod's token also names its node, which may go before the pod does.
    let node = bound.node.as_ref().filter(|_| bound.pod.is_none());
    exists("serviceaccounts", &bound.serviceaccount)
        && bound.pod.as_ref().is_none_or(|pod| exists("pods", pod))
        && bound.secret.as_ref().is_none_or(|secret| exists("secrets", secret))
        && node.is_none_or(|node| exists("nodes", node))
}

fn user_of_claims(claims: Claims) -> UserInfo {
    let namespace = claims.kubernetes.namespace;
    let mut extra = BTreeMap::new();
    extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={}", claims.jti)]);
    for (kind, object) in [("node", claims.kubernetes.node), ("pod", claims.kubernetes.pod)] {
        let Some(object) = object else { continue };
        let key = |field| format!("authentication.kubernetes.io/{kind}-{field}");
        extra.insert(key("name"), vec![object.name]);
        extra.insert(key("uid"), vec![object.uid]);
    }
    UserInfo {
        name: claims.sub,
        uid: claims.kubernetes.serviceaccount.uid,
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            AUTHENTICATED.to_owned(),
        ],
        extra,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    const UID: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];

    #[track_caller]
    fn check(name: &[(DnType, &str)], expected: Option<(&str, &str)>) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (part, text) in name {
            params.distinguished_name.push(part.clone(), *text);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let user = user_of_certificate(certificate.der());
        let shown = user.as_ref().map(|user| (user.name.as_str(), user.uid.as_str()));
        assert_eq!(shown, expected, "{name:?}");
        if let Some(user) = user {
            let id = &user.extra[CREDENTIAL_ID][0];
            assert_eq!(id.strip_prefix("X509SHA256=").map(str::len), Some(64), "{id}");
        }
    }

    #[test]
    fn a_certificate_names_a_user_and_which_credential_it_is() {
        let uid = || DnType::from_oid(UID);
        check(&[(DnType::CommonName, "jane")], Some(("jane", "")));
        check(&[(DnType::CommonName, "jane"), (uid(), "7")], Some(("jane", "7")));
        check(&[(DnType::OrganizationName, "dev")], None);
        check(&[(DnType::CommonName, "")], None);
    }
}
