//! The certificate with which this server speaks for its users to the servers behind it. It has an
//! authority of its own: whoever has a certificate of the cluster's may not speak for others.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::authority::Root;
use super::clock::Clock;
use super::{PkiError, certificates};

/// The name that the servers behind this one know it by.
pub(crate) const NAME: &str = "front-proxy-client";
/// What the files of its authority are named.
const AUTHORITY: &str = "front-proxy-ca";
/// A certificate is used for so long, and lives much longer.
const USED_SECONDS: i64 = 30 * 24 * 3600;

/// The authority and what it has issued lately.
pub(super) struct FrontProxy {
    clock: Clock,
    root: Root,
    /// Since when, by the wall clock, which may jump.
    current: Mutex<Option<(i64, Arc<CertifiedKey>)>>,
}

impl FrontProxy {
    pub(super) fn open(directory: &Path, clock: Clock) -> Result<Self, PkiError> {
        let root = Root::open(directory, AUTHORITY, clock.clone())?;
        Ok(Self { clock, root, current: Mutex::default() })
    }

    pub(super) fn ca_pem(&self) -> String {
        self.root.current().pem.clone()
    }

    fn issue(&self, now: i64) -> Result<Arc<CertifiedKey>, PkiError> {
        self.root.renew()?;
        let leaf = certificates::client(&self.root.current().issuer, NAME, &[], now)?;
        let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes())
            .expect("a certificate we just made is PEM");
        let key =
            PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key we just made is PEM");
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(PkiError::Tls)?;
        Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
    }
}

impl ResolvesClientCert for FrontProxy {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some((since, key)) = &*current
            && (0..USED_SECONDS).contains(&(now - since))
        {
            return Some(key.clone());
        }
        match self.issue(now) {
            Ok(key) => {
                *current = Some((now, key.clone()));
                Some(key)
            }
            Err(error) => {
                tracing::error!(%error, "no certificate for the servers behind this one");
                None
            }
        }
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for FrontProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(NAME)
    }
}
