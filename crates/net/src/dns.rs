//! DNS for the cluster domain, and forwarding of everything else.

mod forward;
mod server;
mod table;

pub use forward::Upstream;
pub use server::{BindError, Server};
pub use table::{DnsTable, Handle, Srv};
