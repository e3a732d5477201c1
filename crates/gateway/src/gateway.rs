//! The handle.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;

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
    /// One change of the table at a time: each takes over what it keeps from the one before.
    changing: Mutex<()>,
}

impl Gateway {
    /// A gateway that knows no route yet.
    pub fn new(config: GatewayConfig) -> Gateway {
        let proxy = Arc::new(Proxy { routing: ArcSwap::default(), config });
        Gateway(Arc::new(Inner { proxy, changing: Mutex::new(()) }))
    }

    /// Replaces the table. No request begun after this returns goes to an endpoint that is not in
    /// it; those under way are finished where they are.
    pub fn set_routes(&self, table: RouteTable) {
        let _one = self.0.changing.lock().expect("making a table does not panic");
        let routing = &self.0.proxy.routing;
        routing.store(Arc::new(Routing::new(table, &routing.load())));
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
