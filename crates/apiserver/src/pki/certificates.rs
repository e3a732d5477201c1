//! Serving and client certificates: made, and looked at.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;

use super::PkiError;
use super::life::{LEAF, Life};

/// rcgen keeps one value for each attribute type; we know two names of organizationName.
const GROUPS_MAX: usize = 2;

/// A certificate and its key, both PEM.
pub(super) struct Leaf {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A serving certificate with these names.
pub(super) fn serving(
    issuer: &Issuer<'_, KeyPair>,
    names: &BTreeSet<String>,
    now: i64,
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
    sign(params, issuer, now)
}

/// A client certificate: the user is its common name, each group an organisation.
pub(super) fn client(
    issuer: &Issuer<'_, KeyPair>,
    user: &str,
    groups: &[&str],
    now: i64,
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
    sign(params, issuer, now).map_err(issue(user))
}

/// organizationName (2.5.4.10). `CustomDnType` with the same OID is another key to rcgen.
fn group_attribute(index: usize) -> DnType {
    if index == 0 { DnType::OrganizationName } else { DnType::CustomDnType(vec![2, 5, 4, 10]) }
}

fn sign(
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
    now: i64,
) -> Result<Leaf, rcgen::Error> {
    let key = KeyPair::generate()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    LEAF.set(&mut params, now);
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Does the certificate carry exactly these names, come from this CA, and live long enough?
pub(super) fn still_fits(
    leaf: &Leaf,
    issuer: &Issuer<'_, KeyPair>,
    wanted: &BTreeSet<String>,
    now: i64,
) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(leaf.certificate.as_bytes()) else { return false };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&der) else { return false };
    let Ok(key) = KeyPair::from_pem(&leaf.key) else { return false };
    names_of(&parsed) == *wanted
        && Life::of(&der).is_some_and(|life| LEAF.is_kept_by(life, now))
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

/// Says for whom a certificate could not be made.
pub(super) fn issue(what: impl Into<String>) -> impl FnOnce(rcgen::Error) -> PkiError {
    let what = what.into();
    move |source| PkiError::Issue { what, source }
}
