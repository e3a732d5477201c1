//! Takes the shop's orders: looks the product up, has it paid, keeps the order.

mod api;
mod book;
mod payments;
mod products;

use std::net::SocketAddr;
use std::process::ExitCode;

use kit::Service;
use serde::Deserialize;

use api::Shop;
use book::Book;
use payments::Payments;
use products::Products;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default = "listen")]
    listen: SocketAddr,
    #[serde(default = "products_url")]
    products_url: String,
    #[serde(default = "payments_url")]
    payments_url: String,
    #[serde(default = "quantity_max")]
    quantity_max: u32,
}

fn listen() -> SocketAddr {
    ([0, 0, 0, 0], 8080).into()
}

fn products_url() -> String {
    "http://products".to_owned()
}

fn payments_url() -> String {
    "http://payments:50051".to_owned()
}

fn quantity_max() -> u32 {
    100
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Config(#[from] kit::config::ConfigError),
    #[error(transparent)]
    PaymentsUrl(#[from] payments::UrlError),
    #[error(transparent)]
    Serve(#[from] kit::service::StartError),
}

#[tokio::main]
async fn main() -> ExitCode {
    kit::log::start("orders");
    kit::log::exit(run().await)
}

async fn run() -> Result<(), StartError> {
    let config: Config = kit::config::load("orders")?;
    let service = Service::new("orders").listen(config.listen);
    let shop = Shop {
        products: Products::new(config.products_url),
        payments: Payments::new(&config.payments_url)?,
        book: Book::new(service.metrics()),
        quantity_max: config.quantity_max,
    };
    service.routes(api::routes(shop)).run().await?;
    Ok(())
}
