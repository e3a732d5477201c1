//! Approves the client certificates of nodes, for whoever may have them by RBAC: a machine that
//! joins (`nodeclient`), and a node its own again (`selfnodeclient`).

use std::sync::Arc;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::Api;
use kube::api::PostParams;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};

use super::request::{Asked, NODE_CLIENT};
use super::{APPROVED, DENIED, add, condition, has_certificate};
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
    let decided = condition(&request, APPROVED).or_else(|| condition(&request, DENIED)).is_some();
    if decided || has_certificate(&request) {
        return Ok(Action::await_change());
    }
    for (permission, message) in kinds_of(&request) {
        if may(&ctx, &request, permission).await? {
            add(&mut request, APPROVED, "AutoApproved", message);
            let request_name = name(&woken.metadata).to_owned();
            api.replace_subresource("approval", &request_name, &PostParams::default(), &request)
                .await?;
            break;
        }
    }
    Ok(Action::await_change())
}

/// What a request may be approved as, the narrowest first, and what is said then.
fn kinds_of(request: &CertificateSigningRequest) -> Vec<(&'static str, &'static str)> {
    let usages = request.spec.usages.clone().unwrap_or_default();
    let Ok(asked) = Asked::read(&request.spec.request.0) else { return Vec::new() };
    if request.spec.signer_name != NODE_CLIENT || asked.node_client(&usages).is_err() {
        return Vec::new();
    }
    let own = request.spec.username.as_deref() == Some(asked.common_name.as_str());
    let own = own.then_some((
        "selfnodeclient",
        "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ));
    let any =
        ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.");
    own.into_iter().chain([any]).collect()
}

async fn may(
    ctx: &Context,
    request: &CertificateSigningRequest,
    permission: &str,
) -> Result<bool, ReconcileError> {
    let spec = &request.spec;
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: spec.username.clone(),
            uid: spec.uid.clone(),
            groups: spec.groups.clone(),
            extra: spec.extra.clone(),
            resource_attributes: Some(ResourceAttributes {
                group: Some("certificates.k8s.io".into()),
                resource: Some("certificatesigningrequests".into()),
                subresource: Some(permission.into()),
                verb: Some("create".into()),
                version: Some("*".into()),
                ..Default::default()
            }),
            ..Default::default()
        },
        ..Default::default()
    };
    let reviews: Api<SubjectAccessReview> = ctx.all();
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
