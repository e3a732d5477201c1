//! Certificates for whoever asked for one in a CertificateSigningRequest. The subject is taken over
//! as it was asked for; whether it may be had is decided before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PKCS_ECDSA_P256_SHA256, SigningKey as _};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Pki, der};

/// A certificate is good since a little earlier, as clocks differ; as upstream.
const BACKDATE_SECONDS: i64 = 5 * 60;
/// It lives so long unless less is asked for.
const LIFE_SECONDS: i64 = 365 * 24 * 3600;
/// The least that may be asked for, as upstream.
const LIFE_SECONDS_MIN: i64 = 600;
const SERIAL_BYTES: usize = 16;
const ECDSA_SHA256: [u32; 7] = [1, 2, 840, 10045, 4, 3, 2];
const KEY_USAGE: [u32; 4] = [2, 5, 29, 15];
const ALTERNATIVE_NAME: [u32; 4] = [2, 5, 29, 17];
const BASIC_CONSTRAINTS: [u32; 4] = [2, 5, 29, 19];
const AUTHORITY_KEY: [u32; 4] = [2, 5, 29, 35];
const EXTENDED_KEY_USAGE: [u32; 4] = [2, 5, 29, 37];

/// What a key may do, as Kubernetes names it, and its bit.
const USAGES: [(&str, u8); 10] = [
    ("signing", 0),
    ("digital signature", 0),
    ("content commitment", 1),
    ("key encipherment", 2),
    ("data encipherment", 3),
    ("key agreement", 4),
    ("cert sign", 5),
    ("crl sign", 6),
    ("encipher only", 7),
    ("decipher only", 8),
];
/// What it may be used for, and the object's id.
const PURPOSES: [(&str, &[u32]); 13] = [
    ("any", &[2, 5, 29, 37, 0]),
    ("server auth", &[1, 3, 6, 1, 5, 5, 7, 3, 1]),
    ("client auth", &[1, 3, 6, 1, 5, 5, 7, 3, 2]),
    ("code signing", &[1, 3, 6, 1, 5, 5, 7, 3, 3]),
    ("email protection", &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
    ("s/mime", &[1, 3, 6, 1, 5, 5, 7, 3, 4]),
    ("ipsec end system", &[1, 3, 6, 1, 5, 5, 7, 3, 5]),
    ("ipsec tunnel", &[1, 3, 6, 1, 5, 5, 7, 3, 6]),
    ("ipsec user", &[1, 3, 6, 1, 5, 5, 7, 3, 7]),
    ("timestamping", &[1, 3, 6, 1, 5, 5, 7, 3, 8]),
    ("ocsp signing", &[1, 3, 6, 1, 5, 5, 7, 3, 9]),
    ("microsoft sgc", &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3]),
    ("netscape sgc", &[2, 16, 840, 1, 113730, 4, 1]),
];

/// Why a request is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It is no certificate request.
    #[error("the request is no PEM certificate request")]
    Unreadable,
    /// Whoever asks has not shown that he has the key.
    #[error("the request's signature does not fit its key")]
    Signature,
    /// Nobody knows this usage.
    #[error("unrecognized usage {0:?}")]
    Usage(String),
    /// Our own certificate cannot be read.
    #[error("the CA's certificate cannot be read")]
    Authority,
    /// Our own key cannot sign it.
    #[error("sign with the CA's key")]
    Key(#[source] rcgen::Error),
}

impl Pki {
    /// The certificate, PEM, that a request (PEM) asks for, for these usages and so many seconds.
    pub fn sign_request(
        &self,
        request_pem: &[u8],
        usages: &[String],
        seconds: Option<i64>,
    ) -> Result<String, SignError> {
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(request_pem).map_err(|_| SignError::Unreadable)?;
        let (_, request) =
            X509CertificationRequest::from_der(&pem.contents).map_err(|_| SignError::Unreadable)?;
        request.verify_signature().map_err(|_| SignError::Signature)?;
        let root = self.root.current();
        let (_, authority): (_, X509Certificate<'_>) =
            x509_parser::parse_x509_certificate(&root.certificate)
                .map_err(|_| SignError::Authority)?;
        let seconds = seconds.unwrap_or(LIFE_SECONDS).clamp(LIFE_SECONDS_MIN, LIFE_SECONDS);
        let life = (self.clock.now(), seconds);
        let body = body(&request, &authority, &extensions(&request, &authority, usages)?, life);
        let key = root.issuer.key();
        if !key.is_compatible(&PKCS_ECDSA_P256_SHA256) {
            return Err(SignError::Authority);
        }
        let signature = key.sign(&body).map_err(SignError::Key)?;
        let signature = der::tagged(der::BIT_STRING, &[&[0], signature.as_slice()].concat());
        let whole = der::sequence(&[&body, &algorithm(), &signature]);
        Ok(pem_text(&whole))
    }
}

/// As PEM wants it: lines of 64 letters.
fn pem_text(certificate: &[u8]) -> String {
    const LINE: usize = 64;
    let encoded = STANDARD.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + "-----END CERTIFICATE-----\n"
}

fn algorithm() -> Vec<u8> {
    der::sequence(&[&der::object_id(&ECDSA_SHA256)])
}

fn body(
    request: &X509CertificationRequest<'_>,
    authority: &X509Certificate<'_>,
    extensions: &[u8],
    (now, life_seconds): (i64, i64),
) -> Vec<u8> {
    let info = &request.certification_request_info;
    // Nothing outlives its authority.
    let end =
        (now + life_seconds - BACKDATE_SECONDS).min(authority.validity().not_after.timestamp());
    let version = der::tagged(0xa0, &der::integer(&[2]));
    let validity = der::sequence(&[&der::time(now - BACKDATE_SECONDS), &der::time(end)]);
    der::sequence(&[
        &version,
        &der::integer(&rand::random::<[u8; SERIAL_BYTES]>()),
        &algorithm(),
        authority.subject().as_raw(),
        &validity,
        info.subject.as_raw(),
        info.subject_pki.raw,
        &der::tagged(0xa3, &der::tagged(der::SEQUENCE, extensions)),
    ])
}

fn extensions(
    request: &X509CertificationRequest<'_>,
    authority: &X509Certificate<'_>,
    usages: &[String],
) -> Result<Vec<u8>, SignError> {
    let (mut bits, mut purposes) = (Vec::new(), Vec::new());
    for usage in usages {
        let bit = USAGES.iter().find(|(name, _)| name == usage);
        let purpose = PURPOSES.iter().find(|(name, _)| name == usage);
        match (bit, purpose) {
            (Some((_, bit)), _) => bits.push(*bit),
            (None, Some((_, id))) => purposes.extend(der::object_id(id)),
            (None, None) => return Err(SignError::Usage(usage.clone())),
        }
    }
    let mut out = Vec::new();
    if !bits.is_empty() {
        out.extend(der::extension(&KEY_USAGE, true, &der::bits(&bits)));
    }
    if !purposes.is_empty() {
        let list = der::tagged(der::SEQUENCE, &purposes);
        out.extend(der::extension(&EXTENDED_KEY_USAGE, false, &list));
    }
    out.extend(der::extension(&BASIC_CONSTRAINTS, true, &der::sequence(&[])));
    if let Some(id) = key_id(authority) {
        let id = der::sequence(&[&der::tagged(0x80, id)]);
        out.extend(der::extension(&AUTHORITY_KEY, false, &id));
    }
    if let Some(names) = alternative_names(request) {
        let nameless = request.certification_request_info.subject.iter().next().is_none();
        out.extend(der::extension(&ALTERNATIVE_NAME, nameless, names));
    }
    Ok(out)
}

fn key_id<'a>(authority: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    authority.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

/// The names beside the subject, as they were written.
fn alternative_names<'a>(request: &'a X509CertificationRequest<'_>) -> Option<&'a [u8]> {
    use x509_parser::cri_attributes::ParsedCriAttribute;
    let attributes = request.certification_request_info.attributes().iter();
    let lists = attributes.filter_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(list) => Some(&list.extensions),
        _ => None,
    });
    let is_names = |extension: &&x509_parser::extensions::X509Extension<'_>| {
        matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(_))
    };
    lists.flatten().find(is_names).map(|extension| extension.value)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;
    use crate::authn;

    fn request(user: &str, group: &str, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    fn usages(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_says_what_was_asked_for_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::open(directory.path()).unwrap();
        let request = request("jane", "dev", &["a.example", "10.0.0.1"]);
        let usages = usages(&["digital signature", "key encipherment", "client auth"]);
        let pem = pki.sign_request(request.as_bytes(), &usages, Some(3600)).unwrap();
        let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        let user = authn::user_of_certificate(&parsed.contents).unwrap();
        assert_eq!((user.name.as_str(), user.groups[0].as_str()), ("jane", "dev"));
        let certificate = parsed.parse_x509().unwrap();
        let root = pki.root.current();
        let (_, authority) = x509_parser::parse_x509_certificate(&root.certificate).unwrap();
        certificate.verify_signature(Some(authority.public_key())).unwrap();
        assert_eq!(certificate.issuer(), authority.subject());
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
        let purposes = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(purposes.client_auth && !purposes.server_auth);
        assert!(!certificate.is_ca());
        let names = certificate.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 2);
        let life = certificate.validity();
        assert_eq!(life.not_after.timestamp() - life.not_before.timestamp(), 3600);
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::open(directory.path()).unwrap();
        let good = request("jane", "dev", &[]);
        let unknown = pki.sign_request(good.as_bytes(), &usages(&["fly"]), None).unwrap_err();
        assert_eq!(unknown.to_string(), "unrecognized usage \"fly\"");
        for bad in [
            "",
            "x",
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        ] {
            assert!(pki.sign_request(bad.as_bytes(), &[], None).is_err(), "{bad}");
        }
    }
}
