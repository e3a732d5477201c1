//! Deletes requests that nobody needs any more: an hour after they were decided, a day after they
//! were made, or when their certificate is over. As upstream's cleaner.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use super::{APPROVED, DENIED, FAILED, condition, has_certificate};
use crate::context::Context;
use crate::drive::ReconcileError;
use crate::owner::name;

/// How often old requests are looked for.
const SWEEP: Duration = Duration::from_secs(600);
const DECIDED_SECONDS: i64 = 3600;
const PENDING_SECONDS: i64 = 24 * 3600;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let shutdown = context.shutdown();
    while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
        sweep(&context).await?;
    }
    Ok(())
}

async fn sweep(ctx: &Context) -> Result<(), ReconcileError> {
    let api: Api<CertificateSigningRequest> = ctx.all();
    let now = Timestamp::now();
    for request in api.list(&ListParams::default()).await?.items {
        if is_over(&request, now) {
            match api.delete(name(&request.metadata), &DeleteParams::default()).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn is_over(request: &CertificateSigningRequest, now: Timestamp) -> bool {
    let age =
        |since: Option<Timestamp>| since.map_or(0, |since| now.as_second() - since.as_second());
    let since = |kind: &str| {
        condition(request, kind).map(|found| {
            let time = found.last_update_time.as_ref().or(found.last_transition_time.as_ref());
            age(time.map(|time| time.0))
        })
    };
    let decided = [DENIED, FAILED, APPROVED].map(since);
    let [denied, failed, approved] = decided;
    let issued = approved.filter(|_| has_certificate(request));
    if [denied, failed, issued].into_iter().flatten().any(|age| age > DECIDED_SECONDS) {
        return true;
    }
    let made = request.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let pending = decided == [None; 3] && age(made) > PENDING_SECONDS;
    pending || certificate_is_over(request, now)
}

fn certificate_is_over(request: &CertificateSigningRequest, now: Timestamp) -> bool {
    let certificate = request.status.as_ref().and_then(|status| status.certificate.as_ref());
    let Some(certificate) = certificate else { return false };
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&certificate.0) else { return false };
    pem.parse_x509().is_ok_and(|parsed| parsed.validity().not_after.timestamp() < now.as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: &str, certificate: bool, seconds: i64, expected: bool) {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let then = Timestamp::from_second(1_000_000 - seconds).unwrap().to_string();
        let mut request = json!({"metadata": {"name": "r", "creationTimestamp": then},
            "spec": {"request": "", "signerName": "s"}, "status": {}});
        if !kind.is_empty() {
            let condition = json!({"type": kind, "status": "True", "lastUpdateTime": then});
            request["status"]["conditions"] = json!([condition]);
        }
        if certificate {
            request["status"]["certificate"] = "eA==".into();
        }
        let request = serde_json::from_value(request).unwrap();
        assert_eq!(is_over(&request, now), expected, "{kind} {certificate} {seconds}");
    }

    #[test]
    fn requests_go_when_nobody_needs_them() {
        check("Approved", true, 3000, false);
        check("Approved", true, 4000, true);
        check("Approved", false, 400_000, false);
        check("Denied", false, 4000, true);
        check("Failed", false, 4000, true);
        check("", false, 4000, false);
        check("", false, 90_000, true);
    }
}
