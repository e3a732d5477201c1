//! The engines of one instance: opened for a server, taken apart for `sampan stop`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use container::{Runtime, RuntimeConfig};
use gateway::{Drained, Gateway, GatewayConfig};
use image::ImageStore;
use kit::Tasks;
use net::dns::{self, DnsTable, Upstream};
use net::{Network, NetworkConfig};
use node::TeardownConfig;
use store::Store;

use crate::instance::{Instance, NetworkRanges};
use crate::server::listeners::Listener;
use crate::server::ranges::Ranges;

/// A DNS server's port.
const DNS_PORT: u16 = 53;

/// What the API, the node agent and the listeners work with. Clones share it.
#[derive(Clone)]
pub struct Engines {
    pub store: Store,
    pub images: ImageStore,
    pub runtime: Runtime,
    pub network: Network,
    pub dns_table: dns::Handle,
    pub gateway: Gateway,
}

impl Engines {
    pub async fn open(instance: &Instance, ranges: &Ranges, store: Store) -> anyhow::Result<Self> {
        let images = ImageStore::open(instance.images()).context("open the image store")?;
        let network =
            Network::open(network_config(instance, ranges)).context("set up the network")?;
        let table = DnsTable {
            ranges: vec![ranges.pods(), ranges.service_addresses()],
            ..DnsTable::default()
        };
        Ok(Self {
            store,
            images,
            runtime: runtime(instance)?,
            network,
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

/// Answers DNS for pods until shutdown; should that end, it listens anew.
pub async fn serve_dns(tasks: &Tasks, address: Ipv4Addr, table: dns::Handle) -> anyhow::Result<()> {
    let at = SocketAddr::from((address, DNS_PORT));
    // The first one is bound here, so that a server without DNS does not call itself ready.
    let mut first = Some(dns::Server::bind(&[at], table.clone(), Upstream::system()).await?);
    let shutdown = tasks.shutdown();
    tasks.supervise("dns", move || {
        let (bound, table, shutdown) = (first.take(), table.clone(), shutdown.clone());
        async move {
            let server = match bound {
                Some(server) => server,
                None => dns::Server::bind(&[at], table, Upstream::system()).await?,
            };
            server.run(shutdown.cancelled_owned()).await;
            Ok::<_, dns::BindError>(())
        }
    });
    Ok(())
}

/// Routes HTTP until shutdown, then drains.
pub fn serve_gateway(tasks: &Tasks, gateway: Gateway, listener: Listener) {
    let shutdown = tasks.shutdown();
    tasks.supervise("gateway", move || {
        let (gateway, listener, shutdown) = (gateway.clone(), listener.open(), shutdown.clone());
        async move {
            let drained = gateway.serve(listener?, shutdown.cancelled_owned()).await;
            if let Drained::CutOff { connections } = drained {
                tracing::warn!(connections, "the gateway cut off what did not finish in time");
            }
            Ok::<_, std::io::Error>(())
        }
    });
}
