//! TLS: which certificate a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::proxy::Proxy;

/// A certificate with its key, and the hosts it is shown for.
#[derive(Debug, Clone)]
pub struct Certificate {
    hosts: Vec<String>,
    key: Arc<CertifiedKey>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain is not PEM.
    #[error("read the certificate chain")]
    Chain(#[source] pem::Error),
    /// The chain holds no certificate.
    #[error("the certificate chain is empty")]
    Empty,
    /// There is no private key in PEM.
    #[error("read the private key")]
    Key(#[source] pem::Error),
    /// The key is of an unknown kind, or not that of the certificate.
    #[error("use the certificate with its key")]
    Mismatch(#[source] rustls::Error),
}

impl Certificate {
    /// Reads a certificate chain and a private key. It is shown for `hosts` (names, or `*.suffix`
    /// for one label before it); without any, for every host that has no other.
    ///
    /// # Errors
    /// When chain or key are not PEM, or do not belong together.
    pub fn from_pem(
        hosts: impl IntoIterator<Item = impl Into<String>>,
        chain: &[u8],
        key: &[u8],
    ) -> Result<Certificate, CertificateError> {
        let hosts = hosts.into_iter().map(|host| host.into().to_ascii_lowercase()).collect();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(CertificateError::Chain)?;
        if chain.is_empty() {
            return Err(CertificateError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let key = Arc::new(certified.map_err(CertificateError::Mismatch)?);
        Ok(Certificate { hosts, key })
    }
}

/// Certificates by host.
#[derive(Default)]
pub(crate) struct Certificates {
    by_host: HashMap<String, Arc<CertifiedKey>>,
    fallback: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Of several for one host, the first is taken.
    pub fn new(certificates: Vec<Certificate>) -> Certificates {
        let mut all = Certificates::default();
        for Certificate { hosts, key } in certificates {
            if hosts.is_empty() {
                all.fallback.get_or_insert(key);
                continue;
            }
            for host in hosts {
                all.by_host.entry(host).or_insert_with(|| key.clone());
            }
        }
        all
    }

    fn find(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let host = host.map(str::to_ascii_lowercase);
        let named = host.as_deref().and_then(|host| {
            let wildcard = || {
                let (_, suffix) = host.split_once('.')?;
                self.by_host.get(&format!("*.{suffix}"))
            };
            self.by_host.get(host).or_else(wildcard)
        });
        named.or(self.fallback.as_ref()).cloned()
    }
}

struct Resolver(Arc<Proxy>);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.routing.load().certificates.find(hello.server_name())
    }
}

/// Accepts TLS with whatever certificates the table holds at the time.
pub(crate) fn acceptor(proxy: Arc<Proxy>) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(proxy)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(hosts: &[&str]) -> Certificate {
        let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Certificate::from_pem(hosts.iter().copied(), chain.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn the_certificate_of_the_host_is_shown() {
        let given = [&["a.example", "b.example"][..], &["*.example"], &[]].map(certificate);
        let certificates = Certificates::new(given.to_vec());
        for (host, expected) in [
            (Some("a.example"), 0),
            (Some("B.Example"), 0),
            (Some("c.example"), 1),
            (Some("d.c.example"), 2),
            (None, 2),
        ] {
            let found = certificates.find(host).unwrap();
            assert!(Arc::ptr_eq(&found, &given[expected].key), "{host:?}");
        }
        assert!(Certificates::new(given[..1].to_vec()).find(Some("x")).is_none());
    }

    fn check_refused(chain: &[u8], key: &[u8], expected: &str) {
        let error = Certificate::from_pem(["a"], chain, key).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), other.signing_key.serialize_pem());
        check_refused(b"", key.as_bytes(), "the certificate chain is empty");
        check_refused(chain.as_bytes(), b"", "read the private key");
        check_refused(chain.as_bytes(), key.as_bytes(), "use the certificate with its key");
    }
}
