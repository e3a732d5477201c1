//! The engines of one instance: opened for a server, taken apart for `sampan stop`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use container::{Runtime, RuntimeConfig};
use gateway::{Drained, Gateway, GatewayConfig};
use image::ImageStore;
use kit::Tasks;
use net::dns::{self, DnsTable, Upstream};
use net::{AddressPool, Network, NetworkConfig};
use node::TeardownConfig;
use store::Store;
use tokio::net::TcpListener;

use crate::instance::{Instance, NetworkRanges};
use crate::server::ranges::Ranges;

/// A DNS server's port.
const DNS_PORT: u16 = 53;

/// What the API, the node agent and the listeners work with.
pub struct Engines {
    pub store: Store,
    pub images: ImageStore,
    pub runtime: Runtime,
    pub network: Network,
    pub addresses: AddressPool,
    pub dns_table: dns::Handle,
    pub gateway: Gateway,
}

impl Engines {
    pub async fn open(instance: &Instance, ranges: &Ranges) -> anyhow::Result<Self> {
        let data = instance.data_dir();
        let store = Store::open(&data.join("store"), store::Options::default())
            .with_context(|| format!("open the store in {}", data.join("store").display()))?;
        let images = ImageStore::open(instance.images()).context("open the image store")?;
        let network =
            Network::open(network_config(instance, ranges)).context("set up the network")?;
        let mut addresses = AddressPool::new(ranges.pods());
        addresses.take_specific(ranges.node_address()).context("keep the node's own address")?;
        let table = DnsTable {
            ranges: vec![ranges.pods(), ranges.service_addresses()],
            ..DnsTable::default()
        };
        Ok(Self {
            store,
            images,
            runtime: runtime(instance)?,
            network,
            addresses,
            dns_table: dns::Handle::new(table),
            gateway: Gateway::new(GatewayConfig::default()),
        })
    }
}

/// Destroys the instance's pods and network; works when no server runs.
pub async fn teardown(instance: &Instance, ranges: &NetworkRanges) -> anyhow::Result<()> {
    let ranges = Ranges::parse(&ranges.pod_cidr, &ranges.service_cidr)?;
    let config = TeardownConfig {
        runtime: runtime(instance)?,
        network: network_config(instance, &ranges),
        run_dir: instance.run_dir(),
    };
    node::teardown(&config).await.context("clean up")?;
    remove_run_dir(&instance.run_dir())
}

fn remove_run_dir(path: &PathBuf) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn runtime(instance: &Instance) -> anyhow::Result<Runtime> {
    let config = RuntimeConfig {
        run_dir: instance.run_dir(),
        cgroup_root: instance.cgroup_root(),
        // The file may be replaced by a newer one while we run: this is the one that runs.
        shim_exe: PathBuf::from("/proc/self/exe"),
    };
    Runtime::new(config).context("set up the container runtime")
}

fn network_config(instance: &Instance, ranges: &Ranges) -> NetworkConfig {
    NetworkConfig {
        instance: instance.id().to_owned(),
        run_dir: instance.run_dir(),
        pod_range: ranges.pods(),
        service_range: ranges.service_addresses(),
        addresses_on_dummy: vec![ranges.dns_address()],
    }
}

/// Answers DNS for pods until shutdown.
pub async fn serve_dns(tasks: &Tasks, address: Ipv4Addr, table: dns::Handle) -> anyhow::Result<()> {
    let at = SocketAddr::from((address, DNS_PORT));
    let server = dns::Server::bind(&[at], table, Upstream::system()).await?;
    let shutdown = tasks.shutdown();
    tasks.spawn("dns", server.run(shutdown.cancelled_owned()));
    Ok(())
}

/// Routes HTTP until shutdown, then drains.
pub fn serve_gateway(tasks: &Tasks, gateway: Gateway, listener: TcpListener) {
    let shutdown = tasks.shutdown();
    tasks.spawn("gateway", async move {
        if let Drained::CutOff { connections } = gateway.serve(listener, shutdown.cancelled_owned()).await {
            tracing::warn!(connections, "the gateway cut off what did not finish in time");
        }
    });
}
