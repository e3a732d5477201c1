//! The gateway between real sockets.

mod client;
mod draining;
mod failures;
mod grpc;
mod proxying;
mod rolling;
mod tls;
mod upgrade;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use sampan_gateway::{
    Backend, Drained, Gateway, GatewayConfig, Host, Path, Protocol, Route, RouteTable,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("this should not take so long")
}

/// A gateway on a port of its own.
struct Served {
    gateway: Gateway,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

impl Served {
    async fn start(config: GatewayConfig) -> Served {
        let gateway = Gateway::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = gateway.clone();
        let ended = tokio::spawn(async move {
            let stopped = async move { drop(stopped.await) };
            serving.serve(listener, stopped).await
        });
        Served { gateway, address, stop, ended }
    }

    /// With one route for everything.
    async fn with(protocol: Protocol, endpoints: &[SocketAddr]) -> Served {
        let served = Served::start(GatewayConfig::default()).await;
        served.gateway.set_routes(to(protocol, endpoints));
        served
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).unwrap();
        soon(self.ended).await.unwrap()
    }
}

fn to(protocol: Protocol, endpoints: &[SocketAddr]) -> RouteTable {
    RouteTable { routes: vec![route("", "/", protocol, endpoints)], certificates: vec![] }
}

fn route(host: &str, prefix: &str, protocol: Protocol, endpoints: &[SocketAddr]) -> Route {
    let endpoints = endpoints.to_vec();
    let backend = Backend { name: "test".into(), weight: 1, protocol, endpoints };
    Route { host: Host::parse(host), path: Path::Prefix(prefix.into()), backends: vec![backend] }
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
