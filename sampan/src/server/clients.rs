//! How the parts of this process talk to its API: without a socket, each under its own name.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use apiserver::{ApiServer, ServeError, UserInfo};
use axum::Router;
use kit::Tasks;
use kube::Client;
use tower::ServiceBuilder;

use crate::server::listeners::Listener;

/// Who asks. The API's authorization knows each by its name.
pub enum Identity {
    ControllerManager,
    Scheduler,
    /// The controller of this name. As upstream's controllers read from shared informers, it reads as
    /// the controller manager; it writes as its own ServiceAccount of kube-system.
    Controller(String),
    Node(String),
    /// The node agent's data plane, which is upstream's kube-proxy and an ingress controller.
    Router,
}

/// Who a client is when it reads, and when it writes.
struct Users {
    reads: UserInfo,
    writes: UserInfo,
}

impl Identity {
    fn users(self) -> Users {
        let writes = self.writer();
        let reads = match self {
            Self::Controller(_) => Self::ControllerManager.writer(),
            _ => writes.clone(),
        };
        Users { reads, writes }
    }

    fn writer(&self) -> UserInfo {
        match self {
            Self::ControllerManager => UserInfo::new("system:kube-controller-manager", NO_GROUPS),
            Self::Scheduler => UserInfo::new("system:kube-scheduler", NO_GROUPS),
            Self::Controller(name) => account(name),
            Self::Router => account("sampan-router"),
            Self::Node(name) => UserInfo::new(format!("system:node:{name}"), ["system:nodes"]),
        }
    }
}

/// A ServiceAccount of kube-system.
fn account(name: &str) -> UserInfo {
    UserInfo::new(
        format!("system:serviceaccount:kube-system:{name}"),
        ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
    )
}

const NO_GROUPS: [&str; 0] = [];

/// A client whose transport is the API's own router.
pub fn inside(router: Router, identity: Identity) -> Client {
    let users = identity.users();
    let service = ServiceBuilder::new()
        .map_request(move |mut request: http::Request<kube::client::Body>| {
            let user =
                if request.method() == http::Method::GET { &users.reads } else { &users.writes };
            request.extensions_mut().insert(user.clone());
            request
        })
        .service(router);
    Client::new(service, "default")
}

/// Serves the API on a listener until shutdown, then drains.
pub fn serve_api(
    tasks: &Tasks,
    name: &'static str,
    api: &ApiServer,
    listener: Listener,
    tls: Arc<rustls::ServerConfig>,
) {
    let (api, shutdown) = (api.clone(), tasks.shutdown());
    tasks.supervise(name, move || {
        let (api, tls, shutdown) = (api.clone(), tls.clone(), shutdown.clone());
        let listener = listener.open();
        async move {
            let listener = listener.map_err(ServeError::Accept)?;
            api.serve(listener, tls, shutdown.cancelled_owned()).await
        }
    });
}

/// Writes a file that only its owner may read, so that a reader sees the old or the new whole.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let attempt = || format!("write {}", path.display());
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .with_context(attempt)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(attempt)?;
    fs::rename(&new, path).with_context(attempt)
}
