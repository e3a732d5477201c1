//! CertificateSigningRequests: approved where RBAC lets a node have its own, signed by the cluster's
//! authority once they are approved, and deleted when nobody needs them any more. Source:
//! Kubernetes, "Certificates and Certificate Signing Requests".

pub(crate) mod approve;
pub(crate) mod clean;
mod request;
pub(crate) mod sign;

use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
const FAILED: &str = "Failed";

/// The condition of this type, if it is true.
fn condition<'a>(
    request: &'a CertificateSigningRequest,
    kind: &str,
) -> Option<&'a CertificateSigningRequestCondition> {
    let conditions = request.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind && condition.status == "True")
}

fn has_certificate(request: &CertificateSigningRequest) -> bool {
    let certificate = request.status.as_ref().and_then(|status| status.certificate.as_ref());
    certificate.is_some_and(|certificate| !certificate.0.is_empty())
}

/// Adds a condition that is true from now on.
fn add(request: &mut CertificateSigningRequest, kind: &str, reason: &str, message: &str) {
    let now = Time(Timestamp::now());
    let condition = CertificateSigningRequestCondition {
        type_: kind.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(now.clone()),
        last_transition_time: Some(now),
    };
    let status = request.status.get_or_insert_default();
    status.conditions.get_or_insert_default().push(condition);
}
