//! The shop's products and their prices, from the configuration.

mod api;
mod catalogue;

use std::net::SocketAddr;
use std::process::ExitCode;

use kit::{ErrorFormat, Service};
use serde::Deserialize;

use catalogue::{Catalogue, Product};

#[derive(Deserialize)]
struct Config {
    #[serde(default = "listen")]
    listen: SocketAddr,
    products: Vec<Product>,
}

fn listen() -> SocketAddr {
    ([0, 0, 0, 0], 8080).into()
}

#[tokio::main]
async fn main() -> ExitCode {
    kit::log::start("products");
    let config: Config = match kit::config::load("products") {
        Ok(config) => config,
        Err(error) => return kit::log::exit(Err(error)),
    };
    let catalogue = Catalogue::new(config.products);
    let service = Service::new("products")
        .listen(config.listen)
        .errors(ErrorFormat::Problem)
        .routes(api::routes(catalogue));
    kit::log::exit(service.run().await)
}
