//! Questions that others must answer.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Who is asked what this server does not know.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// The name servers of a resolv.conf, read again when it changes; usually `/etc/resolv.conf`.
    ResolvConf(PathBuf),
    /// These, in this order.
    Addresses(Vec<SocketAddr>),
}

impl Upstream {
    /// The host's own name servers, from `/etc/resolv.conf`.
    pub fn system() -> Upstream {
        Upstream::ResolvConf(PathBuf::from("/etc/resolv.conf"))
    }
}
