//! Keeps the API's certificates and the admin kubeconfig good while the server runs: near their end,
//! when the machine's addresses change, and when its clock jumps.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use apiserver::Pki;
use apiserver::pki::ServingNames;
use kit::Tasks;

use crate::instance::{Instance, RunningServer};
use crate::machine;
use crate::server::clients;

/// How often addresses and clock are looked at. A handshake looks at the clock by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many of the machine's addresses are in the certificate.
const ADDRESSES_MAX: usize = 64;

/// What has to be kept good.
pub struct Certificates {
    pki: Arc<Pki>,
    /// Where the API listens.
    listens: IpAddr,
    /// Addresses of our own, inside.
    inside: Vec<Ipv4Addr>,
    /// What the user named.
    given: Vec<String>,
    kubeconfig: PathBuf,
    url: String,
}

impl Certificates {
    pub fn new(
        instance: &Instance,
        pki: Arc<Pki>,
        about: &RunningServer,
        inside: Vec<Ipv4Addr>,
        given: Vec<String>,
    ) -> Self {
        let mut address = about.api;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self {
            pki,
            listens: about.api.ip(),
            inside,
            given,
            kubeconfig: instance.kubeconfig(),
            url: format!("https://{address}"),
        }
    }

    /// The TLS of the API's listeners, good for all names of this moment.
    pub fn tls(&self) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        self.pki.tls(&self.names()).context("make the serving certificate")
    }

    /// Writes the admin kubeconfig, if it is not there or no longer good.
    pub fn write_kubeconfig(&self) -> anyhow::Result<()> {
        let is_kept = fs::read_to_string(&self.kubeconfig)
            .is_ok_and(|text| self.pki.keeps_kubeconfig(&text, &self.url));
        if is_kept {
            return Ok(());
        }
        let text = self.pki.kubeconfig(&self.url, "admin", &["system:masters"]);
        clients::write_secret(&self.kubeconfig, &text.context("make the kubeconfig")?)
    }

    /// Looks after all of them until shutdown.
    pub fn keep(self, tasks: &Tasks) {
        tasks.spawn_until_shutdown("certificates", async move {
            // By a clock that does not jump; what it finds may have.
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                if let Err(error) = self.look() {
                    tracing::error!(
                        error = crate::text::causes(&*error),
                        "a certificate was not renewed"
                    );
                }
            }
        });
    }

    fn look(&self) -> anyhow::Result<()> {
        self.pki.renew(&self.names()).context("renew the serving certificate")?;
        self.write_kubeconfig()
    }

    fn names(&self) -> ServingNames {
        let mut given = self.given.clone();
        match self.listens.is_unspecified() {
            false => given.push(self.listens.to_string()),
            true => {
                let addresses = machine::addresses(self.listens.is_ipv6());
                given.extend(addresses.iter().take(ADDRESSES_MAX).map(IpAddr::to_string));
                // A machine without a name, or with a strange one, has its addresses still.
                given
                    .extend(machine::host_name().ok().filter(|name| apiserver::pki::is_name(name)));
            }
        }
        ServingNames { addresses: self.inside.clone(), given }
    }
}
