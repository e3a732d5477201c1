//! The certificate authority. Its key is for ever; its certificate is issued again, with the same
//! key and name, in its last year and when the clock says that it has not begun: what it signed
//! stays valid.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::certificates::issue;
use super::clock::Clock;
use super::life::{AUTHORITY, Life};
use super::{PkiError, files};

/// The authority as it is now.
pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
    pub(super) certificate: CertificateDer<'static>,
    life: Life,
}

/// The authority over time.
pub(super) struct Root {
    directory: PathBuf,
    /// What its files are named: `ca`.
    name: &'static str,
    clock: Clock,
    current: ArcSwap<Authority>,
    renewing: Mutex<()>,
}

impl Root {
    /// Reads the CA of these files, or makes one where there is none.
    pub(super) fn open(
        directory: &Path,
        name: &'static str,
        clock: Clock,
    ) -> Result<Self, PkiError> {
        let authority = open(directory, name, clock.now())?;
        let root = Self {
            directory: directory.to_owned(),
            name,
            clock,
            current: ArcSwap::from_pointee(authority),
            renewing: Mutex::new(()),
        };
        root.renew()?;
        Ok(root)
    }

    pub(super) fn current(&self) -> Arc<Authority> {
        self.current.load_full()
    }

    /// Issues the certificate again when it is time.
    pub(super) fn renew(&self) -> Result<(), PkiError> {
        let _one_at_a_time = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if AUTHORITY.is_kept_by(self.current().life, now) {
            return Ok(());
        }
        let (certificate_path, key_path) = files_of(&self.directory, self.name);
        let key = files::read(&key_path)?.and_then(|pem| KeyPair::from_pem(&pem).ok());
        let key = key.ok_or(PkiError::Unusable { what: "CA key", path: key_path })?;
        let pem = certificate(&key, self.name, now).map_err(issue("CA"))?;
        files::write(&certificate_path, &pem)?;
        self.current.store(Arc::new(authority(pem, key, &certificate_path)?));
        tracing::info!("the CA's certificate was issued again, with the same key");
        Ok(())
    }
}

/// The certificate and the key.
fn files_of(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")))
}

fn open(directory: &Path, name: &str, now: i64) -> Result<Authority, PkiError> {
    let (certificate_path, key_path) = files_of(directory, name);
    let unusable = |what, path: &Path| PkiError::Unusable { what, path: path.to_owned() };
    if let (Some(pem), Some(key)) = (files::read(&certificate_path)?, files::read(&key_path)?) {
        let key = KeyPair::from_pem(&key).map_err(|_| unusable("CA key", &key_path))?;
        return authority(pem, key, &certificate_path);
    }
    let key = KeyPair::generate().map_err(issue("CA"))?;
    let pem = certificate(&key, name, now).map_err(issue("CA"))?;
    // The key first: a certificate without its key would look complete.
    files::write(&key_path, &key.serialize_pem())?;
    files::write(&certificate_path, &pem)?;
    authority(pem, key, &certificate_path)
}

fn authority(pem: String, key: KeyPair, path: &Path) -> Result<Authority, PkiError> {
    let unusable = || PkiError::Unusable { what: "CA certificate", path: path.to_owned() };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable())?;
    let life = Life::of(&certificate).ok_or_else(unusable)?;
    let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| unusable())?;
    Ok(Authority { issuer, pem, certificate, life })
}

fn certificate(key: &KeyPair, name: &str, now: i64) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("sampan-{name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    AUTHORITY.set(&mut params, now);
    Ok(params.self_signed(key)?.pem())
}
