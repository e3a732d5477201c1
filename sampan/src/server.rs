//! `sampan server`: every part in one process.
//!
//! The story is in [`run`]: lock the instance, bind the listeners, open the engines, put the
//! API over the store, let the controllers and the node agent talk to it, say that all is
//! ready, and wait for the signal to drain.

pub mod background;
mod clients;
pub mod engines;
mod listeners;
mod node_agent;
mod ranges;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use apiserver::authz::StaticAuthorizer;
use apiserver::pki::{Pki, ServingNames};
use apiserver::{ApiServer, Config};
use axum::Router;
use k8s_openapi::jiff::Timestamp;
use kit::Tasks;
use node::NodeConfig;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServerArgs;
use crate::instance::{Instance, RunningServer};
use crate::server::clients::Identity;
use crate::server::engines::Engines;
use crate::server::listeners::Listeners;
use crate::server::ranges::Ranges;
use crate::{logging, machine};

/// How long everything may take to end after the signal.
const DRAIN_MAX: Duration = Duration::from_secs(15);
/// The Kubernetes version we serve, as the Node object tells it.
const KUBERNETES_VERSION: &str = "v1.36.0";

/// Runs the server until SIGTERM or SIGINT. Pods run on; the next server adopts them.
pub async fn run(
    instance: impl Fn() -> anyhow::Result<Instance>,
    args: ServerArgs,
) -> anyhow::Result<()> {
    machine::require_root("server")?;
    logging::init(args.log_file.as_deref())?;
    machine::raise_open_files()?;
    let ranges = Ranges::parse(&args.pod_cidr, &args.service_cidr)?;
    let instance = instance()?;
    let mut lock = instance.lock()?;
    let listeners = Listeners::bind(&args).await?;
    let mut about = RunningServer {
        pid: std::process::id(),
        api: listeners.api.address()?,
        gateway: listeners.gateway.address()?,
        started_at: Timestamp::now().as_second(),
        ready: false,
        network: ranges.texts(),
    };
    lock.announce(&about)?;
    let tasks = Tasks::new();
    let terminated = terminate()?;
    start(&instance, &args, &ranges, listeners, &about, &tasks).await?;
    about.ready = true;
    lock.announce(&about)?;
    tracing::info!(api = %about.api, gateway = %about.gateway, "ready");
    terminated.await;
    tracing::info!("draining; pods run on");
    tasks
        .stop(DRAIN_MAX)
        .await
        .map_err(|stuck| anyhow!("these did not end in time: {}", stuck.join(", ")))
}

/// Resolves at the first SIGTERM or SIGINT.
fn terminate() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    // A server in the background outlives the terminal it was started from.
    let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    Ok(async move {
        let _heard_and_ignored = hangup;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Starts every part, in the order in which they need each other.
async fn start(
    instance: &Instance,
    args: &ServerArgs,
    ranges: &Ranges,
    listeners: Listeners,
    about: &RunningServer,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let engines = Engines::open(instance, ranges).await?;
    let pki =
        Arc::new(Pki::open(instance.data_dir().join("pki")).context("open the certificates")?);
    let api = ApiServer::new(Config {
        store: engines.store.clone(),
        pki: pki.clone(),
        service_range: ranges.services(),
        node_address: ranges.node_address(),
        secure_port: listeners::NODE_API_PORT,
        authorizer: Arc::new(StaticAuthorizer),
    });
    api.bootstrap().await.context("make the objects every cluster has")?;
    let names = ServingNames {
        addresses: vec![ranges.services().first(), ranges.node_address()],
        given: vec![about.api.ip().to_string()],
    };
    let tls = pki.tls(&names).context("make the serving certificate")?;
    let inside = listeners::bind_inside(ranges.node_address()).await?;
    for (name, listener) in [("listener/api", listeners.api), ("listener/api-for-pods", inside)] {
        clients::serve_api(tasks, name, &api, listener, tls.clone());
    }
    let router = api.router();
    controllers::run(
        controllers::Clients {
            controllers: clients::inside(router.clone(), Identity::ControllerManager),
            scheduler: clients::inside(router.clone(), Identity::Scheduler),
        },
        tasks,
        controllers::ControllersConfig { root_ca_pem: pki.ca_pem().to_owned() },
    );
    let node_name = match &args.node_name {
        Some(name) => name.clone(),
        None => machine::host_name()?,
    };
    let config = node_config(instance, args, ranges, &engines, router, node_name);
    node_agent::run(tasks, &api, config).await?;
    engines::serve_dns(tasks, ranges.dns_address(), engines.dns_table).await?;
    engines::serve_gateway(tasks, engines.gateway, listeners.gateway);
    write_kubeconfig(instance, &pki, about)
}

/// Makes the node agent's configuration, each time that it is started.
fn node_config(
    instance: &Instance,
    args: &ServerArgs,
    ranges: &Ranges,
    engines: &Engines,
    router: Router,
    name: String,
) -> impl Fn() -> NodeConfig + Send + Sync + 'static {
    let (engines, ranges, domain) = (engines.clone(), ranges.clone(), args.cluster_domain.clone());
    let (data_dir, run_dir) = (instance.data_dir().to_owned(), instance.run_dir());
    move || NodeConfig {
        client: clients::inside(router.clone(), Identity::Node(name.clone())),
        name: name.clone(),
        runtime: engines.runtime.clone(),
        images: engines.images.clone(),
        network: engines.network.clone(),
        addresses: ranges.pod_addresses(),
        service_range: ranges.service_addresses(),
        dns_table: engines.dns_table.clone(),
        gateway: engines.gateway.clone(),
        data_dir: data_dir.clone(),
        run_dir: run_dir.clone(),
        node_address: ranges.node_address(),
        dns_address: ranges.dns_address(),
        cluster_domain: domain.clone(),
        version: KUBERNETES_VERSION.into(),
    }
}

fn write_kubeconfig(instance: &Instance, pki: &Pki, about: &RunningServer) -> anyhow::Result<()> {
    let mut address = about.api;
    if address.ip().is_unspecified() {
        address.set_ip([127, 0, 0, 1].into());
    }
    let url = format!("https://{address}");
    let text = pki.kubeconfig(&url, "admin", &["system:masters"]).context("make the kubeconfig")?;
    clients::write_secret(&instance.kubeconfig(), &text)
}
