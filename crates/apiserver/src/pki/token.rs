//! ServiceAccount tokens: ES256 JSON Web Tokens, signed and checked with one key.

mod verified;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::verified::Verified;
use super::{PkiError, files};

/// Who issues our tokens, and the audience they are for unless another is asked for.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Longer tokens are refused unread.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom the token is for.
    pub aud: Vec<String>,
    /// The second it ends.
    pub exp: i64,
    /// The second it was made.
    pub iat: i64,
    /// Who made it.
    pub iss: String,
    /// Its own id.
    pub jti: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Bound,
    /// The second it begins.
    pub nbf: i64,
    /// The user's name.
    pub sub: String,
}

/// The objects a token lives and dies with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The namespace.
    pub namespace: String,
    /// The node, where it is bound to one, or to a pod of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub node: Option<Named>,
    /// The pod, where it is bound to one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pod: Option<Named>,
    /// The Secret, where it is bound to one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret: Option<Named>,
    /// The ServiceAccount.
    pub serviceaccount: Named,
    /// The second from which on it should have been replaced, where it lives longer than was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warnafter: Option<i64>,
}

/// An object by name and uid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Who issues the tokens of Secrets, which have no end.
const SECRET_ISSUER: &str = "kubernetes/serviceaccount";

/// What the token of a Secret says: it lives as long as the Secret and its ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretClaims {
    iss: String,
    /// Where both are.
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    pub namespace: String,
    /// The Secret's name.
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    pub secret: String,
    /// The ServiceAccount's name.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    pub account: String,
    /// The ServiceAccount's uid.
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    pub account_uid: String,
    sub: String,
}

impl SecretClaims {
    /// The claims of a Secret's token.
    pub fn new(namespace: &str, secret: &str, account: &str, account_uid: &str) -> Self {
        Self {
            iss: SECRET_ISSUER.to_owned(),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            account: account.to_owned(),
            account_uid: account_uid.to_owned(),
            sub: format!("system:serviceaccount:{namespace}:{account}"),
        }
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.sub
    }

    fn is_whole(&self) -> bool {
        let parts = [&self.namespace, &self.secret, &self.account, &self.account_uid];
        self.iss == SECRET_ISSUER
            && parts.iter().all(|part| !part.is_empty())
            && self.sub == format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JSON Web Token of ours.
    #[error("the token is not one this server issues")]
    Malformed,
    /// Its signature does not fit.
    #[error("the token's signature is not ours")]
    Signature,
    /// It is over.
    #[error("service account token has expired")]
    Expired,
    /// It has not begun.
    #[error("service account token is not valid yet")]
    TooEarly,
    /// What it is bound to is no more.
    #[error("service account token has been invalidated")]
    Invalidated,
    /// It is for somebody else.
    #[error("token audiences {have:?} is invalid for the target audiences {wanted:?}")]
    Audience {
        /// Whom it is for.
        have: Vec<String>,
        /// Who was shown it.
        wanted: Vec<String>,
    },
}

/// The key that signs and checks tokens.
pub struct TokenKey {
    key: EcdsaKeyPair,
    header: String,
    id: String,
    random: SystemRandom,
    seen: Verified,
}

impl TokenKey {
    /// Reads the key, or makes one where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, PkiError> {
        let random = SystemRandom::new();
        let encoded = match files::read(path)? {
            Some(text) => text,
            None => make(path, &random)?,
        };
        let unusable =
            || PkiError::Unusable { what: "ServiceAccount signing key", path: path.to_owned() };
        let document = STANDARD.decode(encoded.trim()).map_err(|_| unusable())?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, &random)
            .map_err(|_| unusable())?;
        let id = hex::encode(&Sha256::digest(key.public_key().as_ref())[..8]);
        let header = encode(format!(r#"{{"alg":"ES256","kid":"{id}","typ":"JWT"}}"#).as_bytes());
        Ok(Self { key, header, id, random, seen: Verified::default() })
    }

    /// The public half as a JSON Web Key Set, for whoever checks tokens without asking us.
    pub fn key_set(&self) -> serde_json::Value {
        // A point without compression: a mark, then both coordinates of 32 bytes.
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        serde_json::json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": encode(x), "y": encode(y),
        }]})
    }

    /// The claims as a signed token.
    pub fn sign(&self, claims: &Claims) -> Result<String, PkiError> {
        self.sign_any(claims)
    }

    /// The claims of a Secret's token as a signed token.
    pub fn sign_secret(&self, claims: &SecretClaims) -> Result<String, PkiError> {
        self.sign_any(claims)
    }

    fn sign_any(&self, claims: &impl Serialize) -> Result<String, PkiError> {
        let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let signed = format!("{}.{}", self.header, encode(&claims));
        let signature =
            self.key.sign(&self.random, signed.as_bytes()).map_err(|_| PkiError::Key)?;
        Ok(format!("{signed}.{}", encode(signature.as_ref())))
    }

    /// The claims of a token that is ours, for this API, and valid at this second.
    pub fn verify(&self, token: &str, now_seconds: i64) -> Result<Claims, TokenError> {
        self.verify_for(token, &[ISSUER.to_owned()], now_seconds)
    }

    /// The claims of a token that is ours, for one of these audiences, and valid at this second.
    pub fn verify_for(
        &self,
        token: &str,
        audiences: &[String],
        now_seconds: i64,
    ) -> Result<Claims, TokenError> {
        let claims = self.verified(token)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
        check_claims(claims, audiences, now_seconds)
    }

    /// The claims of a Secret's token, which is ours; whether the Secret still holds it is for
    /// others to see.
    pub fn verify_secret(&self, token: &str) -> Result<SecretClaims, TokenError> {
        let claims = self.verified(token)?;
        let claims: SecretClaims =
            serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
        if claims.is_whole() { Ok(claims) } else { Err(TokenError::Malformed) }
    }

    /// What a token says that we have signed.
    fn verified(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        // Only our own header, so that no other algorithm can be talked in.
        if header != self.header {
            return Err(TokenError::Malformed);
        }
        let signature = decode(signature)?;
        let public = self.key.public_key().as_ref();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
        if !self.seen.is(token, || public.verify(signed.as_bytes(), &signature).is_ok()) {
            return Err(TokenError::Signature);
        }
        decode(claims)
    }
}

fn check_claims(
    claims: Claims,
    audiences: &[String],
    now_seconds: i64,
) -> Result<Claims, TokenError> {
    if claims.iss != ISSUER {
        return Err(TokenError::Malformed);
    }
    if now_seconds < claims.nbf {
        return Err(TokenError::TooEarly);
    }
    if now_seconds >= claims.exp {
        return Err(TokenError::Expired);
    }
    if !claims.aud.iter().any(|audience| audiences.contains(audience)) {
        let (have, wanted) = (claims.aud, audiences.to_vec());
        return Err(TokenError::Audience { have, wanted });
    }
    Ok(claims)
}

fn make(path: &Path, random: &SystemRandom) -> Result<String, PkiError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
        .map_err(|_| PkiError::Key)?;
    let encoded = STANDARD.encode(document.as_ref());
    files::write(path, &encoded)?;
    Ok(encoded)
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)
}
