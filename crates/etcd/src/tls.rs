//! TLS for the server, from PEM files.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why certificates could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("read PEM from {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// The trusted file has nothing to trust in it.
    #[error("no usable certificate in {path}")]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// What clients' certificates are checked with cannot be used.
    #[error("make a verifier of {path}")]
    Verifier {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::server::VerifierBuilderError,
    },
    /// Certificates of clients were asked for, but not whom to trust.
    #[error("client certificates are asked for, but no trusted authority is named")]
    NobodyTrusted,
    /// Certificate and key cannot be used, or not together.
    #[error("use the certificate {certificate} with the key {key}")]
    Identity {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// The name a client proved to have by its certificate. An extension of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerName(pub(crate) Arc<str>);

/// What a server needs for TLS: its certificate (leaf first) and key; whom it trusts to sign
/// certificates of clients, if anybody; and whether it insists on one, as etcd's
/// `--client-cert-auth` does.
///
/// # Errors
/// When a file cannot be read or used.
pub fn server_tls(
    certificate: &Path,
    key: &Path,
    trusted: Option<&Path>,
    client_cert_auth: bool,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = |source| TlsError::Identity {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(identity)?;
    let builder = match (trusted, client_cert_auth) {
        (Some(path), _) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
            let verifier =
                if client_cert_auth { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(
                verifier
                    .build()
                    .map_err(|source| TlsError::Verifier { path: path.to_owned(), source })?,
            )
        }
        (None, true) => return Err(TlsError::NobodyTrusted),
        (None, false) => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(identity)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The common name in a client's certificate.
pub(crate) fn peer_name(certificates: Option<&[CertificateDer<'_>]>) -> Option<PeerName> {
    let (_, leaf) = X509Certificate::from_der(certificates?.first()?).ok()?;
    let name = leaf.subject().iter_common_name().next()?.as_str().ok()?;
    Some(PeerName(name.into()))
}

pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(TlsError::NoAuthority { path: path.to_owned() });
    }
    Ok(roots)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_reader_iter(open(path)?)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}

pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_reader(open(path)?)
        .map_err(|source| TlsError::Pem { path: path.to_owned(), source })
}

fn open(path: &Path) -> Result<BufReader<File>, TlsError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|source| TlsError::Open { path: path.to_owned(), source })
}
