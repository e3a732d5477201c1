//! `sampan server`: every part in one process.
//!
//! The story is in [`run`]: lock the instance, bind the listeners, open the stores and the engines,
//! put the API over the objects and the etcd API over its own key space, let the controllers and
//! the node agent talk to the API, say that all is ready, and wait for the signal to drain.

pub mod background;
mod certificates;
mod clients;
mod control;
pub mod engines;
mod etcd_api;
mod external;
mod listeners;
mod node_agent;
mod ranges;
mod reports;
mod signer;
pub mod stores;
mod unix_socket;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use apiserver::audit::AuditLog;
use apiserver::authz::ClusterAuthorizer;
use apiserver::pki::Pki;
use apiserver::{ApiServer, Config};
use axum::Router;
use etcd::remote::{RemoteError, RemoteStore};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kit::Tasks;
use node::NodeConfig;
use store::Store;
use tokio::signal::unix::{SignalKind, signal};

use crate::backup::{PKI, Space, restore};
use crate::cli::ServerArgs;
use crate::instance::{Instance, RunningServer};
use crate::server::certificates::Certificates;
use crate::server::clients::Identity;
pub use crate::server::clients::write_secret;
use crate::server::control::Control;
use crate::server::engines::Engines;
use crate::server::etcd_api::EtcdPlan;
use crate::server::external::External;
use crate::server::listeners::{Listener, Listeners};
use crate::server::ranges::Ranges;
use crate::{logging, machine, memory};

/// How long everything may take to end after the signal.
const DRAIN_MAX: Duration = Duration::from_secs(15);
/// How long the last events may take to be in the audit log.
const AUDIT_MAX: Duration = Duration::from_secs(3);
/// The objects have no quota; as etcd's metrics say it.
const NO_QUOTA: u64 = 0;
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
    let external = External::resolve(&args.store, stores::options(&args.store))?;
    let etcd = EtcdPlan::resolve(&args.etcd)?.filter(|_| external.is_none());
    let audit = args.audit.start().context("begin the audit log")?;
    let instance = instance()?;
    let mut lock = instance.lock()?;
    if restore::finish(instance.data_dir()).context("finish an interrupted restore")? {
        tracing::warn!("a restore had been interrupted; it is finished now");
    }
    external::check_same_place(&instance, external.as_ref())?;
    let listeners = Listeners::bind(&args, etcd.as_ref().map(|etcd| etcd.listen)).await?;
    let mut about = RunningServer {
        pid: std::process::id(),
        api: listeners.api.address()?,
        gateway: listeners.gateway.address()?,
        etcd: etcd_url(etcd.as_ref(), &listeners)?,
        started_at: Timestamp::now().as_second(),
        ready: false,
        network: ranges.texts(),
    };
    lock.announce(&about)?;
    let tasks = Tasks::new();
    let mut terminated = std::pin::pin!(terminate()?);
    let setup = Setup {
        instance: &instance,
        args: &args,
        ranges: &ranges,
        tasks: &tasks,
        audit: audit.as_ref(),
    };
    let opened = tokio::select! {
        started = start(&setup, listeners, etcd, external, &about) => started?,
        // It may wait long, for another server that leads or for a disk.
        () = &mut terminated => return drain(&tasks).await,
    };
    about.ready = true;
    lock.announce(&about)?;
    tracing::info!(api = %about.api, gateway = %about.gateway, etcd = about.etcd, "ready");
    tasks.spawn_until_shutdown("memory", memory::keep_small());
    let ended = tokio::select! {
        () = terminated => Ok(()),
        error = opened.ended => {
            Err(error).context("this server ends; its pods run on, and the next one adopts them")
        }
    };
    tracing::info!("draining; pods run on");
    let drained = drain(&tasks).await;
    if audit.is_some_and(|audit| !audit.flush(AUDIT_MAX)) {
        tracing::warn!("the audit log was not written to its end in time");
    }
    stores::close_all(opened.spaces).await;
    ended.and(drained)
}

async fn drain(tasks: &Tasks) -> anyhow::Result<()> {
    tasks
        .stop(DRAIN_MAX)
        .await
        .map_err(|stuck| anyhow!("these did not end in time: {}", stuck.join(", ")))
}

fn etcd_url(etcd: Option<&EtcdPlan>, listeners: &Listeners) -> anyhow::Result<Option<String>> {
    match (etcd, &listeners.etcd) {
        (Some(etcd), Some(listener)) => Ok(Some(etcd.url(listener.address()?))),
        _ => Ok(None),
    }
}

/// What every part is started with.
struct Setup<'a> {
    instance: &'a Instance,
    args: &'a ServerArgs,
    ranges: &'a Ranges,
    tasks: &'a Tasks,
    /// Where requests are recorded, if they are.
    audit: Option<&'a Arc<AuditLog>>,
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
    setup: &Setup<'_>,
    listeners: Listeners,
    etcd: Option<EtcdPlan>,
    external: Option<External>,
    about: &RunningServer,
) -> anyhow::Result<Opened> {
    let Setup { instance, args, ranges, tasks, audit } = *setup;
    let opened = open_stores(setup, etcd.as_ref(), external).await?;
    if let (Some(etcd), Some(listener)) = (etcd, listeners.etcd) {
        etcd.serve(tasks, instance, opened.of(Space::Etcd), listener).await?;
    }
    let objects = opened.of(Space::Kubernetes);
    let engines = Engines::open(instance, ranges, objects).await?;
    let mut pki = Pki::open(instance.data_dir().join(PKI)).context("open the certificates")?;
    args.access.trust_clients(&mut pki)?;
    let pki = Arc::new(pki);
    let api = ApiServer::new(Config {
        store: engines.store.clone(),
        pki: pki.clone(),
        service_range: ranges.services(),
        node_address: ranges.node_address(),
        secure_port: listeners::NODE_API_PORT,
        authorizer: Arc::new(ClusterAuthorizer::new(engines.store.clone())),
        access: args.access.resolve()?,
    });
    let measured = engines.store.clone();
    api.set_metrics(Arc::new(move || etcd::metrics_text(&measured.stats(), NO_QUOTA)));
    if let Some(audit) = audit {
        api.set_audit(audit.clone());
    }
    api.bootstrap().await.context("start the API")?;
    opened.control.serving(api.clone());
    let inside = vec![ranges.services().first(), ranges.node_address()];
    let given = args.tls_san.clone();
    let certificates = Certificates::new(instance, pki.clone(), about, inside, given);
    serve_api(setup, &api, listeners.api, certificates.tls()?).await?;
    let router = api.router();
    controllers::run(
        controllers::Clients {
            controllers: clients::inside(router.clone(), Identity::ControllerManager),
            scheduler: clients::inside(router.clone(), Identity::Scheduler),
            controller: Box::new({
                let router = router.clone();
                move |name| clients::inside(router.clone(), Identity::Controller(name.to_owned()))
            }),
        },
        tasks,
        controllers::ControllersConfig {
            signer: Arc::new(signer::ClusterKeys(pki.clone())),
            root_ca_pem: Arc::new(move || pki.ca_pem()),
        },
    );
    let node_name = match &args.node_name {
        Some(name) => name.clone(),
        None => machine::host_name()?,
    };
    let config = node_config(instance, args, ranges, &engines, router, node_name);
    node_agent::run(tasks, &api, config).await?;
    engines::serve_dns(tasks, ranges.dns_address(), engines.dns_table).await?;
    engines::serve_gateway(tasks, engines.gateway, listeners.gateway);
    certificates.write_kubeconfig()?;
    certificates.keep(tasks);
    Ok(opened)
}

/// The key spaces, and what ends with them.
struct Opened {
    control: Control,
    spaces: Vec<(Space, Store)>,
    /// Resolves when this server may not go on because of its external etcd.
    ended: BoxFuture<'static, RemoteError>,
}

impl Opened {
    fn of(&self, wanted: Space) -> Store {
        let mut spaces = self.spaces.iter();
        let found = spaces.find(|(space, _)| *space == wanted).map(|(_, store)| store.clone());
        found.expect("what is asked for was opened")
    }
}

/// Opens the key spaces. Who asks over the control socket is told of it, and of who is waited for.
async fn open_stores(
    setup: &Setup<'_>,
    etcd: Option<&EtcdPlan>,
    external: Option<External>,
) -> anyhow::Result<Opened> {
    let Setup { instance, args, tasks, .. } = *setup;
    let quota = args.etcd.etcd_quota_bytes;
    let control = Control::serve(tasks, instance, quota, external.clone())?;
    let (spaces, ended) = match external {
        Some(external) => {
            tracing::info!("the etcd API is not served: the external etcd is there for clients");
            let RemoteStore { store, ended, .. } = external.open(instance).await?;
            (vec![(Space::Kubernetes, store)], ended.boxed())
        }
        None => {
            let objects = (Space::Kubernetes, stores::options(&args.store));
            let keys = etcd.map(|etcd| (Space::Etcd, etcd.options.clone()));
            let wanted = [objects].into_iter().chain(keys).collect();
            let spaces = stores::open_all(instance, wanted).await?;
            (spaces, std::future::pending().boxed())
        }
    };
    control.opened(spaces.clone());
    Ok(Opened { control, spaces, ended })
}

/// Serves the API on its listener and, for pods, at the node's own address.
async fn serve_api(
    setup: &Setup<'_>,
    api: &ApiServer,
    listener: Listener,
    tls: Arc<rustls::ServerConfig>,
) -> anyhow::Result<()> {
    let inside = listeners::bind_inside(setup.ranges.node_address()).await?;
    for (name, listener) in [("listener/api", listener), ("listener/api-for-pods", inside)] {
        clients::serve_api(setup.tasks, name, api, listener, tls.clone());
    }
    Ok(())
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
        routing: clients::inside(router.clone(), Identity::Router),
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
