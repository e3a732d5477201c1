//! Secrets of type `kubernetes.io/service-account-token` hold a token of their ServiceAccount, and
//! go with it. Source: Kubernetes, "Managing Service Accounts", token controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt, watcher};

use crate::context::Context;
use crate::drive::{ReconcileError, drive};
use crate::owner::{name, namespace};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

pub(crate) async fn run(context: Arc<Context>) -> Result<(), ReconcileError> {
    let ours = watcher::Config::default().fields(&format!("type={TYPE}"));
    // Any account may be one that a Secret is of, or has ceased to be.
    let accounts = watcher(context.all::<ServiceAccount>(), watcher::Config::default())
        .default_backoff()
        .touched_objects()
        .map(|_| ());
    let secrets = Controller::new(context.all::<Secret>(), ours);
    drive(secrets.reconcile_all_on(accounts), context, reconcile).await
}

async fn reconcile(woken: Arc<Secret>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let api: Api<Secret> = ctx.api(namespace(&woken.metadata));
    let Some(mut secret) = api.get_opt(name(&woken.metadata)).await? else {
        return Ok(Action::await_change());
    };
    let account = annotation(&secret, ACCOUNT).to_owned();
    let ended = secret.metadata.deletion_timestamp.is_some();
    if secret.type_.as_deref() != Some(TYPE) || account.is_empty() || ended {
        return Ok(Action::await_change());
    }
    let accounts: Api<ServiceAccount> = ctx.api(namespace(&woken.metadata));
    let uid = accounts.get_opt(&account).await?.and_then(|account| account.metadata.uid);
    let known = annotation(&secret, ACCOUNT_UID);
    match uid.filter(|uid| known.is_empty() || known == uid) {
        None => delete(&api, &secret).await?,
        Some(uid) => {
            if complete(&ctx, &mut secret, &account, &uid)? {
                api.replace(name(&woken.metadata), &PostParams::default(), &secret).await?;
            }
        }
    }
    Ok(Action::await_change())
}

fn annotation<'a>(secret: &'a Secret, key: &str) -> &'a str {
    let annotations = secret.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(key)).map_or("", String::as_str)
}

/// The account of this Secret is no more.
async fn delete(api: &Api<Secret>, secret: &Secret) -> Result<(), ReconcileError> {
    let uid = secret.metadata.uid.clone();
    let preconditions = Some(Preconditions { uid, resource_version: None });
    let params = DeleteParams { preconditions, ..Default::default() };
    match api.delete(name(&secret.metadata), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts in what is missing; `false`: nothing is.
fn complete(
    ctx: &Context,
    secret: &mut Secret,
    account: &str,
    uid: &str,
) -> Result<bool, ReconcileError> {
    let before = secret.clone();
    let place = namespace(&secret.metadata).to_owned();
    let annotations = secret.metadata.annotations.get_or_insert_with(BTreeMap::new);
    annotations.insert(ACCOUNT_UID.to_owned(), uid.to_owned());
    let data = secret.data.get_or_insert_with(BTreeMap::new);
    data.insert("ca.crt".to_owned(), ByteString((ctx.config.root_ca_pem)().into_bytes()));
    data.insert("namespace".to_owned(), ByteString(place.clone().into_bytes()));
    if data.get("token").is_none_or(|token| token.0.is_empty()) {
        let signer = &ctx.config.signer;
        let token = signer
            .account_token(&place, name(&before.metadata), account, uid)
            .map_err(ReconcileError::Sign)?;
        data.insert("token".to_owned(), ByteString(token.into_bytes()));
    }
    Ok(*secret != before)
}
