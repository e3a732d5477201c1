//! What every controller is handed.

use k8s_openapi::NamespaceResourceScope;
use kit::Tasks;
use kube::{Api, Client, Resource};
use tokio_util::sync::CancellationToken;

use crate::ControllersConfig;
use crate::record::Recorder;

/// The API, the shutdown signal and the settings.
pub(crate) struct Context {
    pub client: Client,
    pub tasks: Tasks,
    pub config: ControllersConfig,
}

impl Context {
    pub fn new(client: Client, tasks: Tasks, config: ControllersConfig) -> Self {
        Self { client, tasks, config }
    }

    pub fn shutdown(&self) -> CancellationToken {
        self.tasks.shutdown()
    }

    /// The API of one kind in one namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The API of one kind in all namespaces, or of a cluster-scoped kind.
    pub fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// An event recorder that speaks as `component`.
    pub fn recorder(&self, component: &'static str) -> Recorder {
        Recorder::new(self.client.clone(), component)
    }
}
