//! The cluster's own certificate authority, serving and client certificates, kubeconfig
//! texts, and the key that signs ServiceAccount tokens.
//!
//! Everything lives in one directory, files 0600, each written by rename. Nothing is
//! ever fetched or sent.

mod certificates;
mod files;
pub mod keyring;
mod kubeconfig;
pub mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

pub use self::certificates::ServingNames;
use self::keyring::Keyring;
use self::token::TokenKey;

/// The file of the keys that values at rest are sealed with.
pub const KEYRING: &str = "encryption-keys.json";

/// Why the PKI cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{act} {}", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no usable {what}; remove it to have a new one made", path.display())]
    Unusable {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// The file of keys is none. It is not made anew: what its keys open would be lost.
    #[error("{} holds no usable keys; put back a copy, such as from a backup", path.display())]
    BadKeys {
        /// Which file.
        path: PathBuf,
    },
    /// A certificate could not be made.
    #[error("make the {what} certificate")]
    Issue {
        /// For whom.
        what: String,
        /// Why it failed.
        source: rcgen::Error,
    },
    /// A TLS configuration could not be made.
    #[error("make the TLS configuration")]
    Tls(#[source] rustls::Error),
    /// Client certificates could not be verified against the CA.
    #[error("make the client certificate verifier")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
    /// The system's random numbers or the signing key failed; there is nothing more to know.
    #[error("use the ServiceAccount signing key")]
    Key,
    /// A client certificate holds so many groups only.
    #[error("a client certificate for {user} cannot carry more than {max} groups")]
    TooManyGroups {
        /// For whom.
        user: String,
        /// How many it can carry.
        max: usize,
    },
}

/// The certificate authority and what hangs on it.
pub struct Pki {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca: CertificateDer<'static>,
    tokens: TokenKey,
    keyring: Arc<Keyring>,
}

impl Pki {
    /// Opens the directory; what is missing is made.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, PkiError> {
        let directory = directory.as_ref().to_owned();
        files::make_directory(&directory)?;
        let authority = certificates::authority(&directory)?;
        let tokens = TokenKey::open(&directory.join("service-account.key"))?;
        let keyring = Arc::new(Keyring::open(&directory.join(KEYRING))?);
        Ok(Self {
            keyring,
            directory,
            issuer: authority.issuer,
            ca_pem: authority.pem,
            ca: authority.certificate,
            tokens,
        })
    }

    /// The CA's certificate, as clients must trust it.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A kubeconfig for a user in these groups, with a fresh client certificate.
    pub fn kubeconfig(
        &self,
        server_url: &str,
        user: &str,
        groups: &[&str],
    ) -> Result<String, PkiError> {
        let client = certificates::client(&self.issuer, user, groups)?;
        Ok(kubeconfig::text(server_url, user, &self.ca_pem, &client))
    }

    /// The outer listener's TLS: our serving certificate (issued again when its names
    /// changed or it nears its end), client certificates welcome but not demanded.
    pub fn tls(&self, names: &ServingNames) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        let serving = certificates::serving(&self.issuer, &self.directory, names)?;
        certificates::server_config(&self.ca, serving)
    }

    /// The keys that values at rest are sealed with.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// The key that signs ServiceAccount tokens.
    pub fn tokens(&self) -> &TokenKey {
        &self.tokens
    }
}

#[cfg(test)]
mod tests;
