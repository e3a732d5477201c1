//! The API server: what is shared by all requests, and how others hold it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::bootstrap::BootstrapError;
use crate::computed::Usage;
use crate::config::{Access, Config, NodeProxy, ServiceRange};
use crate::error::Chain;
use crate::flowcontrol::{self, FlowControl};
use crate::pki::Pki;
use crate::registry::{Registry, Rotated, SecretsError, SecretsReport};
use crate::watch::Changes;
use crate::{aggregation, bootstrap, custom, request};

/// The Kubernetes API over a store. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    pub(crate) shared: Arc<Shared>,
}

/// What every request may need.
pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) pki: Arc<Pki>,
    pub(crate) config: Settings,
    pub(crate) authorizer: Arc<dyn crate::Authorizer>,
    /// What watches have in common.
    pub(crate) changes: Arc<Changes>,
    pub(crate) flow_control: Arc<FlowControl>,
    pub(crate) access: Access,
    /// Held by who writes down that a Secret's token was used.
    pub(crate) noting_use: Arc<Semaphore>,
    /// Cancelled when the server shuts down: watches end.
    pub(crate) closing: CancellationToken,
    /// Set once bootstrap is done: ready.
    pub(crate) ready: OnceLock<()>,
    node: Mutex<Option<NodeProxy>>,
    /// What nodes and pods use.
    pub(crate) usage: Usage,
    metrics: OnceLock<MetricsText>,
    /// Where requests are recorded, if they are.
    pub(crate) audit: OnceLock<Arc<AuditLog>>,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Stored Secrets cannot be read.
    #[error("read the Secrets")]
    Secrets(#[from] SecretsError),
    /// The objects every cluster has could not be made.
    #[error("make the objects every cluster has")]
    Objects(#[from] BootstrapError),
}

/// What `/metrics` begins with, in Prometheus' text format; made anew for each request.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Plain settings.
pub(crate) struct Settings {
    pub(crate) service_range: ServiceRange,
    pub(crate) node_address: std::net::Ipv4Addr,
    pub(crate) secure_port: u16,
}

impl Shared {
    /// The node agent, once it has been given.
    pub(crate) fn node(&self) -> Option<NodeProxy> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `/metrics` answers: what was given, and what is our own.
    pub(crate) fn metrics(&self) -> String {
        let given = self.metrics.get().map(|text| text());
        let audit = self.audit.get().map(|log| log.metrics());
        given.unwrap_or_default() + &self.flow_control.metrics() + &audit.unwrap_or_default()
    }
}

impl ApiServer {
    /// A server over the configured store. Nothing runs yet.
    pub fn new(config: Config) -> Self {
        let registry =
            Registry::new(config.store, config.pki.keyring().clone(), config.service_range);
        let shared = Shared {
            registry,
            pki: config.pki,
            config: Settings {
                service_range: config.service_range,
                node_address: config.node_address,
                secure_port: config.secure_port,
            },
            authorizer: config.authorizer,
            changes: Arc::default(),
            flow_control: Arc::new(FlowControl::new(config.access.requests_max)),
            access: config.access,
            noting_use: Arc::new(Semaphore::new(1)),
            closing: CancellationToken::new(),
            ready: OnceLock::new(),
            node: Mutex::new(None),
            usage: Usage::default(),
            metrics: OnceLock::new(),
            audit: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Gives the server the node agent, for logs, exec, attach and port-forward. The node
    /// agent is itself a client of this server, so it comes second.
    pub fn set_node_proxy(&self, proxy: NodeProxy) {
        *self.shared.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(proxy);
    }

    /// Records requests from now on. The first log given stays.
    pub fn set_audit(&self, log: Arc<AuditLog>) {
        self.shared.audit.get_or_init(|| log);
    }

    /// Lets `/metrics` begin with this text, to those who may read that path. The first one
    /// given stays.
    pub fn set_metrics(&self, text: MetricsText) {
        self.shared.metrics.get_or_init(|| text);
    }

    /// Checks that what is stored can be read, and makes the objects every cluster has; may be
    /// called on every start.
    pub async fn bootstrap(&self) -> Result<(), StartError> {
        self.shared.registry.store.check_keys()?;
        bootstrap::run(&self.shared).await?;
        self.resume_rotation();
        self.shared.ready.get_or_init(|| {
            self.clean_up_definitions();
            self.follow_flow_control();
            self.keep_api_services();
        });
        Ok(())
    }

    /// How the Secrets are sealed.
    pub fn secrets_report(&self) -> SecretsReport {
        self.shared.registry.store.report()
    }

    /// Writes every Secret under a new key, and drops the old ones.
    pub async fn rotate_secrets_key(&self) -> Result<Rotated, SecretsError> {
        self.shared.registry.store.rotate().await
    }

    /// A server that ended in the midst of a rotation goes on with it.
    fn resume_rotation(&self) {
        let (shared, closing) = (Arc::downgrade(&self.shared), self.shared.closing.clone());
        tokio::spawn(closing.run_until_cancelled_owned(async move {
            let Some(shared) = shared.upgrade() else { return };
            if let Err(error) = shared.registry.store.resume().await {
                tracing::error!(error = %Chain(&error), "the rotation of the encryption key did not end");
            }
        }));
    }

    /// Runs until the server closes.
    fn clean_up_definitions(&self) {
        let changed = self.shared.registry.definitions.changed.clone();
        let closing = self.shared.closing.clone();
        tokio::spawn(custom::clean_up(Arc::downgrade(&self.shared), closing, changed));
    }

    /// Runs until the server closes.
    fn follow_flow_control(&self) {
        let closing = self.shared.closing.clone();
        tokio::spawn(flowcontrol::follow(Arc::downgrade(&self.shared), closing));
    }

    /// Runs until the server closes.
    fn keep_api_services(&self) {
        let changed = self.shared.registry.extensions_changed.clone();
        let closing = self.shared.closing.clone();
        tokio::spawn(aggregation::keep(Arc::downgrade(&self.shared), closing, changed));
    }

    /// The API as a service. A request's [`UserInfo`](crate::UserInfo) extension says who
    /// asks; without one it is anonymous. For in-process clients put a layer around it
    /// that inserts the extension.
    pub fn router(&self) -> Router {
        Router::new().fallback(request::handle).with_state(self.shared.clone())
    }

    /// Ends all watches and makes the server say it is not ready. `serve` does this when
    /// its own shutdown comes; a wiring without listeners calls it.
    pub fn close(&self) {
        self.shared.closing.cancel();
    }
}
