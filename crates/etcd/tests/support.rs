//! A server on a port of its own, and clients of it.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::net::SocketAddr;

use etcd::pb::etcdserverpb::kv_client::KvClient;
use etcd::{Config, Server};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

/// A client of the KV service.
pub type Client = KvClient<Channel>;

/// A server over a store in memory. It ends with this.
pub struct Fixture {
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl Fixture {
    /// Starts it on a free port.
    pub async fn start() -> Fixture {
        Fixture::start_with_tls(None).await
    }

    /// Starts it on a free port, with TLS or without.
    pub async fn start_with_tls(tls: Option<std::sync::Arc<rustls::ServerConfig>>) -> Fixture {
        Fixture::serve(server().await, tls).await
    }

    /// Starts it over a store of the test's own.
    #[allow(dead_code, reason = "not every test looks behind its server")]
    pub async fn start_over(store: store::Store) -> Fixture {
        Fixture::serve(server_over(store).await, None).await
    }

    /// Starts it with TLS; names in certificates stand for users.
    #[allow(dead_code, reason = "not every test has users")]
    pub async fn start_trusting_names(tls: std::sync::Arc<rustls::ServerConfig>) -> Fixture {
        let config = Config { client_cert_auth: true, ..config(store::Store::in_memory()) };
        Fixture::serve(Server::new(config).await.expect("a server"), Some(tls)).await
    }

    async fn serve(server: Server, tls: Option<std::sync::Arc<rustls::ServerConfig>>) -> Fixture {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shutdown = CancellationToken::new();
        let ended = shutdown.clone().cancelled_owned();
        let served = tokio::spawn(async move { server.serve(listener, tls, ended).await });
        Fixture { address, shutdown, served }
    }

    /// A connection to it.
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        endpoint.expect("a url").connect().await.expect("a connection")
    }

    /// A client of it, with a connection of its own.
    pub async fn client(&self) -> Client {
        KvClient::new(self.channel().await)
    }

    /// Ends it, and waits until it has.
    pub async fn end(self) {
        self.shutdown.cancel();
        self.served.await.expect("the server does not panic");
    }
}

/// A server over a store in memory.
pub async fn server() -> Server {
    server_over(store::Store::in_memory()).await
}

async fn server_over(store: store::Store) -> Server {
    Server::new(config(store)).await.expect("a server")
}

fn config(store: store::Store) -> Config {
    Config {
        store,
        name: "default".into(),
        client_urls: vec!["http://127.0.0.1:2379".into()],
        quota_bytes: 2 << 30,
        client_cert_auth: false,
    }
}
