//! Who may approve and who may sign a CertificateSigningRequest is decided for each signer, and
//! nobody gets a certificate of `system:masters` this way. Upstream's admission plugins
//! CertificateApproval, CertificateSigning and CertificateSubjectRestriction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::shown_name;
use crate::authz::Attributes;
use crate::error::{ApiError, ApiResult};
use crate::kinds::Subresource;
use crate::object::text;
use crate::request::Call;
use crate::user::MASTERS;

pub(super) const STORAGE: &str = "certificatesigningrequests.certificates.k8s.io";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// May the caller write this? `old` is what it replaces.
pub(super) fn check(call: &Call<'_>, old: Option<&Value>, new: &Value) -> ApiResult<()> {
    if call.kind.storage != STORAGE {
        return Ok(());
    }
    let Some(old) = old else { return restrict(call, new) };
    let signer = text(new, "/spec/signerName");
    match call.subresource {
        Some(Subresource::Approval) => permit(call, "approve", signer, new),
        Some(Subresource::Status) => {
            let same = ["certificate", "conditions"]
                .iter()
                .all(|field| old["status"][*field] == new["status"][*field]);
            if same { Ok(()) } else { permit(call, "sign", signer, new) }
        }
        _ => Ok(()),
    }
}

fn permit(call: &Call<'_>, verb: &str, signer: &str, new: &Value) -> ApiResult<()> {
    let domain = signer.split_once('/').map_or(signer, |(domain, _)| domain);
    let may = |name: &str| {
        let attributes = Attributes {
            user: &call.user,
            verb,
            group: &call.kind.group,
            resource: "signers",
            subresource: "",
            namespace: "",
            name,
            path: "",
            fields: &[],
        };
        call.shared.authorizer.authorize(&attributes).is_allowed()
    };
    if may(signer) || may(&format!("{domain}/*")) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(ApiError::forbidden(call.kind, shown_name(new), &why))
}

fn restrict(call: &Call<'_>, new: &Value) -> ApiResult<()> {
    let signer = text(new, "/spec/signerName");
    // What cannot be read is nobody's; validation refuses it.
    let of_masters = || with_subject(new, is_of_masters).unwrap_or(false);
    if signer != CLIENT_SIGNER || !of_masters() {
        return Ok(());
    }
    let why = format!("use of {signer} signer with {MASTERS} group is not allowed");
    Err(ApiError::forbidden(call.kind, shown_name(new), &why))
}

fn is_of_masters(subject: &X509Name<'_>) -> bool {
    subject.iter_organization().any(|group| group.as_str() == Ok(MASTERS))
}

/// Whose certificate is asked for; empty where nobody is named.
pub(super) fn common_name(asked: &Value) -> Result<String, &'static str> {
    // As Go has it, the last one counts.
    let name = |subject: &X509Name<'_>| {
        subject.iter_common_name().last().and_then(|name| name.as_str().ok()).map(str::to_owned)
    };
    with_subject(asked, name).map(Option::unwrap_or_default)
}

/// What the request in a CertificateSigningRequest says of its subject.
fn with_subject<R>(
    object: &Value,
    read: impl FnOnce(&X509Name<'_>) -> R,
) -> Result<R, &'static str> {
    const NO_PEM: &str = "PEM block type must be CERTIFICATE REQUEST";
    let encoded = STANDARD.decode(text(object, "/spec/request")).map_err(|_| NO_PEM)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&encoded).map_err(|_| NO_PEM)?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents)
        .map_err(|_| "x509: malformed certificate request")?;
    Ok(read(&request.certification_request_info.subject))
}
