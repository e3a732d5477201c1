//! The node: what it is made of and what it runs.

use std::sync::{Arc, OnceLock};

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kit::Tasks;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};

use crate::cache::{Changes, follow};
use crate::events::Recorder;
use crate::pods::Dispatcher;
use crate::shared::Shared;
use crate::{
    NodeConfig, configuration, dns, garbage, ingress, kubelet_api, lost, register, services,
};

/// Why the node could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It runs already.
    #[error("start the node: it runs already")]
    Running,
    /// The directory for the files of pods could not be made.
    #[error("make the directory of pods")]
    Directory(#[source] std::io::Error),
    /// The pods that ran before could not be found again.
    #[error("adopt the pods that are running")]
    Adopt(#[source] container::Error),
    /// The links of the pods that run could not be listed.
    #[error("list the links of the pods that are running")]
    Links(#[source] net::NetworkError),
    /// The API did not take that some pods run no more.
    #[error("take readiness from the pods that run no more")]
    Unready(#[source] kube::Error),
}

/// The node agent of this box. Clones share it.
#[derive(Clone)]
pub struct Node {
    config: Arc<std::sync::Mutex<Option<NodeConfig>>>,
    shared: Arc<OnceLock<Arc<Shared>>>,
}

impl Node {
    /// A node that does nothing until [`Node::run`].
    pub fn new(config: NodeConfig) -> Self {
        let config = Arc::new(std::sync::Mutex::new(Some(config)));
        Self { config, shared: Arc::default() }
    }

    /// Adopts what runs, then starts the node's tasks in `tasks` and returns.
    ///
    /// # Errors
    /// When what runs on this box cannot be learned, or on a second call.
    pub async fn run(&self, tasks: &Tasks) -> Result<(), StartError> {
        let config = crate::shared::lock(&self.config).take().ok_or(StartError::Running)?;
        let ranges = vec![config.addresses.range(), config.service_range];
        let recorder = Recorder::start(config.client.clone(), config.name.clone(), tasks);
        let shared = Arc::new(Shared::new(config, recorder));
        shared.paths.make().map_err(StartError::Directory)?;
        adopt(&shared).await?;
        lost::unready(&shared).await.map_err(StartError::Unready)?;
        follow_all(&shared, tasks, ranges);
        // Set last: requests are answered once pods can be found.
        self.shared.set(shared).map_err(|_| StartError::Running)
    }

    /// The kubelet API of this node, served to the API server alone.
    pub fn router(&self) -> axum::Router {
        kubelet_api::router(self.shared.clone())
    }
}

/// Finds what runs, keeps its addresses, and removes links that belong to nothing.
async fn adopt(shared: &Arc<Shared>) -> Result<(), StartError> {
    let found = shared.runtime.adopt().await.map_err(StartError::Adopt)?;
    for found in found {
        let uid = match &found {
            container::Found::Running(pod) => {
                keep_address(shared, pod);
                pod.id().to_owned()
            }
            container::Found::Ended(record) => record.id.clone(),
        };
        shared.found().insert(uid, found);
    }
    for link in shared.network.links().await.map_err(StartError::Links)? {
        let runs = matches!(shared.found().get(&link.id), Some(container::Found::Running(_)));
        if runs {
            continue;
        }
        if let Err(error) = shared.network.detach(&link.id).await {
            tracing::warn!(link = link.id, %error, "link of no pod not removed");
        }
    }
    Ok(())
}

fn keep_address(shared: &Shared, pod: &container::Pod) {
    let address = pod.labels().get("address").and_then(|address| address.parse().ok());
    let Some(address) = address.filter(|address| *address != shared.node_address) else { return };
    if let Err(error) = shared.addresses().take_specific(address) {
        tracing::warn!(pod = pod.id(), %error, "address of a running pod not reserved");
    }
}

fn follow_all(shared: &Arc<Shared>, tasks: &Tasks, ranges: Vec<net::AddressRange>) {
    let client = &shared.routing;
    let (network, routes) = (Changes::new(), Changes::new());
    let notify = (network.clone(), routes.clone());
    let services = follow(tasks, "watch services", all::<Service>(client), config(), {
        let (network, routes) = notify.clone();
        move |_| [&network, &routes].into_iter().for_each(Changes::notify)
    });
    // Set once: `Node::run` runs once.
    let _ = shared.services.set(services.clone());
    let slices = follow(tasks, "watch endpointslices", all::<EndpointSlice>(client), config(), {
        let (network, routes) = notify;
        move |_| [&network, &routes].into_iter().for_each(Changes::notify)
    });
    let mut dispatcher = Dispatcher::new(shared.clone(), tasks.clone());
    let own = config().fields(&format!("spec.nodeName={}", shared.name));
    let pods = follow(tasks, "watch pods", all::<Pod>(&shared.client), own, {
        let network = network.clone();
        move |event| {
            dispatcher.seen(event);
            network.notify();
        }
    });
    configuration::follow(shared, tasks, &routes);
    let inputs = services::apply::Inputs {
        services: services.clone(),
        slices: slices.clone(),
        pods: pods.clone(),
    };
    let work = services::apply::run(shared.clone(), inputs, network.subscribe());
    tasks.spawn_until_shutdown("apply services", work);
    let inputs =
        dns::apply::Inputs { services: services.clone(), slices: slices.clone(), pods, ranges };
    let work = dns::apply::run(shared.clone(), inputs, network.subscribe());
    tasks.spawn_until_shutdown("apply dns", work);
    ingress::apply::start(shared, tasks, services, slices, &routes);
    tasks.spawn_until_shutdown("register node", register::run(shared.clone()));
    tasks.spawn_until_shutdown("collect garbage", garbage::run(shared.clone()));
}

fn all<K: Resource<DynamicType = ()>>(client: &Client) -> Api<K> {
    Api::all(client.clone())
}

fn config() -> watcher::Config {
    watcher::Config::default()
}
