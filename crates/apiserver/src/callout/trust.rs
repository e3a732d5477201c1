//! Whose certificates a call takes: those that authorities of a PEM text vouch for, or the
//! system's authorities where none is named, as Go's TLS client does for upstream.

use std::sync::{Arc, LazyLock};

use kit::tls::{Shown, taking_certificates};
use rustls::client::{
    WantsClientCert, verify_server_cert_signed_by_trust_anchor, verify_server_name,
};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, Error, RootCertStore};

use crate::pki::Life;

/// The authorities of this machine, read when they are first asked for.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "authorities of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    Arc::new(roots)
});

/// Whom the authorities of this PEM text vouch for; the system's, where it is empty.
pub(super) fn vouched_for(
    bundle: &[u8],
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let pinned = certificates(bundle)?;
    let roots = if bundle.is_empty() { Arc::clone(&SYSTEM) } else { Arc::new(roots(&pinned)?) };
    let authorities = Authorities::new(pinned, roots);
    Ok(taking_certificates(move |shown| authorities.judge(shown)))
}

fn certificates(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<_, _> = CertificateDer::pem_slice_iter(bundle).collect();
    read.map_err(|error| unusable(&error))
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| unusable(&error))?;
    }
    Ok(roots)
}

fn unusable(error: &dyn std::error::Error) -> String {
    format!("unable to load root certificates: {error}")
}

/// Takes what the authorities signed, and the authorities' own certificates: a server often
/// shows the very one, made with `openssl req -x509`, that its callers are told to trust.
/// Rustls takes no authority for a server, Go does.
struct Authorities {
    pinned: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Authorities {
    fn new(pinned: Vec<CertificateDer<'static>>, roots: Arc<RootCertStore>) -> Self {
        let provider = rustls::crypto::ring::default_provider();
        Self { pinned, roots, algorithms: provider.signature_verification_algorithms }
    }

    fn judge(&self, shown: &Shown<'_>) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(shown.certificate)?;
        if !self.is_pinned(shown.certificate, shown.now)? {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.roots,
                shown.between,
                shown.now,
                self.algorithms.all,
            )?;
        }
        verify_server_name(&parsed, shown.name)
    }

    /// Is this one of the trusted certificates itself, in its time?
    fn is_pinned(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        let Some(life) = self.pinned.contains(shown).then(|| Life::of(shown)).flatten() else {
            return Ok(false);
        };
        match i64::try_from(now.as_secs()) {
            Ok(now) if now < life.begin => Err(CertificateError::NotValidYet.into()),
            Ok(now) if now <= life.end => Ok(true),
            _ => Err(CertificateError::Expired.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rustls::pki_types::ServerName;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn shown(params: CertificateParams) -> CertificateDer<'static> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn authority(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    /// A server that shows a certificate of this kind, to one who trusts it or another.
    #[track_caller]
    fn check(params: CertificateParams, is_trusted: bool, expected: Result<(), CertificateError>) {
        let shown = shown(params);
        let pinned = if is_trusted { vec![shown.clone()] } else { Vec::new() };
        let roots = Arc::new(roots(&pinned).unwrap());
        let authorities = Authorities::new(pinned, roots);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
        let name = ServerName::try_from("hooks.default.svc").unwrap();
        let shown = Shown { certificate: &shown, between: &[], name: &name, now };
        let found = authorities.judge(&shown).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) => {
                CertificateError::NotValidForName
            }
            Error::InvalidCertificate(error) => error,
            other => panic!("{other}"),
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_certificate_that_signed_itself_is_taken_by_who_trusts_it() {
        let name = "hooks.default.svc";
        check(authority(name), true, Ok(()));
        check(CertificateParams::new([name.to_owned()]).unwrap(), true, Ok(()));
        check(authority("another.default.svc"), true, Err(CertificateError::NotValidForName));
        let plain = CertificateParams::new([name.to_owned()]).unwrap();
        check(plain, false, Err(CertificateError::UnknownIssuer));
    }

    #[test]
    fn a_trusted_certificate_is_taken_in_its_time_only() {
        let mut early = authority("hooks.default.svc");
        early.not_before = date_time_ymd(2040, 1, 1);
        check(early, true, Err(CertificateError::NotValidYet));
        let mut late = authority("hooks.default.svc");
        late.not_after = date_time_ymd(2020, 1, 1);
        check(late, true, Err(CertificateError::Expired));
    }
}
