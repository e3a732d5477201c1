//! The CA, the serving certificate and client certificates.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::extensions::GeneralName;

use super::{PkiError, files};

/// How long the CA lives.
const CA_DAYS: i64 = 3650;
/// How long serving and client certificates live.
const LEAF_DAYS: i64 = 365;
/// A serving certificate that ends sooner than this is issued again.
const RENEW_DAYS: i64 = 60;

/// rcgen keeps one value for each attribute type; we know two names of organizationName.
const GROUPS_MAX: usize = 2;

/// The names a serving certificate carries besides the fixed ones.
#[derive(Debug, Clone, Default)]
pub struct ServingNames {
    /// Addresses: the first service address, the node's address.
    pub addresses: Vec<Ipv4Addr>,
    /// Host names or addresses the user gave.
    pub given: Vec<String>,
}

/// What every API serving certificate is good for.
const FIXED_NAMES: [&str; 6] = [
    "127.0.0.1",
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

pub(super) struct Authority {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
    pub(super) certificate: CertificateDer<'static>,
}

/// A certificate and its key, both PEM.
pub(super) struct Leaf {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Reads the CA, or makes one where there is none.
pub(super) fn authority(directory: &Path) -> Result<Authority, PkiError> {
    let (certificate_path, key_path) = (directory.join("ca.crt"), directory.join("ca.key"));
    let (pem, key) = match (files::read(&certificate_path)?, files::read(&key_path)?) {
        (Some(pem), Some(key)) => (pem, key),
        _ => {
            let made = make_authority().map_err(issue("CA"))?;
            // The key first: a certificate without its key would look complete.
            files::write(&key_path, &made.key)?;
            files::write(&certificate_path, &made.certificate)?;
            (made.certificate, made.key)
        }
    };
    let unusable = |what, path: &Path| PkiError::Unusable { what, path: path.to_owned() };
    let key = KeyPair::from_pem(&key).map_err(|_| unusable("CA key", &key_path))?;
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| unusable("CA certificate", &certificate_path))?;
    let issuer = Issuer::from_ca_cert_der(&certificate, key)
        .map_err(|_| unusable("CA certificate", &certificate_path))?;
    Ok(Authority { issuer, pem, certificate })
}

fn make_authority() -> Result<Leaf, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "sampan-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    set_life(&mut params, CA_DAYS);
    let certificate = params.self_signed(&key)?;
    Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// The serving certificate on disk, or a new one where it no longer fits.
pub(super) fn serving(
    issuer: &Issuer<'_, KeyPair>,
    directory: &Path,
    names: &ServingNames,
) -> Result<Leaf, PkiError> {
    let (certificate_path, key_path) =
        (directory.join("serving.crt"), directory.join("serving.key"));
    let wanted = names.all();
    if let (Some(certificate), Some(key)) =
        (files::read(&certificate_path)?, files::read(&key_path)?)
        && still_fits(&certificate, &key, issuer, &wanted)
    {
        return Ok(Leaf { certificate, key });
    }
    let made = make_serving(issuer, &wanted).map_err(issue("serving"))?;
    files::write(&key_path, &made.key)?;
    files::write(&certificate_path, &made.certificate)?;
    Ok(made)
}

fn make_serving(
    issuer: &Issuer<'_, KeyPair>,
    names: &BTreeSet<String>,
) -> Result<Leaf, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(params, issuer)
}

/// A client certificate: the user is its common name, each group an organisation.
pub(super) fn client(
    issuer: &Issuer<'_, KeyPair>,
    user: &str,
    groups: &[&str],
) -> Result<Leaf, PkiError> {
    if groups.len() > GROUPS_MAX {
        return Err(PkiError::TooManyGroups { user: user.to_owned(), max: GROUPS_MAX });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, user);
    for (index, group) in groups.iter().enumerate() {
        params.distinguished_name.push(group_attribute(index), *group);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(params, issuer).map_err(issue(user))
}

/// organizationName (2.5.4.10). `CustomDnType` with the same OID is another key to rcgen.
fn group_attribute(index: usize) -> DnType {
    if index == 0 { DnType::OrganizationName } else { DnType::CustomDnType(vec![2, 5, 4, 10]) }
}

fn sign(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Leaf, rcgen::Error> {
    let key = KeyPair::generate()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_life(&mut params, LEAF_DAYS);
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// From yesterday (clocks differ) for so many days.
fn set_life(params: &mut CertificateParams, days: i64) {
    let day = |offset_days: i64| {
        let date = jiff::Timestamp::now()
            .saturating_add(jiff::SignedDuration::from_hours(24 * offset_days))
            .unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

/// Does the certificate carry exactly these names, come from this CA, and live long enough?
fn still_fits(
    certificate: &str,
    key: &str,
    issuer: &Issuer<'_, KeyPair>,
    wanted: &BTreeSet<String>,
) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(certificate.as_bytes()) else { return false };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&der) else { return false };
    let soon = jiff::Timestamp::now().as_second() + RENEW_DAYS * 24 * 3600;
    let Ok(key) = KeyPair::from_pem(key) else { return false };
    names_of(&parsed) == *wanted
        && parsed.validity().not_after.timestamp() > soon
        && parsed.public_key().raw == key.subject_public_key_info()
        && signed_by(&parsed, issuer)
}

fn signed_by(
    certificate: &x509_parser::certificate::X509Certificate<'_>,
    issuer: &Issuer<'_, KeyPair>,
) -> bool {
    let key = ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_ASN1,
        issuer.key().public_key_raw().to_owned(),
    );
    key.verify(certificate.tbs_certificate.as_ref(), &certificate.signature_value.data).is_ok()
}

fn names_of(certificate: &x509_parser::certificate::X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    names.value.general_names.iter().filter_map(name_text).collect()
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// TLS 1.2 and 1.3, HTTP/2 first.
pub(super) fn server_config(
    ca: &CertificateDer<'static>,
    leaf: Leaf,
) -> Result<Arc<rustls::ServerConfig>, PkiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.clone()).map_err(PkiError::Tls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(PkiError::Verifier)?;
    let chain = vec![
        CertificateDer::from_pem_slice(leaf.certificate.as_bytes())
            .expect("a serving certificate we just made or checked is PEM"),
    ];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())
        .expect("a serving key we just made or checked is PEM");
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(PkiError::Tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(PkiError::Tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn issue(what: impl Into<String>) -> impl FnOnce(rcgen::Error) -> PkiError {
    let what = what.into();
    move |source| PkiError::Issue { what, source }
}
