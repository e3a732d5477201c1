//! Takes money for the shop's orders, over gRPC.

mod cashier;

use std::net::SocketAddr;
use std::process::ExitCode;

use kit::Service;
use payments_api::PaymentsServer;
use serde::Deserialize;

use cashier::Cashier;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default = "listen")]
    listen: SocketAddr,
    /// Identifies the shop to the bank.
    provider_key: String,
    /// The largest amount that is taken at once.
    #[serde(default = "amount_max")]
    amount_max: u64,
}

fn listen() -> SocketAddr {
    ([0, 0, 0, 0], 8080).into()
}

fn amount_max() -> u64 {
    1_000_000
}

#[tokio::main]
async fn main() -> ExitCode {
    kit::log::start("payments");
    let config: Config = match kit::config::load("payments") {
        Ok(config) => config,
        Err(error) => return kit::log::exit(Err(error)),
    };
    let service = Service::new("payments").listen(config.listen);
    let taken = service.metrics().counter("payments_taken_total", "Payments taken.", &[]);
    let cashier = Cashier::new(config.provider_key, config.amount_max, taken);
    let service = service.grpc(payments_api::SERVICE, PaymentsServer::new(cashier));
    kit::log::exit(service.run().await)
}
