//! Signs what was approved.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use super::request::Asked;
use super::{APPROVED, FAILED, add, condition, has_certificate};
use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::name;

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let requests = context.all::<CertificateSigningRequest>();
    drive(Controller::new(requests, watcher::Config::default()), context, reconcile).await
}

async fn reconcile(
    woken: Arc<CertificateSigningRequest>,
    ctx: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let api: Api<CertificateSigningRequest> = ctx.all();
    let Some(mut request) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let waits = condition(&request, APPROVED).is_some()
        && condition(&request, FAILED).is_none()
        && !has_certificate(&request);
    if waits && decide(&ctx, &mut request) {
        let params = PostParams::default();
        api.replace_status(name(&woken.metadata), &params, &request).await?;
    }
    Ok(Action::await_change())
}

/// Adds the certificate, or why there is none; `false`: it is another signer's.
fn decide(ctx: &Context, request: &mut CertificateSigningRequest) -> bool {
    let usages = request.spec.usages.clone().unwrap_or_default();
    let judged = match Asked::read(&request.spec.request.0) {
        Ok(asked) => asked.judge(&request.spec.signer_name, &usages),
        Err(error) => Some(Err(error.to_string())),
    };
    let Some(judged) = judged else { return false };
    let seconds = request.spec.expiration_seconds.map(i64::from);
    let signed = judged.and_then(|()| {
        let signer = &ctx.config.signer;
        signer.certificate(&request.spec.request.0, &usages, seconds).map_err(|error| {
            tracing::warn!(error = &*error, name = name(&request.metadata), "not signed");
            error.to_string()
        })
    });
    match signed {
        Ok(pem) => {
            let status = request.status.get_or_insert_default();
            status.certificate = Some(ByteString(pem.into_bytes()));
        }
        Err(why) => add(request, FAILED, "SignerValidationFailure", &why),
    }
    true
}
