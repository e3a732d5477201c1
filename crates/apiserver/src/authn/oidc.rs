//! Users of an OpenID Connect issuer: ID tokens, checked with the issuer's published keys. Source:
//! Kubernetes, "Authenticating", OpenID Connect Tokens.
//!
//! The keys are fetched when the first token comes, again when they are old, and when a token names
//! one that is not known; how often, is bounded, whatever tokens come.

mod claims;
mod keys;
pub(crate) mod mapping;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use self::keys::Keys;
use self::mapping::Mapping;
use crate::callout::fetch;
use crate::user::UserInfo;

/// Longer tokens are refused unread.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Keys are not fetched again sooner than this.
const FETCH_PAUSE: Duration = Duration::from_secs(10);
/// Nor kept for longer without a look whether they are others now.
const KEYS_AGE_MAX: Duration = Duration::from_secs(600);
/// What is expected of the issuer and its tokens, as kube-apiserver's `--oidc-…` flags say it.
#[derive(Debug, Clone, Default)]
pub struct OidcSettings {
    /// The issuer, an https URL; tokens name it to the letter.
    pub issuer_url: String,
    /// Whom tokens must be for.
    pub client_id: String,
    /// The claim that is the user's name.
    pub username_claim: String,
    /// What is put before it; empty: the issuer and `#`, unless the claim is `email`; `-`: nothing.
    pub username_prefix: String,
    /// The claim that has the user's groups; empty: none has.
    pub groups_claim: String,
    /// What is put before each.
    pub groups_prefix: String,
    /// Claims that a token must have, with their values.
    pub required_claims: Vec<(String, String)>,
    /// The algorithms that tokens may be signed by.
    pub signing_algs: Vec<String>,
    /// Who vouches for the issuer's server, PEM; `None`: whom the system trusts.
    pub ca_pem: Option<Vec<u8>>,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcSettingsError {
    /// Tokens could be forged on the way.
    #[error("the OIDC issuer {0:?} is no https URL")]
    Issuer(String),
    /// There is nobody that tokens are for.
    #[error("an OIDC issuer needs a client id")]
    ClientId,
    /// Nothing here can check it.
    #[error(
        "the OIDC signing algorithm {0:?} is not supported; these are: {known}",
        known = keys::ALGORITHMS.join(", ")
    )]
    Algorithm(String),
    /// Nobody would be trusted.
    #[error("{NO_CERTIFICATES}")]
    Authorities,
}

/// What is said of authorities that are none.
pub(super) const NO_CERTIFICATES: &str =
    "data does not contain any valid RSA or ECDSA certificates";

/// Is there a certificate in this PEM text?
pub(super) fn has_certificates(pem: &[u8]) -> bool {
    CertificateDer::pem_slice_iter(pem).any(|found| found.is_ok())
}

/// Why a token of the issuer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("oidc: malformed jwt")]
    Malformed,
    #[error("oidc: id token signed with unsupported algorithm, expected {expected:?} got {got:?}")]
    Algorithm { expected: Vec<String>, got: String },
    #[error("failed to verify id token signature")]
    Signature,
    #[error("fetching keys {0}")]
    Keys(String),
    #[error(transparent)]
    Claims(#[from] claims::ClaimsError),
}

/// Whose tokens are taken, and what follows from them.
#[derive(Debug, Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    /// Where it says where its keys are; empty: where issuers do.
    pub(crate) discovery_url: String,
    /// Tokens must be for one of these.
    pub(crate) audiences: Vec<String>,
    pub(crate) signing_algs: Vec<String>,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) rules: Rules,
}

/// Where it is said what follows from a token.
#[derive(Debug, Clone)]
pub(crate) enum Rules {
    Flags(OidcSettings),
    File(Mapping),
}

impl Issuer {
    /// All algorithms that can be checked here.
    pub(crate) fn all_algorithms() -> Vec<String> {
        keys::ALGORITHMS.iter().map(|name| (*name).to_owned()).collect()
    }
}

impl From<OidcSettings> for Issuer {
    fn from(settings: OidcSettings) -> Self {
        Self {
            url: settings.issuer_url.clone(),
            discovery_url: String::new(),
            audiences: vec![settings.client_id.clone()],
            signing_algs: settings.signing_algs.clone(),
            ca_pem: settings.ca_pem.clone(),
            rules: Rules::Flags(settings),
        }
    }
}

/// An issuer and what is known of it.
#[derive(Debug)]
pub struct Oidc {
    issuer: Issuer,
    keys: ArcSwapOption<(Keys, Instant)>,
    /// When the last fetch began; held by the one that is under way.
    fetching: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Oidc {
    /// Nothing is asked of the issuer yet.
    pub fn new(settings: OidcSettings) -> Result<Self, OidcSettingsError> {
        if !settings.issuer_url.starts_with("https://") {
            return Err(OidcSettingsError::Issuer(settings.issuer_url));
        }
        if settings.client_id.is_empty() {
            return Err(OidcSettingsError::ClientId);
        }
        let unknown = |alg: &&String| !keys::ALGORITHMS.contains(&alg.as_str());
        if let Some(alg) = settings.signing_algs.iter().find(unknown) {
            return Err(OidcSettingsError::Algorithm(alg.clone()));
        }
        if settings.ca_pem.as_ref().is_some_and(|pem| !has_certificates(pem)) {
            return Err(OidcSettingsError::Authorities);
        }
        Ok(Self::of(settings.into()))
    }

    /// An issuer that makes sense. Nothing is asked of it yet.
    pub(crate) fn of(issuer: Issuer) -> Self {
        Self { issuer, keys: ArcSwapOption::empty(), fetching: Mutex::new(None) }
    }

    /// The user of claims whose signature is good.
    pub(crate) fn user_of(&self, claims: &Value, now: i64) -> Result<UserInfo, OidcError> {
        Ok(claims::user(&self.issuer, claims, now)?)
    }

    /// Does this token say that it is from here?
    pub(super) fn issued(&self, token: &str) -> bool {
        payload(token).is_some_and(|claims| claims["iss"] == self.issuer.url.as_str())
    }

    /// Whose token this is, which says that it is from here.
    pub(super) async fn user(&self, token: &str, now: i64) -> Result<UserInfo, OidcError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(OidcError::Malformed)?;
        let header = signed.split('.').next().and_then(decode).ok_or(OidcError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| OidcError::Malformed)?;
        let expected = &self.issuer.signing_algs;
        if !expected.contains(&header.alg) {
            return Err(OidcError::Algorithm { expected: expected.clone(), got: header.alg });
        }
        let signature = decode(signature).ok_or(OidcError::Malformed)?;
        self.check(&header, signed.as_bytes(), &signature).await?;
        let claims = payload(token).ok_or(OidcError::Malformed)?;
        self.user_of(&claims, now)
    }

    async fn check(
        &self,
        header: &Header,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), OidcError> {
        let asked = Instant::now();
        let known = self.keys.load_full();
        let fits = |known: &Option<Arc<(Keys, Instant)>>| {
            known
                .as_ref()
                .is_some_and(|known| known.0.verify(&header.alg, &header.kid, signed, signature))
        };
        let fresh = known.as_ref().is_some_and(|known| known.1.elapsed() < KEYS_AGE_MAX);
        if fresh && fits(&known) {
            return Ok(());
        }
        let has_key = known.as_ref().is_some_and(|known| known.0.has(&header.kid));
        // A bad signature by a key that is known is no reason to ask for others.
        if !(fresh && has_key) {
            let fetched = self.fetch(asked).await;
            // What was known still counts when the issuer cannot be reached.
            if let (Err(error), false) = (fetched, known.is_some()) {
                return Err(error);
            }
        }
        if fits(&self.keys.load_full()) { Ok(()) } else { Err(OidcError::Signature) }
    }

    /// Fetches the keys, unless that was done since `asked`, or too short a time ago.
    async fn fetch(&self, asked: Instant) -> Result<(), OidcError> {
        let mut last = self.fetching.lock().await;
        if last.is_some_and(|last| last > asked || last.elapsed() < FETCH_PAUSE) {
            return match self.keys.load().is_some() {
                true => Ok(()),
                false => Err(OidcError::Keys("failed a moment ago".to_owned())),
            };
        }
        *last = Some(Instant::now());
        let keys = self.fetch_now().await.map_err(|why| {
            tracing::warn!(issuer = self.issuer.url, why, "the OIDC keys cannot be had");
            OidcError::Keys(why)
        })?;
        self.keys.store(Some(Arc::new((keys, Instant::now()))));
        Ok(())
    }

    async fn fetch_now(&self) -> Result<Keys, String> {
        let roots = self.issuer.ca_pem.as_deref().unwrap_or_default();
        let issuer = &self.issuer.url;
        let at = match self.issuer.discovery_url.as_str() {
            "" => format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')),
            given => given.to_owned(),
        };
        let found: Discovery = read(&fetch::get(&at, roots).await?)?;
        if found.issuer != *issuer {
            let theirs = found.issuer;
            return Err(format!(
                "oidc: issuer did not match the issuer returned by provider, expected {issuer:?} got {theirs:?}"
            ));
        }
        Ok(Keys::read(&read(&fetch::get(&found.jwks_uri, roots).await?)?))
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What a token says, whoever signed it.
fn payload(token: &str) -> Option<Value> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&decode(payload)?).ok()
}
