//! What a pod is supplied with from the API and this box: ConfigMaps, Secrets, tokens, the
//! files in /etc.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Secret, ServiceAccount, ServiceAccountTokenProjection,
};
use kube::api::PostParams;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::etc::{self, Resolver};
use super::references::{References, Sources};
use super::sandbox::SandboxError;
use super::spec::hostname;
use super::volumes::apply::{self, MountError};
use super::volumes::{self, VolumeError, render};
use super::worker::Worker;

/// How long a token is good when the volume does not say.
const TOKEN_SECONDS: i64 = 3600;
/// A token is replaced when this much of its life has passed, in percent.
const TOKEN_LIFE_PERCENT: i64 = 80;

/// The service account tokens of a pod's volumes, by volume and path.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    held: BTreeMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    token: String,
    refresh_at: Timestamp,
}

/// Why a pod has not got what it needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SupplyError {
    #[error("read the ConfigMaps and Secrets of the pod: {0}")]
    Sources(#[from] kube::Error),
    #[error(transparent)]
    Volumes(#[from] MountError),
}

impl Tokens {
    /// When the first of them is to be replaced.
    pub(crate) fn refresh_at(&self) -> Option<Timestamp> {
        self.held.values().map(|held| held.refresh_at).min()
    }

    pub(crate) fn due(&self, now: Timestamp) -> bool {
        self.refresh_at().is_some_and(|at| at <= now)
    }

    fn is_fresh(&self, key: &str, now: Timestamp) -> bool {
        self.held.get(key).is_some_and(|held| held.refresh_at > now)
    }

    fn plain(&self) -> BTreeMap<String, String> {
        self.held.iter().map(|(key, held)| (key.clone(), held.token.clone())).collect()
    }
}

impl Worker {
    /// The ConfigMaps and Secrets the pod names, as they are now.
    pub(crate) async fn sources(&self) -> kube::Result<Sources> {
        let references = References::of(&self.pod);
        Ok(Sources {
            config_maps: self.fetch::<ConfigMap>(references.config_maps).await?,
            secrets: self.fetch::<Secret>(references.secrets).await?,
        })
    }

    async fn fetch<K>(
        &self,
        names: impl IntoIterator<Item = String>,
    ) -> kube::Result<BTreeMap<String, Arc<K>>>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + Debug,
        K: DeserializeOwned,
        K::DynamicType: Default,
    {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let api = Api::<K>::namespaced(self.shared.client.clone(), namespace);
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(object) = api.get_opt(&name).await? {
                found.insert(name, Arc::new(object));
            }
        }
        Ok(found)
    }

    /// Makes the volumes, or brings their files up to date.
    pub(crate) async fn supply_volumes(&mut self) -> Result<(), SupplyError> {
        let sources = self.sources().await?;
        self.supply_tokens().await?;
        let pod = self.pod.clone();
        let paths = self.shared.paths.clone();
        let place = self.shared.place(self.address);
        let tokens = self.tokens.plain();
        let applied = tokio::task::spawn_blocking(move || {
            apply::apply(&apply::Inputs {
                pod: &pod,
                paths: &paths,
                place: &place,
                sources: &sources,
                tokens: &tokens,
            })
        });
        applied.await.expect("making volumes does not panic")?;
        Ok(())
    }

    /// Asks for the tokens that are missing or old.
    async fn supply_tokens(&mut self) -> Result<(), MountError> {
        let now = Timestamp::now();
        let pod = self.pod.clone();
        for volume in volumes::all(&pod) {
            for (key, wanted) in render::tokens(volume) {
                if self.tokens.is_fresh(&key, now) {
                    continue;
                }
                let held = self.request_token(wanted, now).await;
                let held =
                    held.map_err(|source| MountError { volume: volume.name.clone(), source })?;
                self.tokens.held.insert(key, held);
            }
        }
        Ok(())
    }

    async fn request_token(
        &self,
        wanted: &ServiceAccountTokenProjection,
        now: Timestamp,
    ) -> Result<Held, VolumeError> {
        let meta = &self.pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let spec = self.pod.spec.as_ref();
        let account = spec.and_then(|spec| spec.service_account_name.clone());
        let account = account.unwrap_or_else(|| "default".to_owned());
        let seconds = wanted.expiration_seconds.unwrap_or(TOKEN_SECONDS);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: wanted.audience.clone().map(|audience| vec![audience]),
                expiration_seconds: Some(seconds),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: meta.name.clone(),
                    uid: meta.uid.clone(),
                }),
            }),
            ..TokenRequest::default()
        };
        let api = Api::<ServiceAccount>::namespaced(self.shared.client.clone(), namespace);
        let made = api.create_token_request(&account, &PostParams::default(), &request).await;
        let made = made.map_err(|error| VolumeError::Token { account, source: Box::new(error) })?;
        let status = made.status.unwrap_or_default();
        let expires = status.expiration_timestamp.map_or(now, |time| time.0);
        let life = expires.duration_since(now).as_secs().max(1);
        let refresh = SignedDuration::from_secs(life * TOKEN_LIFE_PERCENT / 100);
        let refresh_at = now.checked_add(refresh).unwrap_or(Timestamp::MAX);
        Ok(Held { token: status.token.unwrap_or_default(), refresh_at })
    }

    /// Writes hosts, hostname and resolv.conf.
    pub(crate) async fn write_etc(&self, address: Ipv4Addr) -> Result<(), SandboxError> {
        let dir = self.shared.paths.etc(&self.uid);
        let read = async |path: &str| tokio::fs::read_to_string(path).await.unwrap_or_default();
        let (host_names, host_resolver) =
            (read("/etc/hosts").await, read("/etc/resolv.conf").await);
        let resolver = Resolver {
            address: self.shared.dns_address,
            domain: &self.shared.cluster_domain,
            host_file: &host_resolver,
        };
        let files = [
            ("hosts", etc::hosts(&self.pod, address, resolver.domain, &host_names)),
            ("hostname", hostname(&self.pod) + "\n"),
            ("resolv.conf", etc::resolv_conf(&self.pod, &resolver)),
        ];
        let failed = |path: &std::path::Path| {
            let path = path.display().to_string();
            move |source| SandboxError::File { path, source }
        };
        tokio::fs::create_dir_all(&dir).await.map_err(failed(&dir))?;
        for (name, content) in files {
            let path = dir.join(name);
            tokio::fs::write(&path, content).await.map_err(failed(&path))?;
        }
        Ok(())
    }
}
