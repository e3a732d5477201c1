//! The cluster's own certificate authority, serving and client certificates, kubeconfig
//! texts, and the key that signs ServiceAccount tokens.
//!
//! Everything lives in one directory, files 0600, each written by rename. Nothing is
//! ever fetched or sent.

mod authority;
mod certificates;
mod client_authorities;
mod clock;
mod der;
mod files;
mod front_proxy;
pub mod keyring;
mod kubeconfig;
mod life;
mod serving;
mod signing;
pub mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::authority::Root;
use self::client_authorities::ClientAuthorities;
pub use self::clock::Clock;
use self::front_proxy::FrontProxy;
pub(crate) use self::front_proxy::NAME as FRONT_PROXY;
use self::keyring::Keyring;
pub(crate) use self::life::Life;
use self::serving::Serving;
pub use self::serving::{ServingNames, is_name};
pub use self::signing::SignError;
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
    /// What was given as authorities of clients are none.
    #[error("read the authorities of client certificates: {why}")]
    ClientAuthorities {
        /// Why not.
        why: String,
    },
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
    clock: Clock,
    root: Arc<Root>,
    serving: Arc<Serving>,
    tokens: TokenKey,
    keyring: Arc<Keyring>,
    front_proxy: Arc<FrontProxy>,
    client_authorities: ClientAuthorities,
}

impl Pki {
    /// Opens the directory; what is missing is made.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, PkiError> {
        Self::open_at(directory, Clock::system())
    }

    /// The same by another clock.
    pub fn open_at(directory: impl AsRef<Path>, clock: Clock) -> Result<Self, PkiError> {
        let directory = directory.as_ref();
        files::make_directory(directory)?;
        let root = Arc::new(Root::open(directory, "ca", clock.clone())?);
        let front_proxy = Arc::new(FrontProxy::open(directory, clock.clone())?);
        let serving = Serving::new(directory.to_owned(), clock.clone(), root.clone());
        Ok(Self {
            tokens: TokenKey::open(&directory.join("service-account.key"))?,
            keyring: Arc::new(Keyring::open(&directory.join(KEYRING))?),
            serving: Arc::new(serving),
            clock,
            root,
            front_proxy,
            client_authorities: ClientAuthorities::default(),
        })
    }

    /// The CA's certificate, as clients must trust it now.
    pub fn ca_pem(&self) -> String {
        self.root.current().pem.clone()
    }

    /// Takes client certificates of these authorities (PEM), too, whatever user they name.
    ///
    /// # Errors
    /// Where there is no certificate, or one that cannot be an authority's.
    pub fn trust_clients_of(&mut self, pem: &[u8]) -> Result<(), PkiError> {
        self.client_authorities.add(pem)
    }

    /// The certificates of all authorities whose clients are taken.
    pub(crate) fn client_ca_pem(&self) -> String {
        self.ca_pem() + self.client_authorities.pem()
    }

    /// The certificate of the authority that vouches for this server where it speaks for others.
    pub(crate) fn front_proxy_ca_pem(&self) -> String {
        self.front_proxy.ca_pem()
    }

    /// What this server shows where it speaks for others.
    pub(crate) fn front_proxy(&self) -> Arc<dyn rustls::client::ResolvesClientCert> {
        self.front_proxy.clone()
    }

    /// A kubeconfig for a user in these groups, with a fresh client certificate.
    pub fn kubeconfig(
        &self,
        server_url: &str,
        user: &str,
        groups: &[&str],
    ) -> Result<String, PkiError> {
        let authority = self.root.current();
        let client = certificates::client(&authority.issuer, user, groups, self.clock.now())?;
        Ok(kubeconfig::text(server_url, user, &authority.pem, &client))
    }

    /// Is this a kubeconfig of ours for that server, which needs not be written anew yet?
    pub fn keeps_kubeconfig(&self, text: &str, server_url: &str) -> bool {
        kubeconfig::is_kept(text, server_url, &self.root.current().pem, self.clock.now())
    }

    /// The outer listener's TLS: our serving certificate with these names, client certificates
    /// welcome but not demanded. The certificate is renewed by itself; connections go on.
    pub fn tls(&self, names: &ServingNames) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        self.renew(names)?;
        let ca = self.root.current().certificate.clone();
        let trusted = [ca].into_iter().chain(self.client_authorities.certificates().cloned());
        serving::server_config(self.serving.clone(), trusted, self.clock.clone())
    }

    /// Issues anew what is due: the CA's certificate, and the serving certificate, which has these
    /// names from now on.
    pub fn renew(&self, names: &ServingNames) -> Result<(), PkiError> {
        self.root.renew()?;
        self.serving.set_names(names)
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
