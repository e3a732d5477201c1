//! Brings the gateway's routes in line with the API whenever something changes, and tells
//! Ingresses where they are served.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Certificate, RouteTable};
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kit::Tasks;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::watch;

use super::translate::{CLASS, Routes, Tls, class, is_ours, translate};
use super::unsupported;
use crate::cache::{Cache, Changes, follow};
use crate::services::endpoints::Slices;
use crate::shared::Shared;

/// Changes that come within this time are applied together.
const COALESCE: Duration = Duration::from_millis(3);
/// The wait after something failed on the way.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Starts following Ingresses. Other objects are followed already and notify `changes`.
pub(crate) fn start(
    shared: &Arc<Shared>,
    tasks: &Tasks,
    services: Cache<Service>,
    slices: Cache<EndpointSlice>,
    changes: &Changes,
) {
    let notify = |changes: &Changes| {
        let changes = changes.clone();
        move || changes.notify()
    };
    let client = &shared.routing;
    let seen = notify(changes);
    let api = Api::<Ingress>::all(client.clone());
    let config = watcher::Config::default;
    let ingresses = follow(tasks, "watch ingresses", api, config(), move |_| seen());
    let seen = notify(changes);
    let api = Api::<IngressClass>::all(client.clone());
    let classes = follow(tasks, "watch ingressclasses", api, config(), move |_| seen());
    let follower = Follower {
        shared: shared.clone(),
        services,
        slices,
        ingresses,
        classes,
        applied: None,
        class_brought: false,
        warned: HashMap::new(),
    };
    tasks.spawn_until_shutdown("apply ingresses", follower.run(changes.subscribe()));
}

struct Follower {
    shared: Arc<Shared>,
    services: Cache<Service>,
    slices: Cache<EndpointSlice>,
    ingresses: Cache<Ingress>,
    classes: Cache<IngressClass>,
    applied: Option<(Routes, Vec<Option<Secret>>)>,
    class_brought: bool,
    /// What was said of each Ingress, by uid.
    warned: HashMap<String, Vec<String>>,
}

impl Follower {
    async fn run(mut self, mut changes: watch::Receiver<u64>) {
        // IngressClasses are not waited for: an API may not have them.
        let ready = self.services.listed().await
            && self.slices.listed().await
            && self.ingresses.listed().await;
        if !ready {
            return;
        }
        loop {
            changes.mark_unchanged();
            let done = self.apply().await;
            let wait = changes.changed();
            if let Err(error) = done {
                tracing::warn!(%error, "ingresses not fully applied; trying again");
                // Whichever comes first: a change, or the time for another try.
                let _ = tokio::time::timeout(RETRY_AFTER, wait).await;
            } else if wait.await.is_err() {
                return;
            }
            tokio::time::sleep(COALESCE).await;
        }
    }

    async fn apply(&mut self) -> kube::Result<()> {
        let ours: Vec<Arc<Ingress>> = {
            let classes = self.classes.state();
            let classes: Vec<&IngressClass> = classes.iter().map(Arc::as_ref).collect();
            let all = self.ingresses.state().into_iter();
            all.filter(|ingress| is_ours(ingress, classes.iter().copied())).collect()
        };
        let routes = self.routes(&ours);
        let mut secrets = Vec::new();
        for tls in &routes.certificates {
            let api = Api::<Secret>::namespaced(self.shared.routing.clone(), &tls.namespace);
            secrets.push(api.get_opt(&tls.secret).await?);
        }
        let wanted = (routes, secrets);
        if self.applied.as_ref() != Some(&wanted) {
            let (routes, secrets) = &wanted;
            self.shared.gateway.set_routes(RouteTable {
                routes: routes.routes.clone(),
                certificates: certificates(&routes.certificates, secrets),
            });
            self.shared.routed.ingresses.send_replace(Arc::new(routes.addresses()));
            self.applied = Some(wanted);
        }
        self.warned.retain(|uid, _| ours.iter().any(|ingress| ingress.uid().as_ref() == Some(uid)));
        for ingress in ours {
            self.warn(&ingress);
            self.report(&ingress).await?;
        }
        self.bring_class().await
    }

    /// Says what of an Ingress is not served, once for each version of it.
    fn warn(&mut self, ingress: &Ingress) {
        let fields = unsupported::fields(ingress);
        let uid = ingress.uid().unwrap_or_default();
        if self.warned.get(&uid).is_some_and(|known| *known == fields) {
            return;
        }
        if !fields.is_empty() {
            let message = format!("not supported by this node: {}", fields.join(", "));
            self.shared.recorder.ingress(ingress, "UnsupportedField", message);
        }
        self.warned.insert(uid, fields);
    }

    /// Makes the IngressClass, once.
    async fn bring_class(&mut self) -> kube::Result<()> {
        if self.class_brought {
            return Ok(());
        }
        let api = Api::<IngressClass>::all(self.shared.routing.clone());
        if api.get_opt(CLASS).await?.is_none() {
            api.create(&PostParams::default(), &class()).await?;
        }
        self.class_brought = true;
        Ok(())
    }

    fn routes(&self, ours: &[Arc<Ingress>]) -> Routes {
        let (services, slices) = (self.services.state(), self.slices.state());
        let slices = Slices::new(slices.iter().map(Arc::as_ref));
        translate(ours.iter().map(Arc::as_ref), services.iter().map(Arc::as_ref), &slices)
    }

    /// Writes the address of the gateway into the Ingress, if it is not there.
    async fn report(&self, ingress: &Ingress) -> kube::Result<()> {
        let address = self.shared.node_address.to_string();
        let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let points = status.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
        if points.len() == 1 && points[0].ip.as_ref() == Some(&address) {
            return Ok(());
        }
        let namespace = ingress.namespace().unwrap_or_default();
        let api = Api::<Ingress>::namespaced(self.shared.routing.clone(), &namespace);
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
        let params = PatchParams::default();
        match api.patch_status(&ingress.name_any(), &params, &Patch::Merge(status)).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            done => done.map(drop),
        }
    }
}

/// The certificates that can be read; the others are named in the log.
fn certificates(wanted: &[Tls], secrets: &[Option<Secret>]) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for (tls, secret) in wanted.iter().zip(secrets) {
        let part = |key: &str| secret.as_ref()?.data.as_ref()?.get(key);
        let (Some(chain), Some(key)) = (part("tls.crt"), part("tls.key")) else {
            tracing::warn!(
                tls.namespace,
                tls.secret,
                "secret of an ingress has no tls.crt and tls.key"
            );
            continue;
        };
        match Certificate::from_pem(&tls.hosts, &chain.0, &key.0) {
            Ok(certificate) => certificates.push(certificate),
            Err(error) => {
                tracing::warn!(tls.namespace, tls.secret, %error, "certificate of an ingress not used");
            }
        }
    }
    certificates
}
