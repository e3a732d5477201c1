//! An API server in memory, to try by hand: `serve [PORT] [DIRECTORY]` prints where its
//! kubeconfig is and runs until interrupted.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use sampan_apiserver::authz::ClusterAuthorizer;
use sampan_apiserver::pki::{Pki, ServingNames};
use sampan_apiserver::{ApiServer, Config};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("6444").parse()?;
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "/tmp/sampan-api".to_owned()));
    let pki = Arc::new(Pki::open(directory.join("pki"))?);
    let store = store::Store::in_memory();
    let server = ApiServer::new(Config {
        store: store.clone(),
        pki: pki.clone(),
        service_range: "10.43.0.0/16".parse()?,
        node_address: Ipv4Addr::new(10, 42, 0, 1),
        secure_port: port,
        authorizer: Arc::new(ClusterAuthorizer::new(store.clone())),
        access: Default::default(),
    });
    server.bootstrap().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let url = format!("https://{}", listener.local_addr()?);
    let kubeconfig = directory.join("kubeconfig");
    std::fs::write(&kubeconfig, pki.kubeconfig(&url, "admin", &["system:masters"])?)?;
    println!("KUBECONFIG={}", kubeconfig.display());
    server.serve(listener, pki.tls(&ServingNames::default())?, std::future::pending()).await?;
    Ok(())
}
