//! The handle.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::proxy::Proxy;
use crate::routing::Routing;
use crate::server::{self, Drained};
use crate::tls;
use crate::{GatewayConfig, RouteCounts, RouteTable};

/// A table of routes and the listeners that serve it. Clones are handles to the same gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    proxy: Arc<Proxy>,
    /// Locked while the table changes: each takes over what it keeps from the one before.
    leaving: Mutex<Leaving>,
}

/// Endpoints that left the table while requests had them, and when those are through.
type Leaving = Vec<(SocketAddr, CancellationToken)>;

impl Gateway {
    /// A gateway that knows no route yet.
    pub fn new(config: GatewayConfig) -> Gateway {
        let proxy = Arc::new(Proxy { routing: ArcSwap::default(), config });
        Gateway(Arc::new(Inner { proxy, leaving: Mutex::default() }))
    }

    /// Replaces the table. No request begun after this returns goes to an endpoint that is not in
    /// it; those under way are finished where they are: see [`Gateway::released`].
    pub fn set_routes(&self, table: RouteTable) {
        let mut leaving = self.leaving();
        let routing = &self.0.proxy.routing;
        let before = routing.load_full();
        let after = Arc::new(Routing::new(table, &before));
        leaving.retain(|(_, released)| !released.is_cancelled());
        let gone = before.endpoints().filter(|endpoint| !after.has(endpoint));
        leaving.extend(gone.map(|endpoint| (endpoint.address(), endpoint.released())));
        routing.store(after);
    }

    /// Waits until no request is at an endpoint or on its way to it, and none can be: it has left
    /// the table, and what had been begun is through. A server stopped after this loses nothing,
    /// not even a request that must not be sent twice. Streams and tunnels may take long: give it
    /// a timeout.
    pub async fn released(&self, endpoint: SocketAddr) {
        let waited: Vec<_> = {
            let leaving = self.leaving();
            let routing = self.0.proxy.routing.load();
            let here = routing.endpoints().map(|here| (here.address(), here.released()));
            here.chain(leaving.iter().cloned())
                .filter(|(address, _)| *address == endpoint)
                .collect()
        };
        for (_, released) in waited {
            released.cancelled().await;
        }
    }

    fn leaving(&self) -> MutexGuard<'_, Leaving> {
        self.0.leaving.lock().expect("making a table does not panic")
    }

    /// What happened on each route of the table.
    pub fn counts(&self) -> Vec<RouteCounts> {
        self.0.proxy.routing.load().counts()
    }

    /// Serves HTTP/1 and h2 (with prior knowledge) until `shutdown`; then lets requests under way
    /// finish, for as long as the configuration allows.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Drained {
        server::serve(self.0.proxy.clone(), listener, None, shutdown).await
    }

    /// As [`Gateway::serve`], over TLS with the table's certificates.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Drained {
        let acceptor = tls::acceptor(self.0.proxy.clone());
        server::serve(self.0.proxy.clone(), listener, Some(acceptor), shutdown).await
    }
}
