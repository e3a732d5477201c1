//! The serving certificate of the moment. It is looked at by every handshake, and issued again in
//! its last months, when its names change, and when the clock says it is not valid: open
//! connections go on, the next ones see the new one.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::authority::Root;
use super::certificates::{self, Leaf, issue};
use super::clock::Clock;
use super::life::{LEAF, Life};
use super::{PkiError, files};

/// The names a serving certificate carries besides the fixed ones.
#[derive(Debug, Clone, Default)]
pub struct ServingNames {
    /// Addresses: the first service address, the node's address.
    pub addresses: Vec<Ipv4Addr>,
    /// Host names or addresses the user gave, and the machine's own.
    pub given: Vec<String>,
}

/// What every API serving certificate is good for.
const FIXED_NAMES: [&str; 7] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

impl ServingNames {
    fn all(&self) -> BTreeSet<String> {
        let fixed = FIXED_NAMES.iter().map(|name| (*name).to_owned());
        let addresses = self.addresses.iter().map(Ipv4Addr::to_string);
        fixed.chain(addresses).chain(self.given.iter().cloned()).collect()
    }
}

/// The serving certificate over time.
pub(super) struct Serving {
    directory: PathBuf,
    clock: Clock,
    root: Arc<Root>,
    wanted: ArcSwap<BTreeSet<String>>,
    current: ArcSwapOption<Served>,
    renewing: Mutex<()>,
}

struct Served {
    key: Arc<CertifiedKey>,
    life: Life,
    names: Arc<BTreeSet<String>>,
}

impl Serving {
    pub(super) fn new(directory: PathBuf, clock: Clock, root: Arc<Root>) -> Self {
        Self {
            directory,
            clock,
            root,
            wanted: ArcSwap::default(),
            current: ArcSwapOption::empty(),
            renewing: Mutex::new(()),
        }
    }

    /// From now on the certificate has these names.
    pub(super) fn set_names(&self, names: &ServingNames) -> Result<(), PkiError> {
        let names = names.all();
        if **self.wanted.load() != names {
            self.wanted.store(Arc::new(names));
        }
        self.renew()
    }

    /// Issues it again when it is time.
    pub(super) fn renew(&self) -> Result<(), PkiError> {
        let _one_at_a_time = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fits() {
            return Ok(());
        }
        let names = self.wanted.load_full();
        let leaf = self.leaf(&names)?;
        self.current.store(Some(Arc::new(served(&leaf, names)?)));
        Ok(())
    }

    fn fits(&self) -> bool {
        let wanted = self.wanted.load();
        self.current.load().as_ref().is_some_and(|served| {
            served.names == *wanted && LEAF.is_kept_by(served.life, self.clock.now())
        })
    }

    /// The one on disk, or a new one where it does not fit.
    fn leaf(&self, names: &BTreeSet<String>) -> Result<Leaf, PkiError> {
        let certificate_path = self.directory.join("serving.crt");
        let key_path = self.directory.join("serving.key");
        let (authority, now) = (self.root.current(), self.clock.now());
        if let (Some(certificate), Some(key)) =
            (files::read(&certificate_path)?, files::read(&key_path)?)
        {
            let leaf = Leaf { certificate, key };
            if certificates::still_fits(&leaf, &authority.issuer, names, now) {
                return Ok(leaf);
            }
        }
        let made =
            certificates::serving(&authority.issuer, names, now).map_err(issue("serving"))?;
        files::write(&key_path, &made.key)?;
        files::write(&certificate_path, &made.certificate)?;
        tracing::info!(names = names.len(), "the serving certificate was issued");
        Ok(made)
    }
}

fn served(leaf: &Leaf, names: Arc<BTreeSet<String>>) -> Result<Served, PkiError> {
    let certificate = CertificateDer::from_pem_slice(leaf.certificate.as_bytes())
        .expect("a serving certificate we just made or checked is PEM");
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())
        .expect("a serving key we just made or checked is PEM");
    let life = Life::of(&certificate).expect("a certificate we just made or checked has a life");
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(PkiError::Tls)?;
    Ok(Served { key: Arc::new(CertifiedKey::new(vec![certificate], key)), life, names })
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // The clock may have jumped since anybody looked.
        if !self.fits()
            && let Err(error) = self.renew()
        {
            tracing::error!(%error, "the serving certificate cannot be renewed");
        }
        self.current.load().as_ref().map(|served| served.key.clone())
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving({} names)", self.wanted.load().len())
    }
}

/// Is this a name or an address that a certificate can carry?
pub fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || rustls::pki_types::DnsName::try_from(text.strip_prefix("*.").unwrap_or(text)).is_ok()
}

/// TLS 1.2 and 1.3, HTTP/2 first.
pub(super) fn server_config(
    serving: Arc<Serving>,
    authorities: impl Iterator<Item = CertificateDer<'static>>,
    clock: Clock,
) -> Result<Arc<rustls::ServerConfig>, PkiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    // A trust anchor is a name and a key, which the authority keeps.
    for authority in authorities {
        roots.add(authority).map_err(PkiError::Tls)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(PkiError::Verifier)?;
    let mut config = rustls::ServerConfig::builder_with_details(provider, Arc::new(clock))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(PkiError::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(serving);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
