//! Serves the etcd API over a store in a directory, until interrupted:
//! `serve_etcd DIRECTORY [ADDRESS]`. For trying clients by hand, and for the trial with kills.

use std::error::Error;
use std::path::Path;

use etcd::{Config, Server};
use store::{Options, Store};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("which directory?")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    serve(Path::new(&directory), &address).await
}

/// Serves until interrupted, and first prints where.
pub async fn serve(directory: &Path, address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let store = Store::open(directory, Options::default())?;
    let config = Config {
        store: store.clone(),
        name: "default".into(),
        client_urls: vec![format!("http://{address}")],
        quota_bytes: 2 << 30,
        client_cert_auth: false,
    };
    let server = Server::new(config).await?;
    println!("{address}");
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("cannot wait for the end: {error}");
        }
    };
    server.serve(listener, None, interrupted).await;
    store.close().await;
    Ok(())
}
