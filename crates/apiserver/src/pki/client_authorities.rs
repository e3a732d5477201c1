//! Further authorities whose client certificates are taken, beside the cluster's own: upstream's
//! `--client-ca-file`.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::PkiError;

/// More of them are refused.
const AUTHORITIES_MAX: usize = 1_000;

#[derive(Default)]
pub(super) struct ClientAuthorities {
    certificates: Vec<CertificateDer<'static>>,
    pem: String,
}

impl ClientAuthorities {
    pub(super) fn add(&mut self, pem: &[u8]) -> Result<(), PkiError> {
        let refuse = |why: String| PkiError::ClientAuthorities { why };
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| refuse(error.to_string()))?;
        if found.is_empty() {
            return Err(refuse("there is no certificate".to_owned()));
        }
        if self.certificates.len() + found.len() > AUTHORITIES_MAX {
            return Err(refuse(format!("there are more than {AUTHORITIES_MAX} certificates")));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).map_err(|error| refuse(error.to_string()))?;
        }
        self.certificates.extend(found);
        self.pem.push_str(&String::from_utf8_lossy(pem));
        Ok(())
    }

    pub(super) fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.certificates.iter()
    }

    /// As they were given.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pem: &str, expected: Result<usize, &str>) {
        let mut authorities = ClientAuthorities::default();
        let added = authorities.add(pem.as_bytes());
        let found = added.map(|()| authorities.certificates().count());
        assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn authorities_are_certificates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        check(&pem, Ok(1));
        check(&format!("{pem}{pem}"), Ok(2));
        check("", Err("read the authorities of client certificates: there is no certificate"));
    }
}
